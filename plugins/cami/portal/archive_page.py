"""The archive page: the studies that somebody may see, and how far each has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from cami.access import Action, Identity, allowed
from cami.access.hygiene import forged
from cami.errors import Denied, NotFound, Transient
from cami.matching import OrderedStudies, OrderNote
from cami.portal import dicom_text, grants_wording, local_path, wording
from cami.portal.bringing import Bringing, Coming
from cami.portal.forms import fields
from cami.portal.pages import Pages, Reader
from cami.portal.ports import ProgressReader, StudyFinder, StudyProgress
from cami.portal.search import Search, from_fields, remember_search, search_of
from cami.settings import Role as ServerRole
from cami.sharing import Grant, SharingDesk
from cami.web import Request, Response, redirect

#: Rows of one page.
PAGE_ROWS = 50
#: So many of the newest are shown. Beyond that the page says so and asks for more.
SCANNED = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A study as the page shows it. Texts that are message ids are translated by the template."""

    study_id: str
    patient: str
    birth_date: str
    sex: str
    card: str
    moment: str
    modalities: tuple[str, ...]
    description: str
    owner: str
    """Code of the МО."""
    organization: str
    received: int
    expected: int | None
    state: str
    mark: str
    viewer: str
    """Address that opens the images."""
    study_uid: str
    own: bool
    """Whether it is the reader's own МО's, so that they may ask others about it."""
    guest_until: datetime | None = None
    """Of another МО's study at a proxy: until when it is open."""
    granted: Grant | None = None
    """By which grant this person sees another МО's study."""
    shared: bool = False
    """This person may open it to others."""
    order: OrderNote | None = None
    """The order that it was made for."""
    coming: Coming | None = None
    """How the part of it stands that is not here; None: all of it is."""


class ArchivePage:
    """Handlers of ``/cami/``."""

    def __init__(
        self,
        pages: Pages,
        studies: StudyFinder,
        progress: ProgressReader,
        bringing: Bringing,
        server: ServerRole,
        *,
        sharing: SharingDesk | None = None,
        orders: OrderedStudies | None = None,
    ) -> None:
        self._pages = pages
        self._studies = studies
        self._progress = progress
        self._bringing = bringing
        self._server = server
        self._sharing = sharing
        self._orders = orders

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the list, or take a new search."""
        if request.method == "POST":
            return _take_search(request)
        if not allowed(identity.role, Action.STUDIES_READ, self._server):
            return self._pages.page("no_images.html", reader)
        search = search_of(request)
        found = self._find(identity, search)
        cut = len(found) > SCANNED
        hits = found[:SCANNED]
        number, last = _page_number(request, len(hits))
        shown = hits[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
        ids = [study["ID"] for study in shown]
        known, coming = self._progress.progress(ids), self._bringing.coming(identity, ids)
        contents = self._contents(identity, shown)
        rows = [
            self._row(
                identity,
                study,
                contents.get(study["ID"]) or study.get("RequestedTags", {}),
                known.get(study["ID"]),
                coming.get(study["ID"]),
            )
            for study in shown
        ]
        rows = self._with_grants(identity, rows, shown)
        if self._orders is not None:
            orders = self._orders.orders(ids)
            rows = [replace(row, order=orders.get(row.study_id)) for row in rows]
        return self._pages.page(
            "archive.html",
            reader,
            rows=rows,
            search=search,
            total=len(hits),
            cut=cut,
            number=number,
            last=last,
            asks=allowed(identity.role, Action.CONSULTATIONS_ASK, self._server),
            causes=grants_wording.CAUSES,
        )

    def bring(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Have a study brought, then show the list again."""
        if request.method != "POST" or forged(request.method, request.headers):
            return redirect(local_path.HOME)
        try:
            self._bringing.bring(identity, fields(request).get("study", ""))
        except (Denied, NotFound):
            return self._pages.page("not_found.html", reader)
        except Transient:
            return self._pages.page("no_line.html", reader)
        return redirect(local_path.HOME)

    def _find(self, identity: Identity, search: Search) -> list[Any]:
        """Ask for the visible studies that are searched for, newest first.

        Without the study index (at a proxy, or while it is behind) names are compared here: Orthanc compares Cyrillic
        letters by case only in part, and knows nothing of ё; `dicom_text.matches` does.
        """
        found = self._studies.newest(identity, search.words, search.dicom_range, SCANNED + 1)
        if found is None:
            query = {"StudyDate": search.dicom_range} if search.dicom_range else {}
            every = self._studies.find(
                identity, {"Level": "Study", "Query": query, "Expand": True, "ResponseContent": ["MainDicomTags"]}
            )
            found = [study for study in every if _hit(study, search)]
        here = {study["ID"] for study in found}
        absent = [
            study
            for study in self._bringing.absent(identity, search.days)
            if study["ID"] not in here and _hit(study, search)
        ]
        return sorted([*found, *absent], key=_recorded, reverse=True)

    def _with_grants(self, identity: Identity, rows: Sequence[Row], shown: Sequence[Any]) -> list[Row]:
        """Say of each row whether it is another МО's, and by which grant it is seen, or whether it may be shared."""
        if self._sharing is None:
            return list(rows)
        uids = {study["ID"]: study["MainDicomTags"].get("StudyInstanceUID", "") for study in shown}
        grants = self._sharing.register.seen_by(identity.mo, identity.login, [*uids.values()])
        gives = allowed(identity.role, Action.GRANTS_GIVE, self._server) and bool(identity.mo)
        return [
            replace(row, shared=gives)
            if row.owner == identity.mo
            else replace(row, granted=grants.get(uids[row.study_id]))
            for row in rows
        ]

    def _contents(self, identity: Identity, studies: Sequence[Any]) -> Mapping[str, Mapping[str, str]]:
        """Return what Orthanc has to count for: modalities and instances, for the rows of one page only."""
        if not studies:
            return {}
        uids = "\\".join(study["MainDicomTags"]["StudyInstanceUID"] for study in studies)
        asked = self._studies.find(
            identity,
            {
                "Level": "Study",
                "Query": {"StudyInstanceUID": uids},
                "Expand": True,
                "ResponseContent": ["RequestedTags"],
                "RequestedTags": ["ModalitiesInStudy", "NumberOfStudyRelatedInstances"],
            },
        )
        return {study["ID"]: study.get("RequestedTags", {}) for study in asked}

    def _row(
        self,
        identity: Identity,
        study: Mapping[str, Any],
        contents: Mapping[str, str],
        progress: StudyProgress | None,
        coming: Coming | None,
    ) -> Row:
        tags, patient = study["MainDicomTags"], study["PatientMainDicomTags"]
        told = coming.state if coming and coming.state else progress.state if progress else ""
        state, mark = wording.STATES.get(told, ("", ""))
        owner = progress.owner if progress else coming.owner if coming else ""
        return Row(
            study_id=study["ID"],
            patient=dicom_text.person_name(patient.get("PatientName", "")),
            birth_date=dicom_text.date(patient.get("PatientBirthDate", "")),
            sex=wording.SEXES.get(patient.get("PatientSex", ""), ""),
            card=patient.get("PatientID", ""),
            moment=dicom_text.moment(tags.get("StudyDate", ""), tags.get("StudyTime", "")),
            modalities=_modalities(contents.get("ModalitiesInStudy", "")),
            description=tags.get("StudyDescription", ""),
            owner=owner,
            organization=self._pages.organization(owner) if owner else "",
            received=progress.received if progress else _number(contents.get("NumberOfStudyRelatedInstances", "")),
            expected=progress.expected if progress else None,
            state=state,
            mark=mark,
            viewer="/ohif/viewer?" + urlencode({"StudyInstanceUIDs": tags.get("StudyInstanceUID", "")}),
            study_uid=tags.get("StudyInstanceUID", ""),
            own=owner == identity.mo,
            coming=coming,
            guest_until=getattr(progress, "until", None),
        )


def _take_search(request: Request) -> Response:
    """Keep what the form asks for, then show the page."""
    answer = redirect(local_path.HOME)
    if not forged(request.method, request.headers):
        form = fields(request)
        search = from_fields(form.get("words", ""), form.get("since", ""), form.get("until", ""))
        answer.headers.append(("Set-Cookie", remember_search(Search() if "reset" in form else search)))
    return answer


def _recorded(study: Mapping[str, Any]) -> tuple[str, str, str]:
    tags = study["MainDicomTags"]
    return tags.get("StudyDate", ""), tags.get("StudyTime", ""), study["ID"]


def _hit(study: Mapping[str, Any], search: Search) -> bool:
    """Return whether a study is one of those that are searched for by name or number."""
    patient, tags = study["PatientMainDicomTags"], study["MainDicomTags"]
    values = (patient.get("PatientName", ""), patient.get("PatientID", ""), tags.get("AccessionNumber", ""))
    return not search.words or dicom_text.matches(search.words, values)


def _page_number(request: Request, total: int) -> tuple[int, int]:
    last = max(1, -(-total // PAGE_ROWS))
    return min(max(_number(request.query.get("page", "")), 1), last), last


def _modalities(value: str) -> tuple[str, ...]:
    """Return the words for codes that a backslash parts, each once; a code without a word stands for itself."""
    codes = [code.strip() for code in value.split("\\") if code.strip()]
    images = [code for code in codes if code not in ("SR", "PR", "KO", "SEG", "DOC")] or codes
    return tuple(dict.fromkeys(wording.MODALITIES.get(code, code) for code in images))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
