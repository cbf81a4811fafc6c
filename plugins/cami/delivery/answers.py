"""What the centre's answers on the wire mean."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import requests

from cami.delivery.reasons import Cause
from cami.delivery.transport import LineBroken
from cami.errors import CamiError, Denied, Permanent, Transient

Outcome = Literal["stored", "present", "quarantined", "rejected"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the centre did with an instance."""

    outcome: Outcome
    reason: str
    sha256: str


def understood(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises
    ------
    cami.errors.Denied
        The centre does not accept this proxy's token.
    cami.errors.Permanent
        It will never take this.
    cami.errors.Transient
        It cannot now, or something else answers at its address.
    """
    if response.status_code == 200:
        return _json_object(response)
    if response.status_code in (401, 403):
        raise Denied("the centre does not accept this proxy's token: check its key and its clock")
    if response.status_code in (413, 422):
        raise Permanent(f"the centre refuses the object (HTTP {response.status_code})")
    raise Transient(f"the centre answered HTTP {response.status_code}")


def cause_of(error: CamiError) -> Cause:
    """Return what a failed call says about the line."""
    if isinstance(error, Denied):
        return Cause.TOKEN
    return Cause.LINE if isinstance(error, LineBroken) else Cause.CENTRE


def receipt(response: requests.Response) -> Receipt:
    """Return what became of an object; raises as `understood` does."""
    answer = understood(response)
    if answer.get("outcome") not in get_args(Outcome):
        raise Transient("the centre's answer is no receipt: is something else at its address?")
    return Receipt(answer["outcome"], str(answer.get("reason", "")), str(answer.get("sha256", "")))


def offset(response: requests.Response, length: int) -> int:
    """Return how far the centre has an upload of that length.

    Raises
    ------
    cami.errors.Transient
        The answer does not tell.
    """
    told = response.headers.get("Upload-Offset", "")
    if not told.isdecimal() or int(told) > length:
        raise Transient("the centre does not tell where an upload goes on: is something else at its address?")
    return int(told)


def _json_object(response: requests.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise Transient("the centre's answer is not JSON: is something else at its address?") from error
    if not isinstance(answer, dict):
        raise Transient("the centre's answer is not a JSON object: is something else at its address?")
    return answer
