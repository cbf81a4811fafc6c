"""Asking Orthanc's core from within the process: JSON there and back, and errors as ours."""

import json
from typing import Any, NoReturn

from cami.edge import sdk
from cami.errors import Invalid, NotFound, Transient

#: The core's complaints about a question, which asking again will not mend.
_WRONG = (
    sdk.ErrorCode.BAD_REQUEST,
    sdk.ErrorCode.BAD_JSON,
    sdk.ErrorCode.PARAMETER_OUT_OF_RANGE,
    sdk.ErrorCode.UNKNOWN_DICOM_TAG,
)
_ABSENT = (sdk.ErrorCode.UNKNOWN_RESOURCE, sdk.ErrorCode.INEXISTENT_ITEM)


def absent(error: sdk.OrthancException) -> bool:
    """Say whether the core answered that there is no such thing."""
    return error.args[0] in _ABSENT


def get_json(uri: str) -> Any:
    """GET a core route and parse its JSON answer; errors as `translate` raises them."""
    try:
        return json.loads(sdk.rest_get(uri))
    except sdk.OrthancException as error:
        translate(error)


def translate(error: sdk.OrthancException) -> NoReturn:
    """Raise what the core's complaint is to us.

    Raises
    ------
    cami.errors.NotFound, cami.errors.Invalid, cami.errors.Transient
        There is no such resource; the question is wrong; anything else.
    """
    if absent(error):
        raise NotFound("no such resource") from error
    if error.args[0] in _WRONG:
        raise Invalid(f"Orthanc does not take the question ({error.args[1]})") from error
    raise Transient(f"Orthanc cannot answer ({error.args[1]})") from error
