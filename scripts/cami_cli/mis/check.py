"""A conformance run against either side of the contract (docs/mis-contract.md)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import requests

from cami_cli.errors import Trouble
from cami_cli.mis.client import Access, Answer, FhirClient
from cami_cli.mis.messages import (
    ORDER_SYSTEM,
    PATIENT_SYSTEM,
    STUDIES,
    Doctor,
    Json,
    SimulatedPatient,
    WantedStudy,
    merge_parameters,
    order_bundle,
    patient_resource,
)

ZONE = ZoneInfo("Asia/Novokuznetsk")
#: A receiver has to answer within so many seconds.
PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    rule: str
    """Section of the contract and what it asks."""
    held: bool
    said: str = ""
    """What came instead."""


class Conformance:
    """Tries a server of the contract as a МИС; every run has patients and orders of its own."""

    def __init__(self, access: Access, oid: str) -> None:
        self._access = access
        self._client = FhirClient(access)
        self._oid = oid
        self._run = uuid4().hex[:10]
        self._patient = SimulatedPatient(f"check-{self._run}", "Проверкин", "Контракт", "", "1970-01-01", "male")
        self._doctor = Doctor(f"check-{self._run}", "Проверяющий", "Иван", "Иванович", "70012345719", oid)
        self._request: Json = {}
        self._task: Json = {}

    def run(self) -> Iterator[Finding]:
        """Yield what was found; a step that fails does not keep the others from being tried."""
        steps: list[tuple[str, Callable[[], str]]] = [
            ("2. без токена – 401", self._without_token),
            ("2. неверный секрет – 401", self._wrong_secret),
            ("1. metadata: FHIR 4.0.1, transaction", self._metadata),
            ("3. направление принято, номера выданы", self._order),
            ("6. тот же ключ – тот же ответ", self._same_key),
            ("6. тот же ключ с другим телом – 422 CAMI-0045", self._other_body),
            ("6. тот же номер с новым ключом – то же направление", self._same_number),
            ("6. POST без Idempotency-Key – 400 CAMI-0046", self._no_key),
            ("3. без обязательного поля – 422, код и место", self._missing),
            ("3. пакет с ошибкой не оставил ничего", self._nothing_left),
            ("3. неизвестная МО – 422 CAMI-0031", self._unknown_organization),
            ("6. ошибка не повторяет присланное", self._no_echo),
            ("4. изменение с If-Match – 200 и новая версия", self._change),
            ("4. старая версия – 412 CAMI-0040", self._stale),
            ("4. без If-Match – 412 CAMI-0047", self._no_version),
            ("7. поиск по № направления", self._search),
            ("7. страницы", self._pages),
            ("4. отмена: Task cancelled, ServiceRequest revoked", self._cancel),
            ("5. объединение и разъединение пациентов", self._merge),
            ("8. подписка без адреса и $events", self._events),
            ("10. снимки неизвестного исследования – 404", self._launch),
        ]
        for rule, step in steps:
            try:
                said = step()
            except (KeyError, IndexError, StopIteration, Trouble, requests.RequestException) as error:
                said = f"ответ не по контракту ({type(error).__name__}: {error})"
            yield Finding(rule, not said, said)

    def _bundle(self, number: str, **more: Any) -> Json:
        values = {"oid": self._oid, **more}
        wanted = WantedStudy(
            number=number, study=STUDIES[0], reason="Проверка контракта", authored=datetime.now(ZONE), **values
        )
        return order_bundle(self._patient, self._doctor, wanted)

    def _without_token(self) -> str:
        answer = requests.get(f"{self._access.fhir}/Task", timeout=30)
        return _expect(answer.status_code, 401)

    def _wrong_secret(self) -> str:
        secret = (self._access.client_id, "wrong-" + self._run)
        form = {"grant_type": "client_credentials"}
        return _expect(requests.post(self._access.token_url, data=form, auth=secret, timeout=30).status_code, 401)

    def _metadata(self) -> str:
        found = requests.get(f"{self._access.fhir}/metadata", timeout=30).json()
        transaction = {"code": "transaction"} in found["rest"][0]["interaction"]
        return "" if found["fhirVersion"] == "4.0.1" and transaction else f"fhirVersion {found['fhirVersion']}"

    def _order(self) -> str:
        self._body = self._bundle(f"{self._run}-1")
        self._first = self._client.call("POST", "", self._body, key=self._run)
        if self._first.status != 200:
            return _told(self._first)
        self._request, self._task = self._first.resource("ServiceRequest"), self._first.resource("Task")
        numbers = {each["system"]: each["value"] for each in self._request["identifier"]}
        accession, uid = numbers["urn:cami:accession"], numbers["urn:dicom:uid"]
        if not 0 < len(accession) <= 16 or not accession.isascii():
            return f"AccessionNumber длиной {len(accession)}"
        return "" if uid.startswith("urn:oid:2.25.") else "StudyInstanceUID не 2.25.…"

    def _same_key(self) -> str:
        again = self._client.call("POST", "", self._body, key=self._run)
        same = again.body == self._first.body and again.headers.get("Idempotency-Replayed") == "true"
        return "" if same else "ответ другой, или нет Idempotency-Replayed"

    def _other_body(self) -> str:
        return _refused(self._client.call("POST", "", self._bundle(f"{self._run}-2"), key=self._run), 422, "CAMI-0045")

    def _same_number(self) -> str:
        again = self._client.call("POST", "", self._bundle(f"{self._run}-1"))
        if again.status != 200:
            return _told(again)
        return "" if again.resource("ServiceRequest")["id"] == self._request["id"] else "создано второе направление"

    def _no_key(self) -> str:
        token = {"Authorization": f"Bearer {self._client.token()}", "Content-Type": "application/fhir+json"}
        answer = requests.post(self._access.fhir, json=self._body, headers=token, timeout=30)
        return _expect(answer.status_code, 400) or ("" if "CAMI-0046" in answer.text else "нет кода CAMI-0046")

    def _missing(self) -> str:
        body = self._bundle(f"{self._run}-3")
        del body["entry"][4]["resource"]["reasonCode"]
        answer = self._client.call("POST", "", body)
        places = [place for issue in answer.body.get("issue", []) for place in issue.get("expression", [])]
        found = _refused(answer, 422, "CAMI-0018")
        return found or ("" if "Bundle.entry[4].resource.reasonCode" in places else f"место: {places}")

    def _nothing_left(self) -> str:
        found = self._client.call("GET", "/Task", query={"identifier": f"{ORDER_SYSTEM}|{self._run}-3"})
        return "" if not found.body.get("entry") else "направление осталось"

    def _unknown_organization(self) -> str:
        answer = self._client.call("POST", "", self._bundle(f"{self._run}-4", oid="1.2.643.5.1.13.13.12.2.42.1"))
        return _refused(answer, 422, "CAMI-0031")

    def _no_echo(self) -> str:
        body = self._bundle(f"{self._run}-5")
        body["entry"][0]["resource"]["gender"] = "Проверкин"
        text = str(self._client.call("POST", "", body).body)
        return "" if "Проверкин" not in text and self._patient.number not in text else "в ответе – данные пациента"

    def _change(self) -> str:
        self._request = self._client.call("GET", f"/ServiceRequest/{self._request['id']}").body
        answer = self._put("ServiceRequest", {**self._request, "priority": "stat"}, self._version(self._request))
        if answer.status != 200:
            return _told(answer)
        newer = int(answer.body["meta"]["versionId"]) > int(self._request["meta"]["versionId"])
        return "" if newer and answer.headers.get("ETag") else "версия не выросла, или нет ETag"

    def _stale(self) -> str:
        changed = {**self._request, "priority": "routine"}
        return _refused(self._put("ServiceRequest", changed, self._version(self._request)), 412, "CAMI-0040")

    def _no_version(self) -> str:
        return _refused(self._put("ServiceRequest", self._request, ""), 412, "CAMI-0047")

    def _search(self) -> str:
        found = self._client.call("GET", "/Task", query={"identifier": f"{ORDER_SYSTEM}|{self._run}-1"}).body
        ids = [each["resource"]["id"] for each in found.get("entry", [])]
        return "" if ids == [self._task["id"]] else f"найдено {len(ids)}"

    def _pages(self) -> str:
        self._client.call("POST", "", self._bundle(f"{self._run}-6"))
        query = {"_count": "1", "patient.identifier": f"{PATIENT_SYSTEM}|{self._patient.number}"}
        found = self._client.call("GET", "/ServiceRequest", query=query).body
        following = [each["url"] for each in found["link"] if each["relation"] == "next"]
        return "" if len(found.get("entry", [])) == 1 and following else "нет ссылки next"

    def _cancel(self) -> str:
        task = self._client.call("GET", f"/Task/{self._task['id']}").body
        reason = {"coding": [{"system": "urn:cami:cancel-reason", "code": "entered-in-error"}]}
        answer = self._put("Task", {**task, "status": "cancelled", "statusReason": reason}, self._version(task))
        if answer.status != 200:
            return _told(answer)
        status = self._client.call("GET", f"/ServiceRequest/{self._request['id']}").body["status"]
        return "" if (answer.body["status"], status) == ("cancelled", "revoked") else f"status {status}"

    def _merge(self) -> str:
        other = replace(self._patient, number=f"check-{self._run}-b")
        made = self._client.call("POST", "/Patient", patient_resource(other))
        if made.status not in (200, 201):
            return _told(made)
        parameters = merge_parameters(self._patient.number, other.number)
        for operation, body in (
            ("$merge", parameters),
            ("$unmerge", {**parameters, "parameter": parameters["parameter"][:1]}),
        ):
            answer = self._client.call("POST", f"/Patient/{operation}", body)
            if answer.status != 200:
                return f"{operation}: {_told(answer)}"
        return ""

    def _events(self) -> str:
        body = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "Проверка контракта",
            "criteria": "Task?",
            "channel": {"type": "message", "payload": "application/fhir+json"},
        }
        made = self._client.call("POST", "/Subscription", body)
        if made.status != 201:
            return _told(made)
        try:
            found = self._client.call("GET", f"/Subscription/{made.body['id']}/$events")
            return "" if found.status == 200 and found.body["type"] == "history" else _told(found)
        finally:
            self._client.call("DELETE", f"/Subscription/{made.body['id']}")

    def _launch(self) -> str:
        parameters = [
            {"name": "study", "valueIdentifier": {"system": "urn:dicom:uid", "value": "urn:oid:2.25.1"}},
            {"name": "user", "valueIdentifier": {"system": "urn:oid:1.2.643.100.3", "value": "70012345719"}},
            {
                "name": "organization",
                "valueIdentifier": {"system": "urn:oid:1.2.643.5.1.13.13.11.1461", "value": self._oid},
            },
        ]
        body = {"resourceType": "Parameters", "parameter": parameters}
        return _refused(self._client.call("POST", "/ImagingStudy/$viewer-launch", body), 404, "CAMI-0034")

    def _put(self, type_: str, body: Json, version: str) -> Answer:
        headers = {"If-Match": version} if version else {}
        return self._client.call("PUT", f"/{type_}/{body['id']}", body, headers=headers)

    def _version(self, resource: Json) -> str:
        return f'W/"{resource["meta"]["versionId"]}"'


class HookConformance:
    """Tries the receiver of a МИС: quick, knows repeats, refuses strangers."""

    def __init__(self, url: str, header: str) -> None:
        self._url = url
        name, _, value = header.partition(":")
        self._authorization = {name.strip(): value.strip()} if header else {}
        self._id = str(uuid4())

    def run(self) -> Iterator[Finding]:
        """Yield what was found."""
        yield self._try("8. сообщение принято: 2xx за 5 с", self._id, expected=True)
        yield self._try("8. повтор с тем же X-Event-Id принят", self._id, expected=True)
        if self._authorization:
            stranger = self._post(str(uuid4()), {})
            held = stranger[0] in (401, 403)
            yield Finding("8. без заголовка подписки – отказ", held, "" if held else f"ответ {stranger[0]}")

    def _try(self, rule: str, event_id: str, *, expected: bool) -> Finding:
        status, seconds = self._post(event_id, self._authorization)
        held = (200 <= status < 300) is expected and seconds <= PATIENCE
        return Finding(rule, held, "" if held else f"ответ {status} за {seconds:.1f} с")

    def _post(self, event_id: str, headers: dict[str, str]) -> tuple[int, float]:
        body = {
            "resourceType": "Task",
            "id": "t-0",
            "meta": {"versionId": "1"},
            "status": "in-progress",
            "intent": "order",
            "businessStatus": {
                "coding": [{"system": "urn:cami:order-status", "code": "started", "display": "Проверка"}]
            },
        }
        sent = {"X-Event-Id": event_id, "X-Event-Seq": "1", "X-Event-Kind": "order.started", **headers}
        began = time.monotonic()
        try:
            answer = requests.post(
                self._url, json=body, headers={"Content-Type": "application/fhir+json", **sent}, timeout=30
            )
        except requests.RequestException:
            return 0, time.monotonic() - began
        return answer.status_code, time.monotonic() - began


def _expect(status: int, wanted: int) -> str:
    return "" if status == wanted else f"ответ {status}"


def _refused(answer: Answer, status: int, code: str) -> str:
    return "" if answer.status == status and code in answer.codes else _told(answer)


def _told(answer: Answer) -> str:
    return f"ответ {answer.status} {', '.join(answer.codes)} {answer.words}".strip()
