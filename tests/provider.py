"""An identity provider for tests: Canaille, a real OpenID Connect server, with people, groups and one client.

``python -m tests.provider PORT KEY RETURN_TO``: listens on the loopback, signs with the key in the file KEY (PEM),
sends people back to RETURN_TO only. It keeps everything in memory; the people are the same after a restart.
"""

import os
import sys
import wsgiref.simple_server
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CLIENT = "cami"
SECRET = "provider-secret"
PASSWORD = "Верный-пароль-1"
#: Login → (name, groups).
PEOPLE = {
    "rad.oidc": ("Снимкова Ольга", ["cami-radiologist-42001"]),
    "both.oidc": ("Двухместный Пётр", ["cami-radiologist-42001", "cami-clinician-42002"]),
    "root.oidc": ("Начальников Иван", ["cami-admin", "cami-auditor"]),
    "cook.oidc": ("Поваров Семён", ["kitchen"]),
    "rad.42001": ("Самозванцев Фёдор", ["cami-radiologist-42001"]),
}


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def main(port: int, key: Path, return_to: str) -> None:
    """Serve until killed."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    from canaille import create_app
    from canaille.app import models
    from canaille.backends import Backend
    from joserfc.jwk import RSAKey

    signing = RSAKey.import_key(key.read_text())
    signing.ensure_kid()
    app = create_app(
        config={
            "TESTING": True, "ENV_FILE": None, "SECRET_KEY": "tests", "WTF_CSRF_ENABLED": False,
            "PREFERRED_URL_SCHEME": "http", "SERVER_NAME": f"127.0.0.1:{port}",
            "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False, "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}}},
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [signing.as_dict(private=True)]},
        }
    )  # fmt: skip
    with app.app_context():
        _populate(models, Backend.instance, return_to)
    wsgiref.simple_server.make_server("127.0.0.1", port, app, handler_class=_Quiet).serve_forever()


def _populate(models: Any, backend: Any, return_to: str) -> None:
    people = {}
    for login, (name, _) in PEOPLE.items():
        family, _, given = name.partition(" ")
        people[login] = models.User(
            user_name=login, formatted_name=name, family_name=family, given_name=given,
            emails=[f"{login}@example.org"], password=PASSWORD,
        )  # fmt: skip
        backend.save(people[login])
    for group in sorted({each for _, groups in PEOPLE.values() for each in groups}):
        members = [people[login] for login, (_, groups) in PEOPLE.items() if group in groups]
        backend.save(models.Group(display_name=group, members=members))
    client = models.Client(
        client_id=CLIENT, client_secret=SECRET, client_name="ЦАМИ", client_uri="http://127.0.0.1",
        client_id_issued_at=datetime.now(UTC),
        redirect_uris=[return_to], post_logout_redirect_uris=[return_to.removesuffix("/provider/return")],
        grant_types=["authorization_code"], response_types=["code"], scope=["openid", "profile", "groups"],
        token_endpoint_auth_method="client_secret_basic", audience=[],
    )  # fmt: skip
    backend.save(client)
    backend.update(client, audience=[client])
    backend.save(client)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
