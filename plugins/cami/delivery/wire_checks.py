"""What a proxy lets the centre check, beside manifests: summaries of studies, and files read from the disk again."""

from collections.abc import Callable

from cami.delivery.receiver import Receiver
from cami.web import Request, Response, answer_json, answer_text

#: Studies that a proxy may compare, and instances that it may have read again, in one call, so that the call ends.
MOST = 500


def check_handlers(receiver: Receiver) -> dict[str, Callable[[str, Request], Response]]:
    """Return the handlers by path under ``/cami/wire/v1``; each is called with the МО that has signed the request."""

    def summaries(mo: str, request: Request) -> Response:
        studies = _texts(request, "studies")
        if studies is None:
            return answer_text(400, f'expected JSON {{"studies": {{study id: summary}}}}, at most {MOST}')
        return answer_json({"unlike": receiver.compare(mo, studies)})

    def verifications(mo: str, request: Request) -> Response:
        digests = _texts(request, "instances")
        if digests is None:
            return answer_text(400, f'expected JSON {{"instances": {{id: sha256}}}}, at most {MOST}')
        return answer_json({"bad": receiver.verify(mo, digests)})

    return {"/summaries": summaries, "/verifications": verifications}


def _texts(request: Request, name: str) -> dict[str, str] | None:
    try:
        found = {str(key): str(value) for key, value in request.json()[name].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if len(found) <= MOST else None
