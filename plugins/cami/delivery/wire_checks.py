"""What a proxy lets the centre check: manifests and summaries of studies, files read from the disk again; reports."""

from collections.abc import Callable, Mapping
from typing import Any

from cami.delivery.manifests import Announcement, Manifests
from cami.delivery.reports import MOST as MOST_REPORTS
from cami.delivery.reports import ProxyReports, Report
from cami.web import Request, Response, answer_json, answer_text

#: Studies that a proxy may compare, and instances that it may have read again, in one call, so that the call ends.
MOST = 500


def check_handlers(manifests: Manifests, reports: ProxyReports) -> dict[str, Callable[[str, Request], Response]]:
    """Return the handlers by path under ``/cami/wire/v1``; each is called with the МО that has signed the request."""

    def check(mo: str, request: Request) -> Response:
        try:
            announced = _announcement(request.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            return answer_text(400, 'expected JSON {"study_id": text, "instances": {id: sha256}}')
        found = manifests.check(mo, announced)
        return answer_json(
            {
                "confirmed": found.confirmed,
                "missing": found.missing,
                "different": found.different,
                "pixels_different": found.pixels_different,
                "pending": found.pending,
            }
        )

    def summaries(mo: str, request: Request) -> Response:
        studies = _texts(request, "studies")
        if studies is None:
            return answer_text(400, f'expected JSON {{"studies": {{study id: summary}}}}, at most {MOST}')
        return answer_json({"unlike": manifests.compare(mo, studies)})

    def verifications(mo: str, request: Request) -> Response:
        digests = _texts(request, "instances")
        if digests is None:
            return answer_text(400, f'expected JSON {{"instances": {{id: sha256}}}}, at most {MOST}')
        return answer_json({"bad": manifests.verify(mo, digests)})

    def note(mo: str, request: Request) -> Response:
        try:
            told = [Report.parse(document) for document in request.json()["runs"][:MOST_REPORTS]]
        except (ValueError, KeyError, TypeError):
            return answer_text(400, 'expected JSON {"runs": [comparisons]}')
        reports.note(mo, told)
        return answer_json({"noted": len(told)})

    return {"/manifests": check, "/summaries": summaries, "/verifications": verifications, "/reports": note}


def _announcement(document: Mapping[str, Any]) -> Announcement:
    pixels, series = document.get("pixels"), document.get("series")
    return Announcement(
        str(document["study_id"]),
        {str(key): str(value) for key, value in document["instances"].items()},
        None if pixels is None else {str(key): str(value) for key, value in pixels.items()},
        None if series is None else {str(key): int(value) for key, value in series.items()},
        _lag(document.get("lag")),
    )


def _lag(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else None


def _texts(request: Request, name: str) -> dict[str, str] | None:
    try:
        found = {str(key): str(value) for key, value in request.json()[name].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if len(found) <= MOST else None
