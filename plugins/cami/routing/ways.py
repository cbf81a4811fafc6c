"""From the registry's destinations to ways of reaching them, with their secrets.

Secrets lie in files of the folder ``destinations`` beside the other secrets of the server, named after the destination:
``NAME.secret`` (a bearer token, or ``login:password``), ``NAME.ca.pem`` (who signs its certificate; without it those
that the system trusts), ``NAME.pem`` (our certificate and its key, if it asks for one).
"""

import base64
import ssl
from pathlib import Path

from cami.delivery import Pace
from cami.dimse import Peer
from cami.errors import Misconfigured
from cami.region import Destination, DicomWebServer
from cami.routing.dicom_node import DicomNodeWay, Transcode
from cami.routing.dicomweb_server import DicomWebWay, Server
from cami.routing.forwarder import Way


class Ways:
    """Makes ways; each call makes a new one, for one thread."""

    def __init__(self, secrets: Path, calling: str, transcode: Transcode, pace: Pace) -> None:
        """Make it.

        Parameters
        ----------
        secrets
            The server's folder of secrets.
        calling
            The AE title that we call from unless a destination has another one.
        transcode
            As for `DicomNodeWay`.
        pace
            Of the link, for destinations that share it.
        """
        self._folder = secrets / "destinations"
        self._calling = calling
        self._transcode = transcode
        self._pace = pace

    def way(self, destination: Destination) -> Way:
        """Return a way to a destination.

        Raises
        ------
        cami.errors.Misconfigured
            A secret that it needs is missing or wrong.
        """
        pace = self._pace if destination.paced else None
        if destination.dicom is not None:
            node = destination.dicom
            tls = self._tls(destination.name) if node.tls else None
            peer = Peer(node.host, node.port, node.aet, node.calling_aet or self._calling, tls)
            return DicomNodeWay(peer, self._transcode, pace)
        if destination.dicomweb is None:
            raise Misconfigured(f"the destination {destination.name} has no way")
        server = destination.dicomweb
        tls = self._tls(destination.name) if server.url.startswith("https:") else None
        return DicomWebWay(Server(server.url, self._authorization(destination.name, server), tls), pace)

    def _authorization(self, name: str, server: DicomWebServer) -> dict[str, str]:
        if server.authorization == "none":
            return {}
        secret = self._read(name)
        if server.authorization == "bearer":
            return {"Authorization": f"Bearer {secret}"}
        if ":" not in secret:
            raise Misconfigured(f"{self._folder / name}.secret must be login:password")
        return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode("ascii")}

    def _read(self, name: str) -> str:
        path = self._folder / f"{name}.secret"
        try:
            secret = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{path} cannot be read: put the secret of the destination there") from error
        if not secret or not secret.isprintable():
            raise Misconfigured(f"{path} must hold one line")
        return secret

    def _tls(self, name: str) -> ssl.SSLContext:
        authority, own = self._folder / f"{name}.ca.pem", self._folder / f"{name}.pem"
        try:
            context = ssl.create_default_context(cafile=str(authority) if authority.is_file() else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if own.is_file():
                context.load_cert_chain(own)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"the certificates of the destination {name} in {self._folder} are wrong") from error
        return context
