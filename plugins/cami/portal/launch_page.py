"""The ways to one study from outside: a code of the МИС, a link that lasts, the parameters of IHE IID."""

import re
from typing import Protocol
from urllib.parse import urlencode

from cami.access import COOKIE, Identity
from cami.portal import local_path
from cami.portal.pages import Pages, Reader
from cami.portal.ports import Identifier, StudyFinder
from cami.portal.texts import language_of
from cami.web import Endpoint, Request, Response, redirect, source_of

_UID = re.compile(r"[0-9.]{1,64}")


class Opened(Protocol):
    """A session that a code has opened."""

    @property
    def token(self) -> str:
        """For the cookie."""
        ...

    @property
    def study_uid(self) -> str:
        """What to show."""
        ...


class Launches(Protocol):
    """Opens sessions by codes; `cami.mis` does."""

    def use(self, code: str, address: str) -> Opened | None:
        """Open the session of a code, once."""
        ...

    def use_signed(self, link: str, address: str) -> Opened | None:
        """Open the session of a link that the МИС has signed by itself, once."""
        ...


class LaunchPage:
    """Handlers of ``/cami/launch``, ``/cami/s/<Study Instance UID>`` and ``/IHEInvokeImageDisplay``."""

    def __init__(
        self, pages: Pages, who: Identifier, studies: StudyFinder, launches: Launches, *, cookie_secure: bool
    ) -> None:
        self._pages = pages
        self._who = who
        self._studies = studies
        self._launches = launches
        self._flags = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if cookie_secure else "")

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint("/cami/launch", self.launch),
            Endpoint("/cami/s/([0-9.]{1,64})", self.study),
            Endpoint("/IHEInvokeImageDisplay", self.invoke),
        ]

    def launch(self, request: Request) -> Response:
        """Exchange a code, or a signed link, for a session that sees the patient's studies alone; show the images."""
        code = request.query.get("code", "")
        link = request.query.get("st", "")
        address = source_of(request.headers)
        if code:
            opened = self._launches.use(code, address)
        else:
            opened = self._launches.use_signed(link, address) if link else None
        if opened is None:
            return self._pages.page("launch_over.html", Reader(language_of(request)))
        answer = redirect(_viewer(opened.study_uid))
        answer.headers.append(("Set-Cookie", f"{COOKIE}={opened.token}{self._flags}"))
        return answer

    def study(self, request: Request) -> Response:
        """Show a study to who may see it: the link that stands in documents for 25 years."""
        return self._show(request, {"StudyInstanceUID": request.groups[0]}, f"/cami/s/{request.groups[0]}")

    def invoke(self, request: Request) -> Response:
        """Answer IHE Invoke Image Display (RAD-106): a study by its UID or accession number."""
        given = request.query
        if token := given.get("token", ""):
            return self.launch(Request("GET", request.path, request.headers, {"code": token}))
        uid, accession = given.get("studyUID", ""), given.get("accessionNumber", "")
        if given.get("requestType") != "STUDY" or not (_UID.fullmatch(uid) or 0 < len(accession) <= 16):
            return self._nothing(request, self._who.identify(request.headers))
        if uid:
            return redirect(f"/cami/s/{uid}")
        return self._show(request, {"AccessionNumber": accession}, local_path.HOME)

    def _show(self, request: Request, query: dict[str, str], address: str) -> Response:
        identity = self._who.identify(request.headers)
        if identity is None:
            return redirect(local_path.sign_in_then(address))
        wanted = {"Level": "Study", "Query": query, "Expand": True, "Limit": 1}
        found = self._studies.find(identity, wanted)
        if not found:
            return self._nothing(request, identity)
        return redirect(_viewer(str(found[0]["MainDicomTags"]["StudyInstanceUID"])))

    def _nothing(self, request: Request, identity: Identity | None) -> Response:
        """Answer alike whether there is no such study or it is not for this person."""
        if identity is None:
            return redirect(local_path.LOGIN)
        return self._pages.page("not_found.html", Reader(language_of(request), identity))


def _viewer(study_uid: str) -> str:
    return f"/ohif/viewer?{urlencode({'StudyInstanceUIDs': study_uid})}"
