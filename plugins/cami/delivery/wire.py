"""The centre's HTTP face for the proxies, ``/cami/wire/v1`` (docs/architecture.md §4)."""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import replace

from cami.access import Accounts
from cami.delivery.disk import NoRoom
from cami.delivery.manifests import Manifests
from cami.delivery.recall import Recall
from cami.delivery.receiver import Receiver
from cami.delivery.reports import ProxyReports
from cami.delivery.squeeze import TooLarge, expanded
from cami.delivery.tokens import TokenVerifier
from cami.delivery.totals import study_total
from cami.delivery.tus import NAME, Handler, Tus
from cami.delivery.uploads import Uploads
from cami.delivery.wire_checks import check_handlers
from cami.errors import Denied, Invalid, NotFound, Transient
from cami.web import Endpoint, Request, Response, answer_json, answer_text
from cami.web import Handler as WebHandler

log = logging.getLogger(__name__)

ROOT = "/cami/wire/v1"


def wire_endpoints(
    *,
    receiver: Receiver,
    manifests: Manifests,
    reports: ProxyReports,
    tokens: TokenVerifier,
    accounts: Accounts,
    uploads: Uploads,
    recall: Recall,
    others: Mapping[str, Handler] | None = None,
) -> list[Endpoint]:
    """Return the endpoints that proxies call; `others` are further handlers of POST, by path."""

    def instances(mo: str, request: Request) -> Response:
        announced = request.headers.get("x-cami-sha256", "")
        if not hmac.compare_digest(announced, hashlib.sha256(request.body).hexdigest()):
            return answer_text(400, "the digest in X-Cami-Sha256 is not that of the body: send it again")
        reception = receiver.receive(mo, request.body, study_total=study_total(request))
        return answer_json({"outcome": reception.outcome, "reason": reception.reason, "sha256": reception.sha256})

    def people(mo: str, request: Request) -> Response:
        directory = accounts.directory(mo)
        if request.query.get("version") == directory.version:
            return answer_json({"version": directory.version})
        return answer_json(directory.to_json())

    def ping(mo: str, _request: Request) -> Response:
        return answer_json({"mo": mo})

    tus = Tus(uploads, recall, receiver, ROOT + "/uploads")
    return [
        Endpoint(ROOT + "/instances", for_proxies(tokens, {"POST": instances})),
        Endpoint(ROOT + "/uploads", for_proxies(tokens, tus.collection)),
        Endpoint(f"{ROOT}/uploads/({NAME})", for_proxies(tokens, tus.member)),
        Endpoint(ROOT + "/directory", for_proxies(tokens, {"GET": people})),
        Endpoint(ROOT + "/ping", for_proxies(tokens, {"GET": ping})),
        *(
            Endpoint(ROOT + path, for_proxies(tokens, {"POST": handler}))
            for path, handler in {**check_handlers(manifests, reports), **(others or {})}.items()
        ),
    ]


def for_proxies(tokens: TokenVerifier, methods: Mapping[str, Handler]) -> WebHandler:
    """Return the handler of an address that only proxies may call; each method's is given the МО that has signed."""

    def handle(request: Request) -> Response:
        try:
            mo = tokens.verify_request(request.headers)
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
    except NotFound:
        # The same words for what is another МО's and for what does not exist.
        return answer_text(404, "no such thing")
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
