"""The centre's HTTP face for the proxies, ``/cami/wire/v1`` (docs/architecture.md §4)."""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import replace

from cami.access import Accounts
from cami.delivery.disk import NoRoom
from cami.delivery.recall import Recall
from cami.delivery.receiver import Receiver
from cami.delivery.squeeze import TooLarge, expanded
from cami.delivery.tokens import HEADER, TokenVerifier
from cami.delivery.tus import Handler, Tus, study_total
from cami.delivery.uploads import Uploads
from cami.delivery.wire_checks import check_handlers
from cami.errors import Denied, Invalid, Transient
from cami.web import Endpoint, Request, Response, answer_json, answer_text
from cami.web import Handler as WebHandler

log = logging.getLogger(__name__)

ROOT = "/cami/wire/v1"


def wire_endpoints(
    receiver: Receiver, tokens: TokenVerifier, accounts: Accounts, uploads: Uploads, recall: Recall
) -> list[Endpoint]:
    """Return the endpoints that proxies call."""

    def instances(mo: str, request: Request) -> Response:
        announced = request.headers.get("x-cami-sha256", "")
        if not hmac.compare_digest(announced, hashlib.sha256(request.body).hexdigest()):
            return answer_text(400, "the digest in X-Cami-Sha256 is not that of the body: send it again")
        reception = receiver.receive(mo, request.body, study_total=study_total(request))
        return answer_json({"outcome": reception.outcome, "reason": reception.reason, "sha256": reception.sha256})

    def manifests(mo: str, request: Request) -> Response:
        try:
            document = request.json()
            study_id = str(document["study_id"])
            digests = {str(key): str(value) for key, value in document["instances"].items()}
            lag = _lag(document.get("lag"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return answer_text(400, 'expected JSON {"study_id": text, "instances": {id: sha256}}')
        check = receiver.check(mo, study_id, digests, lag=lag)
        confirmed = not check.missing and not check.different
        return answer_json({"confirmed": confirmed, "missing": check.missing, "different": check.different})

    def people(mo: str, _request: Request) -> Response:
        return answer_json(accounts.directory(mo).to_json())

    def ping(mo: str, _request: Request) -> Response:
        return answer_json({"mo": mo})

    tus = Tus(uploads, recall, receiver, ROOT + "/uploads")
    return [
        Endpoint(ROOT + "/instances", _for_proxies(tokens, {"POST": instances})),
        Endpoint(ROOT + "/uploads", _for_proxies(tokens, tus.collection)),
        Endpoint(ROOT + "/uploads/([0-9a-f]{64})", _for_proxies(tokens, tus.member)),
        Endpoint(ROOT + "/manifests", _for_proxies(tokens, {"POST": manifests})),
        Endpoint(ROOT + "/directory", _for_proxies(tokens, {"GET": people})),
        Endpoint(ROOT + "/ping", _for_proxies(tokens, {"GET": ping})),
        *(
            Endpoint(ROOT + path, _for_proxies(tokens, {"POST": handler}))
            for path, handler in check_handlers(receiver).items()
        ),
    ]


def _lag(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else None


def _for_proxies(tokens: TokenVerifier, methods: Mapping[str, Handler]) -> WebHandler:
    def handle(request: Request) -> Response:
        try:
            mo = tokens.verify(request.headers.get(HEADER.lower(), ""))
        except Denied as error:
            return answer_text(401, str(error))
        handler = methods.get(request.method)
        if handler is None:
            return answer_text(405, f"this address answers {' and '.join(methods)} only")
        return _answer(handler, mo, request)

    return handle


def _answer(handler: Handler, mo: str, request: Request) -> Response:
    try:
        return handler(mo, _plain(request))
    except Invalid as error:
        return answer_text(413 if isinstance(error, TooLarge) else 400, str(error))
    except NoRoom:
        # Told once by the disk's watch; proxies keep everything and ask again every few seconds.
        return answer_text(507, "no room at the centre now: try again later")
    except Transient as error:
        log.warning("delivery of МО %s put off: %s", mo, error)
        return answer_text(503, "try again later")
    except OSError as error:
        log.error("delivery of МО %s put off: %s", mo, error.strerror)  # noqa: TRY400 - no trace of paths
        return answer_text(507, "no room for the object now: try again later")


def _plain(request: Request) -> Request:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return request
    if encoding != "gzip":
        raise Invalid("the body's Content-Encoding must be gzip or none")
    return replace(request, body=expanded(request.body))
