"""The reverse proxy before Orthanc: nginx's configuration, filled in from its template, and the token that it has."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cami_cli.errors import Trouble
from cami_cli.places import HOME

TEMPLATE = HOME / "docker" / "nginx" / "nginx.conf.template"
#: Among the secrets of the server behind it (`cami.access.gateway`).
TOKEN = "gateway.token"  # noqa: S105 - the name of a file
_FORBIDDEN = frozenset("\"'\\;{}$\n\r ")


@dataclass(frozen=True, slots=True)
class Gateway:
    """What a gateway has to know."""

    name: str
    """Name of the server, as people write it into the browser."""
    certificate: Path
    """Its certificate with those between it and the authority (PEM)."""
    certificate_key: Path
    upstream: str
    """Where Orthanc listens: host:port."""
    token: str
    state: Path
    """Folder for its temporary files, which only it may read."""
    tls_listen: str = "443"
    plain_listen: str = "80"
    client_authority: Path | None = None
    """Whose certificates proxies show (PEM); None: none are asked for."""
    access_log: str = "/dev/stdout"
    error_log: str = "stderr"

    def render(self) -> str:
        """Return nginx's configuration.

        Raises
        ------
        Trouble
            A value cannot stand in it.
        """
        port = self.tls_listen.rpartition(":")[2]
        values = {
            "NAME": self.name,
            "CERTIFICATE": str(self.certificate),
            "CERTIFICATE_KEY": str(self.certificate_key),
            "UPSTREAM": self.upstream,
            "TOKEN": self.token,
            "STATE": str(self.state),
            "TLS_LISTEN": self.tls_listen,
            "PLAIN_LISTEN": self.plain_listen,
            "PORT_SUFFIX": "" if port == "443" else f":{port}",
            "ACCESS_LOG": self.access_log,
            "ERROR_LOG": self.error_log,
        }
        for name, value in values.items():
            if _FORBIDDEN.intersection(value) or (not value and name != "PORT_SUFFIX"):
                raise Trouble(f"the gateway's {name.lower()} cannot be {value!r}", "use plain names and paths")
        values["CLIENT_CERTIFICATES"] = self._client_certificates()
        text = TEMPLATE.read_text("utf-8")
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        return text

    def _client_certificates(self) -> str:
        if self.client_authority is None:
            return "    # no certificates of clients are asked for\n"
        if _FORBIDDEN.intersection(str(self.client_authority)):
            raise Trouble("the path of the clients' authority has characters that nginx does not take", "rename it")
        return f"    ssl_client_certificate {self.client_authority};\n    ssl_verify_client optional;\n"


def ensure_token(secrets_folder: Path) -> str:
    """Return the token of a server's gateway, made if there is none yet."""
    path = secrets_folder / TOKEN
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        token = secrets.token_hex(32)
        _write(path, token + "\n")
        return token


def write_configuration(gateway: Gateway, path: Path) -> None:
    """Write nginx's configuration, readable for its owner only: it holds the token."""
    _write(path, gateway.render())


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
