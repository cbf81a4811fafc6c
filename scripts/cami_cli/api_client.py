"""The region's HTTP interfaces as one account sees them: our JSON (docs/architecture.md §4), DICOMweb, Orthanc's."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from cami_cli.errors import Trouble
from cami_cli.region_file import Account

_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Delivered:
    """A study at a proxy, on its way to the centre; counts are instances."""

    study_uid: str
    modality: str
    description: str
    instances: int
    stored: int
    """The centre has stored them; the manifest has not agreed yet."""
    confirmed: int
    quarantined: int
    first_received_at: datetime | None
    first_stored_at: datetime | None
    confirmed_at: datetime | None

    @property
    def arrived(self) -> int:
        """Return how many instances the centre has."""
        return self.stored + self.confirmed


@dataclass(frozen=True, slots=True)
class Archived:
    """A study at the centre."""

    study_id: str
    study_uid: str
    owner: str
    modality: str
    description: str
    instances: int
    confirmed_at: datetime | None


_Entry = TypeVar("_Entry", Delivered, Archived)


class ApiClient:
    """A server, asked with HTTP Basic as `account`, or as nobody."""

    def __init__(self, url: str, account: Account | None = None) -> None:
        self._url = url
        self._session = requests.Session()
        # Neither the proxy nor the .netrc of this host's environment stands between it and its own region. The header
        # is made here, since requests takes passwords for Latin-1.
        self._session.trust_env = False
        if account is not None:
            token = base64.b64encode(f"{account.login}:{account.password}".encode()).decode()
            self._session.headers["Authorization"] = f"Basic {token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def ask(self, path: str, *, body: Mapping[str, Any] | None = None, accept: str = "*/*") -> requests.Response:
        """GET `path`, or POST `body` to it as JSON, and return whatever answer comes. Redirects are not followed.

        Raises
        ------
        cami_cli.errors.Trouble
            No answer comes.
        """
        method = "GET" if body is None else "POST"
        headers = {"Accept": accept}
        try:
            return self._session.request(
                method, self._url + path, json=body, headers=headers, timeout=_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            remedy = "see how the servers are: scripts/cami region status --state DIR"
            raise Trouble(f"{self._url} does not answer", remedy) from error

    def put_bytes(self, path: str, content: bytes, kind: str) -> requests.Response:
        """PUT bytes to `path` and return whatever answer comes.

        Raises
        ------
        cami_cli.errors.Trouble
            No answer comes.
        """
        try:
            headers = {"Content-Type": kind}
            return self._session.put(self._url + path, data=content, headers=headers, timeout=_SECONDS)
        except requests.RequestException as error:
            remedy = "see how the servers are: scripts/cami region status --state DIR"
            raise Trouble(f"{self._url} does not answer", remedy) from error

    def put(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """PUT `body` to `path` as JSON and return whatever answer comes."""
        return self._session.put(self._url + path, json=body, timeout=_SECONDS, allow_redirects=False)

    def status(self, path: str, *, body: Mapping[str, Any] | None = None, accept: str = "*/*") -> int:
        """Return the HTTP status of an answer."""
        return self.ask(path, body=body, accept=accept).status_code

    def delivery(self) -> list[Delivered]:
        """Return the studies at this proxy and how far each has come."""
        return [_read(Delivered, study) for study in self._json("/cami/api/delivery")["studies"]]

    def delivery_status(self, *, view: str = "all", limit: int = 50) -> dict[str, Any]:
        """Return how delivery stands at this proxy, with the newest studies of a view (docs/architecture.md §4)."""
        return dict(self._json(f"/cami/api/delivery?view={view}&limit={limit}"))

    def resend(self, study_id: str) -> dict[str, Any]:
        """Have a study (Orthanc id) tried again, or compared with the centre if it is delivered.

        Raises
        ------
        cami_cli.errors.Trouble
            The proxy has no such study.
        """
        answer = self.ask("/cami/api/delivery/resend", body={"study_id": study_id})
        if answer.status_code == 404:
            raise Trouble("this proxy has no such study in its queue", "see which it has: scripts/cami delivery status")
        return dict(self._parsed(answer))

    def sop_instances(self, study_uid: str) -> list[str]:
        """Return the SOP Instance UIDs of a study, each as often as there is an object with it."""
        body = {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}, "Expand": True}
        return [entry["MainDicomTags"]["SOPInstanceUID"] for entry in self._parsed(self.ask("/tools/find", body=body))]

    def reconcile(self) -> int:
        """Have this proxy compared with the centre; return the number of the run."""
        return int(self._parsed(self.ask("/cami/api/delivery/reconcile", body={}))["run"])

    def completeness(self) -> dict[str, Any]:
        """Return the latest comparisons of this proxy with the centre."""
        return dict(self._json("/cami/api/delivery/completeness"))

    def fetch(self, study_uid: str) -> list[dict[str, Any]]:
        """Have this proxy fetch a study from the centre; return how its parts stand, by Orthanc study."""
        answer = self.ask("/cami/api/retrieval", body={"study_uid": study_uid})
        if answer.status_code == 404:
            raise Trouble(
                "neither the proxy nor the centre has such a study of this МО", "check the Study Instance UID"
            )
        return list(self._parsed(answer)["studies"])

    def fetches(self) -> list[dict[str, Any]]:
        """Return what this proxy has fetched or is fetching, the newest first."""
        return list(self._json("/cami/api/retrieval")["studies"])

    def studies(self) -> list[Archived]:
        """Return the studies that this account sees at the centre."""
        return [_read(Archived, study) for study in self._json("/cami/api/studies")["studies"]]

    def qido_studies(self, query: str = "") -> set[str]:
        """Search for studies by QIDO-RS (PS3.18 §10.6) and return their UIDs."""
        answer = self.ask(f"/dicom-web/studies{query}")
        if answer.status_code == 204:
            return set()
        return {study["0020000D"]["Value"][0] for study in self._parsed(answer)}

    def patient_names(self) -> dict[str, str]:
        """Search by QIDO-RS for all studies and return what each calls its patient, by UID."""
        answer = self.ask("/dicom-web/studies", accept="application/dicom+json")
        found = [] if answer.status_code == 204 else self._parsed(answer)
        return {study["0020000D"]["Value"][0]: _alphabetic(study.get("00100010", {})) for study in found}

    def find_studies(self, query: Mapping[str, str] | None = None) -> set[str]:
        """Search for studies by Orthanc's ``/tools/find`` and return their UIDs."""
        body = {"Level": "Study", "Query": dict(query or {}), "Expand": True}
        return {
            study["MainDicomTags"]["StudyInstanceUID"] for study in self._parsed(self.ask("/tools/find", body=body))
        }

    def file(self, instance_id: str) -> bytes | None:
        """Return the DICOM file of an instance, or None if it is not there or not to be seen."""
        answer = self.ask(f"/instances/{instance_id}/file")
        return answer.content if answer.status_code == 200 else None

    def _json(self, path: str) -> Any:
        return self._parsed(self.ask(path))

    def _parsed(self, answer: requests.Response) -> Any:
        if answer.status_code != 200:
            raise Trouble(
                f"{answer.request.method} {answer.url.partition('?')[0]} answered {answer.status_code}",
                "see the log of that server in the state folder, under servers/",
            )
        try:
            return answer.json()
        except ValueError as error:
            raise Trouble(f"{answer.url.partition('?')[0]} answered no JSON", "see the log of that server") from error


def orthanc_id(*identifiers: str) -> str:
    """Return Orthanc's id of a resource: SHA-1 of PatientID, Study, Series and SOP Instance UID as far as it goes."""
    digest = hashlib.sha1("|".join(identifiers).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[place : place + 8] for place in range(0, 40, 8))


def _alphabetic(attribute: Mapping[str, Any]) -> str:
    """Return the alphabetic group of a Person Name in the DICOM JSON model (PS3.18 F.2.2)."""
    value = attribute.get("Value") or [{}]
    return str(value[0].get("Alphabetic", ""))


def _read(kind: type[_Entry], content: Mapping[str, Any]) -> _Entry:
    """Read one entry of a list; what this release does not know is passed over."""
    values = {field.name: content[field.name] for field in fields(kind)}
    for name, value in values.items():
        if name.endswith("_at") and value:
            values[name] = datetime.fromisoformat(value)
    return kind(**values)
