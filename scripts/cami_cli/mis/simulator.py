"""A small but honest МИС: orders over the contract's messages, hears over its web hook, opens images with one click."""

from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from cami_cli.errors import Trouble
from cami_cli.mis.book import Book
from cami_cli.mis.client import Answer, FhirClient
from cami_cli.mis.messages import (
    STUDIES,
    Doctor,
    WantedConsultation,
    WantedStudy,
    consultation_bundle,
    order_bundle,
    organization,
)

ZONE = ZoneInfo("Asia/Novokuznetsk")
SNILS = "urn:oid:1.2.643.100.3"


class Simulator:
    """What the МИС does, apart from its pages."""

    def __init__(
        self, client: FhirClient, book: Book, doctor: Doctor, *, hook: str, secret: str, consulting_oid: str = ""
    ) -> None:
        """Make it; `consulting_oid` is the ОИД of the МО that is asked for consultations."""
        self.client = client
        self.book = book
        self.doctor = doctor
        self._hook = hook
        self.secret = secret
        self.consulting_oid = consulting_oid
        self.subscribed = False
        """Whether ЦАМИ knows where to tell it."""

    def subscribe(self) -> None:
        """Ask to be told; the same hook again is the same subscription."""
        for criteria in ("Task?", "ImagingStudy?", "DiagnosticReport?"):
            answer = self.client.call(
                "POST",
                "/Subscription",
                {
                    "resourceType": "Subscription",
                    "status": "requested",
                    "reason": "МИС-симулятор",
                    "criteria": criteria,
                    "channel": {
                        "type": "rest-hook",
                        "endpoint": self._hook,
                        "payload": "application/fhir+json",
                        "header": [f"Authorization: Bearer {self.secret}"],
                    },
                },
                key=str(uuid5(NAMESPACE_URL, f"{self._hook} {self.secret} {criteria}")),
            )
            if answer.status not in (200, 201):
                raise Trouble(f"no subscription to {criteria}: {answer.status} {answer.words}", "see the centre's log")
        self.subscribed = True

    def order(self, patient: str, form: dict[str, str]) -> Answer:
        """Order a study for a card; what ЦАМИ gives as numbers is kept."""
        card = self.book.patient(patient)
        if card is None:
            raise Trouble("no such card", "choose one of the list")
        now = datetime.now(ZONE)
        number = f"{now:%y%m%d}-{now:%H%M%S%f}"[:20]
        study = next((each for each in STUDIES if each.modality == form.get("modality")), STUDIES[0])
        wanted = WantedStudy(
            number=number,
            study=study,
            oid=form.get("oid") or self.doctor.oid,
            reason=form.get("reason") or "Уточнение диагноза",
            authored=now,
            aet=form.get("aet", ""),
            priority=form.get("priority") or "routine",
            begin=now + timedelta(minutes=30),
            note=form.get("note", ""),
        )
        answer = self.client.call("POST", "", order_bundle(card, self.doctor, wanted), key=number)
        if answer.status == 200:
            request, task = answer.resource("ServiceRequest"), answer.resource("Task")
            numbers = {each["system"]: each["value"] for each in request["identifier"]}
            self.book.note_order(
                number=number,
                patient=patient,
                text=study.text,
                request=request["id"],
                task=task["id"],
                version=task["meta"]["versionId"],
                accession=numbers["urn:cami:accession"],
                study_uid=numbers["urn:dicom:uid"].removeprefix("urn:oid:"),
                status=task["status"],
                words=task["businessStatus"]["coding"][0]["display"],
                made_at=now.isoformat(),
            )
        return answer

    def cancel(self, number: str, reason: str) -> Answer:
        """Cancel an order."""
        order = self._known(number)
        task = self.client.call("GET", f"/Task/{order['task']}").body
        coding = {"system": "urn:cami:cancel-reason", "code": reason}
        changed = {**task, "status": "cancelled", "statusReason": {"coding": [coding]}}
        etag = f'W/"{task["meta"]["versionId"]}"'
        answer = self.client.call("PUT", f"/Task/{order['task']}", changed, headers={"If-Match": etag})
        if answer.status == 200:
            values = {"status": "cancelled", "words": "Отменено", "version": answer.body["meta"]["versionId"]}
            self.book.note_order(**{**order, **values})
        return answer

    def ask(self, number: str, form: dict[str, str]) -> Answer:
        """Ask another МО about the study of an order."""
        order = self._known(number)
        card = self.book.patient(order["patient"])
        if card is None:
            raise Trouble("no such card", "choose one of the list")
        now = datetime.now(ZONE)
        wanted = WantedConsultation(
            number=f"TMK-{now:%y%m%d}-{now:%H%M%S%f}"[:24],
            study_uid=order["study"] or order["study_uid"],
            to_oid=form.get("oid") or self.consulting_oid,
            question=form.get("question") or "Прошу консультацию",
            asked=now,
            form=form.get("form") or "urgent",
        )
        answer = self.client.call("POST", "", consultation_bundle(card, self.doctor, wanted), key=wanted.number)
        if answer.status == 200:
            task = answer.resource("Task")
            self.book.note_asked(
                number=wanted.number,
                patient=order["patient"],
                placed=number,
                question=wanted.question,
                task=task["id"],
                status=task["status"],
                words=task["businessStatus"]["coding"][0]["display"],
                made_at=now.isoformat(),
            )
        return answer

    def launch(self, number: str) -> Answer:
        """Ask for the address that opens the images of an order for the doctor."""
        order = self._known(number)
        uid = order["study"] or order["study_uid"]
        parameters: list[dict[str, Any]] = [
            {"name": "study", "valueIdentifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}},
            {"name": "user", "valueIdentifier": {"system": SNILS, "value": self.doctor.snils}},
            {
                "name": "userName",
                "valueString": f"{self.doctor.family} {self.doctor.given[0]}.{self.doctor.middle[0]}.",
            },
            {"name": "organization", "valueIdentifier": organization(self.doctor.oid)["identifier"]},
            {"name": "withPriors", "valueBoolean": True},
        ]
        return self.client.call(
            "POST", "/ImagingStudy/$viewer-launch", {"resourceType": "Parameters", "parameter": parameters}
        )

    def _known(self, number: str) -> dict[str, Any]:
        order = self.book.order(number)
        if order is None:
            raise Trouble("no such order", "choose one of the list")
        return order
