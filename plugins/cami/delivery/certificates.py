"""The client certificates that the centre knows of proxies, which bind their tokens to their connections."""

import hashlib
import ssl
from pathlib import Path

from cami.errors import Misconfigured


def read_certificates(folder: Path) -> dict[str, str]:
    """Read ``<mo>.crt`` files beside the keys: the SHA-256 of the certificate that a proxy has to show, by МО.

    Raises
    ------
    cami.errors.Misconfigured
        A file is no certificate.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.crt")):
        try:
            found[path.stem] = hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text("ascii").strip())).hexdigest()
        except (ValueError, UnicodeDecodeError) as error:
            raise Misconfigured(f"not a certificate in PEM: {path}") from error
    return found
