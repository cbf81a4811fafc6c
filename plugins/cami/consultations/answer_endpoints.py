"""The answer in the JSON face: typed, prepared, signed, handed out; of a double reading what one may see."""

import base64
import binascii
from typing import Any

from cami.access import Identity
from cami.consultations import parts
from cami.consultations.answers import Answers
from cami.consultations.as_json import as_answer, as_case
from cami.consultations.bodies import download, read_object, version_of
from cami.consultations.request import Case
from cami.consultations.service import Consultations
from cami.errors import Invalid, NotFound
from cami.web import Request, Response, answer_json

_TEXTS = ("password", "why", "agreed", "sha256", "signature")


class AnswerFace:
    """What the addresses below ``…/answer`` answer to somebody who is signed in."""

    def __init__(self, consultations: Consultations, answers: Answers) -> None:
        self._consultations = consultations
        self._answers = answers

    def answer(self, request: Request, identity: Identity) -> Response:
        """Return the signed versions, and what somebody has typed themselves."""
        case = self._consultations.find(identity, int(request.groups[0]))
        if not parts.sees_patient(identity, case):
            raise NotFound("no such answer")
        number = case.request.number
        return answer_json(
            as_answer(
                self._answers.versions(number),
                self._answers.draft(number, identity.login),
                self._answers.readings(identity, case),
            )
        )

    def save_answer(self, request: Request, identity: Identity) -> Response:
        """Keep what the consultant has typed."""
        document = read_object(request)
        revision = document.get("revision")
        if revision is not None and not isinstance(revision, int):
            raise Invalid("revision")
        draft = self._answers.save(identity, int(request.groups[0]), document, revision)
        return answer_json({"revision": draft.revision})

    def prepare(self, request: Request, identity: Identity) -> Response:
        """Make the document that is signed outside."""
        given = read_object(request)
        why, agreed = str(given.get("why", "")), str(given.get("agreed", ""))
        document, digest = self._answers.prepare(identity, int(request.groups[0]), why, agreed)
        return answer_json({"sha256": digest, "document": base64.b64encode(document).decode("ascii")})

    def prepared(self, request: Request, identity: Identity) -> Response:
        """Return the document that waits for one's signature, to be signed outside."""
        number = int(request.groups[0])
        self._consultations.find(identity, number)
        waiting = self._answers.prepared(identity, number)
        if waiting is None:
            raise NotFound("no such document")
        return download(waiting.document, "application/pdf", f"{number}.pdf")

    def sign(self, request: Request, identity: Identity) -> Response:
        """Sign: by ``{"password"}``, or by ``{"sha256", "signature"}`` of the document that was made."""
        document = read_object(request)
        number, version = int(request.groups[0]), version_of(document)
        texts = {name: document.get(name, "") for name in _TEXTS}
        if not all(isinstance(value, str) for value in texts.values()):
            raise Invalid(f"{', '.join(_TEXTS)} are texts")
        if texts["signature"]:
            try:
                signature = base64.b64decode(texts["signature"], validate=True)
            except binascii.Error:
                raise Invalid("signature-malformed") from None
            case = self._answers.sign_with(
                identity, number, version=version, sha256=texts["sha256"], signature=signature
            )
        else:
            case = self._answers.sign(
                identity, number, version=version, password=texts["password"], why=texts["why"],
                agreed=texts["agreed"],
            )  # fmt: skip
        return answer_json(case_for(self._consultations, identity, case))

    def document(self, request: Request, identity: Identity) -> Response:
        """Return a signed document, its detached signature, or its СЭМД."""
        number, version, which = request.groups
        case = self._consultations.find(identity, int(number))
        if not parts.sees_patient(identity, case):
            raise NotFound("no such document")
        if which == "cda":
            cda = self._answers.clinical_document(int(number), int(version))
            return download(cda, "application/xml", f"{number}-{version}.xml")
        document, signature = self._answers.document(int(number), int(version))
        if which == "document":
            return download(document, "application/pdf", f"{number}-{version}.pdf")
        if signature is None:
            raise NotFound("no such signature")
        return download(signature, "application/pkcs7-signature", f"{number}-{version}.p7s")


def case_for(consultations: Consultations, identity: Identity, case: Case) -> dict[str, Any]:
    """Write a request as somebody may read it."""
    messages, history = consultations.said(identity, case)
    return as_case(
        case,
        may=consultations.may(identity, case),
        patient=parts.sees_patient(identity, case),
        messages=messages,
        history=history,
        files=consultations.talk.files(case.request.number),
    )
