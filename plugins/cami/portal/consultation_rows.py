"""A request as the pages show it: whose, what, how urgent, and by when, in words."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cami.consultations.desk import Line
from cami.consultations.request import ChosenStudy, Consultation
from cami.consultations.routes import RouteTable, modality_set
from cami.consultations.terms import Urgency
from cami.portal import consultation_wording, dicom_text, wording
from cami.portal.pages import Pages


def _(message: str) -> str:
    return message


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when, as a person needs it; the words are message ids."""

    words: str
    at: datetime | None = None
    left: int = 0
    """Seconds, of `passed` those since."""
    passed: bool = False
    today: bool = False
    """Whether the time alone says it."""
    mark: str = "waiting"


@dataclass(frozen=True, slots=True)
class Row:
    """A request in a list or at the head of its page."""

    number: int
    request: Consultation
    state: str
    mark: str
    urgency: str
    kind: str
    profile: str
    mo: str
    to_mo: str
    modalities: tuple[str, ...]
    patient: str
    birth_date: str
    sex: str
    card: str
    deadline: Deadline
    unread: bool = False
    shows_patient: bool = False


class Rows:
    """Makes rows."""

    def __init__(self, pages: Pages, routes: RouteTable) -> None:
        self._pages = pages
        self._routes = routes

    def of_line(self, line: Line, now: datetime) -> Row:
        """Return the row of a request of a list."""
        return self.row(line.request, now, patient=line.patient, unread=line.unread)

    def row(self, request: Consultation, now: datetime, *, patient: bool, unread: bool = False) -> Row:
        """Return the row of a request."""
        state, mark = consultation_wording.STATES[request.state]

        def of_patient(text: str) -> str:
            return text if patient else ""

        return Row(
            number=request.number,
            request=request,
            state=state,
            mark=mark,
            urgency=consultation_wording.URGENCIES[request.urgency],
            kind=consultation_wording.KINDS[request.kind],
            profile=self._routes.profile(request.profile),
            mo=self._pages.organization(request.mo),
            to_mo=self._pages.organization(request.to_mo) if request.to_mo else "",
            modalities=modalities(request.modalities),
            patient=of_patient(dicom_text.person_name(request.patient_name)),
            birth_date=of_patient(dicom_text.date(request.patient_birth_date)),
            sex=of_patient(wording.SEXES.get(request.patient_sex, "")),
            card=of_patient(request.patient_id),
            deadline=deadline(request, now, self._pages.zone),
            unread=unread,
            shows_patient=patient,
        )


def modalities(written: str) -> tuple[str, ...]:
    """Return the words for modalities, each once."""
    return tuple(dict.fromkeys(wording.MODALITIES.get(code, code) for code in sorted(modality_set(written))))


def deadline(request: Consultation, now: datetime, zone: ZoneInfo) -> Deadline:
    """Return what is to be said of a request's time."""
    if request.ended_at is not None:
        return Deadline(_("с нарушением срока") if request.late else "", request.ended_at, mark="waiting")
    if request.paused_at is not None:
        return Deadline(_("Часы остановлены: ждём сведений"), request.paused_at, mark="waiting")
    due = request.due_at()
    if due is None:
        return Deadline("")
    words = _("Принять до") if request.accepted_at is None else _("Ответить до")
    left = int((due - now).total_seconds())
    today = due.astimezone(zone).date() == now.astimezone(zone).date()
    if left < 0:
        return Deadline(words, due, -left, passed=True, today=today, mark="trouble")
    begun = request.sent_at if request.accepted_at is None else request.accepted_at
    whole = (due - begun).total_seconds() if begun is not None else 0
    soon = left < whole / 3 or (request.urgency is Urgency.STAT and request.accepted_at is None)
    return Deadline(words, due, left, today=today, mark="soon" if soon else "done")


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study of a request, and how much of it is here."""

    study_uid: str
    when: str
    what: str
    modalities: tuple[str, ...]
    accession: str
    prior: bool
    received: int = 0
    expected: int | None = None
    whole: bool = False
    chosen: bool = True


def study_row(
    study: ChosenStudy, *, received: int = 0, expected: int | None = None, whole: bool = False, chosen: bool = True
) -> StudyRow:
    """Return the row of a study."""
    return StudyRow(
        study_uid=study.study_uid,
        when=dicom_text.moment(study.study_date, study.study_time),
        what=study.description,
        modalities=modalities(study.modalities),
        accession=study.accession,
        prior=study.prior,
        received=received,
        expected=expected,
        whole=whole,
        chosen=chosen,
    )
