"""What people do on the page of one request: each button is a step of this table, everything else a command."""

import base64
import binascii
from collections.abc import Callable

from cami.consultations.phrases import named
from cami.consultations.service import Wish
from cami.consultations.states import Command, State
from cami.consultations.terms import MessageKind
from cami.errors import CamiError, Conflict, Denied, Invalid, NotFound, Transient
from cami.portal import consultation_wording
from cami.portal.consultation_ports import Consulting
from cami.portal.consultation_view import Visit
from cami.portal.consultations_page import values_of

#: What a document says of a signature through an identity provider.
SIGNED_THROUGH = "Подписано простой электронной подписью: повторный вход через"
_TEXT = ("findings", "conclusion", "recommendations", "diagnosis", "pathology", "critical")


class ConsultationSteps:
    """Carries them out."""

    def __init__(self, consulting: Consulting) -> None:
        self._consulting = consulting
        self._steps: dict[str, Callable[[Visit], None]] = {
            "save": self._save,
            "autosave": self._save,
            "find": self._find,
            "send": self._send,
            "answer": self._save_answer,
            "answer-autosave": self._save_answer,
            "template": self._template,
            "sign": self._sign,
            "prepare": self._prepare,
            "prepare-outside": self._prepare_outside,
            "attach-signature": self._attach_signature,
            "say": self._say,
            "invite": self._invite,
            "opine": self._opine,
        }

    def do(self, visit: Visit, step: str) -> None:
        """Carry out a step; the visit says what came of it.

        Raises
        ------
        cami.errors.CamiError
            It was not done.
        """
        self._steps.get(step, self._command)(visit)

    def _save(self, visit: Visit) -> None:
        given = values_of(visit.given)
        visit.typed = given
        values = {name: given[name] for name in given if name not in ("inpatient", "consent")}
        values |= {"inpatient": "inpatient" in given, "consent": "consent" in given}
        uids = visit.given.get("study")
        version = _number(visit.value("version"))
        visit.case = self._consulting.consultations.save(
            visit.identity, visit.case.request.number, values, version=version, study_uids=uids
        )
        visit.typed = {}

    def _find(self, visit: Visit) -> None:
        words = visit.value("words")
        self._save(visit)
        visit.found = list(self._consulting.diagnoses.search(words))
        if not visit.found:
            visit.troubles = [_("По этим словам в МКБ-10 ничего не найдено.")]

    def _send(self, visit: Visit) -> None:
        self._save(visit)
        number = visit.case.request.number
        visit.case = self._consulting.consultations.submit(visit.identity, number, visit.case.request.version)

    def _save_answer(self, visit: Visit) -> None:
        given = values_of(visit.given)
        text = {name: given[name] for name in _TEXT if name in given} | {"critical": "critical" in given}
        visit.typed = text
        revision = _number(visit.value("revision"))
        self._consulting.answers.save(visit.identity, visit.case.request.number, text, revision)
        visit.typed = {}

    def _template(self, visit: Visit) -> None:
        self._save_answer(visit)
        number, login = visit.case.request.number, visit.identity.login
        template, draft = named(visit.value("template")), self._consulting.answers.draft(number, login)
        if template is None or draft is None:
            raise Invalid("wrong")
        before = draft.text.findings.rstrip()
        findings = f"{before}\n\n{template.findings}" if before else template.findings
        self._consulting.answers.save(visit.identity, number, {"findings": findings}, draft.revision)

    def _sign(self, visit: Visit) -> None:
        self._save_answer(visit)
        visit.case = self._consulting.answers.sign(
            visit.identity,
            visit.case.request.number,
            version=None,
            password=visit.value("password"),
            why=visit.value("why"),
            agreed=visit.value("agreed"),
        )
        if visit.case.request.state is not State.DONE:
            visit.told = "read"

    def _prepare(self, visit: Visit) -> None:
        """Make the document that somebody without a password here signs through their identity provider."""
        self._save_answer(visit)
        provider = self._consulting.provider_for(visit.identity.login)
        if not provider:
            raise Invalid("wrong")
        how = f"{SIGNED_THROUGH} «{provider}», 63-ФЗ ст. 5. Учётная запись {visit.identity.login}"
        self._consulting.answers.prepare(
            visit.identity,
            visit.case.request.number,
            visit.value("why"),
            visit.value("agreed"),
            how=how,
            visit="to be made",
        )

    def _prepare_outside(self, visit: Visit) -> None:
        """Make the document that is signed by a program of the doctor's (УКЭП)."""
        self._save_answer(visit)
        number = visit.case.request.number
        self._consulting.answers.prepare(visit.identity, number, visit.value("why"), visit.value("agreed"))

    def _attach_signature(self, visit: Visit) -> None:
        """Take the detached signature of the prepared document: base64, as plug-ins of browsers give it."""
        signature = signature_of(visit.value("signature"))
        visit.case = self._consulting.answers.sign_with(
            visit.identity,
            visit.case.request.number,
            version=None,
            sha256=visit.value("sha256"),
            signature=signature,
        )
        visit.told = "sign" if visit.case.request.state is State.DONE else "read"

    def _say(self, visit: Visit) -> None:
        text = visit.value("text")
        talk = self._consulting.consultations.talk
        self._consulting.consultations.within(
            visit.identity,
            visit.case.request.number,
            lambda connection, case: talk.add(connection, visit.identity, case, text, MessageKind.NOTE),
        )

    def _invite(self, visit: Visit) -> None:
        self._consulting.council.invite(visit.identity, visit.case.request.number, visit.value("to"))

    def _opine(self, visit: Visit) -> None:
        self._consulting.council.opine(visit.identity, visit.case.request.number, visit.value("text"))

    def _command(self, visit: Visit) -> None:
        try:
            command = Command(visit.value("step"))
        except ValueError:
            raise Invalid("wrong") from None
        wish = Wish(
            command,
            version=_number(visit.value("version")),
            reason=visit.value("reason"),
            text=visit.value("text"),
            to=visit.value("to"),
            mo=visit.value("mo"),
        )
        visit.case = self._consulting.consultations.do(visit.identity, visit.case.request.number, wish)


def _(message: str) -> str:
    return message


def signature_of(text: str) -> bytes:
    """Read a signature as it is pasted: base64 with or without lines, or between the lines of PEM.

    Raises
    ------
    cami.errors.Invalid
        It is none.
    """
    lines = [line.strip() for line in text.splitlines() if not line.startswith("-----")]
    try:
        return base64.b64decode("".join(lines).replace(" ", ""), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("signature-malformed") from None


def trouble(error: CamiError, step: str) -> str:
    """Return what a person is told of an error, as a message id."""
    known = consultation_wording.TROUBLES
    if isinstance(error, Conflict):
        return known["newer" if step.startswith(("answer", "template", "sign", "prepare")) else "changed"]
    if isinstance(error, Denied):
        return known["denied"]
    if isinstance(error, NotFound):
        return known["not-prepared"]
    if isinstance(error, Transient):
        return known["busy"]
    return known.get(str(error), known["wrong"])


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
