"""What the JSON face takes and answers, for ``/cami/api/openapi.json``: made from the classes that it writes out.

Nothing is said twice: a field that a class gets is in the description, and one that it loses is out of it. What the
face leaves out for who may not see a patient is told as optional.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter

from cami.consultations.as_json import HIDDEN
from cami.consultations.desk import Filter
from cami.consultations.diagnoses import Diagnosis
from cami.consultations.drafts import Content
from cami.consultations.notices import Notice
from cami.consultations.readings import Reading
from cami.consultations.request import ChosenStudy, Consultation, Member
from cami.consultations.service import Wish
from cami.consultations.states import Command
from cami.consultations.talk import Attached, Event, Message
from cami.consultations.texts import Draft, Signed, Text

Schema = dict[str, Any]
_NUMBER: Schema = {"type": "integer"}
_TEXT: Schema = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one method of an address takes and answers; None: no body, or one that is no JSON."""

    takes: Schema | None = None
    gives: Schema | None = None
    query: Mapping[str, Schema] | None = None
    bytes_of: str = ""
    """Media type of a body that is no JSON."""


def _of(kind: Any) -> Schema:
    """Return the schema of a class, with everything that it refers to inside."""
    whole = TypeAdapter(kind).json_schema(mode="serialization")
    return _inlined(whole, whole.pop("$defs", {}))


def _inlined(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        name = str(value.get("$ref", "")).rpartition("/")[2]
        if name in known:
            return _inlined(known[name], known)
        return {key: _inlined(each, known) for key, each in value.items() if key not in ("title", "default")}
    return [_inlined(each, known) for each in value] if isinstance(value, list) else value


def _object(required: bool = True, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": sorted(properties)} if required else {})


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _fields(kind: Any, *but: str) -> dict[str, Schema]:
    properties: dict[str, Schema] = _of(kind)["properties"]
    return {name: schema for name, schema in properties.items() if name not in but}


def _some(kind: Any, *names: str) -> dict[str, Schema]:
    properties = _fields(kind)
    return {name: properties[name] for name in names}


def _flat(kind: Any) -> Schema:
    """Return the schema of what has a text: the parts of the text stand beside the rest."""
    return _object(**_fields(kind, "text"), **_fields(Text))


@functools.cache
def spoken() -> dict[str, dict[str, Spoken]]:
    """Return what is said at each address (its pattern below ``/cami/api/consultations``), by method."""
    request = _object(**_fields(Consultation) | {"modalities": _list(_TEXT)})
    request["required"] = [name for name in request["required"] if name not in HIDDEN]
    line = request | {"properties": request["properties"] | {"unread": {"type": "boolean"}}}
    case = request | {
        "properties": request["properties"]
        | {
            "offers": _list(_TEXT),
            "members": _list(_of(Member)),
            "may": _list(_of(Command)),
            "studies": _list(_object(required=False, **_fields(ChosenStudy))),
            "messages": _list(_of(Message)),
            "history": _list(_object(required=False, **_fields(Event))),
            "files": _list(_of(Attached)),
        }
    }
    version = {"version": _NUMBER}
    draft = _object(required=False, **_fields(Content), studies=_list(_TEXT))
    made = draft | {
        "properties": draft["properties"] | {"based_on": _NUMBER, "send": {"type": "boolean"}},
        "required": ["studies"],
    }
    identified = _object(id=_NUMBER)
    filters = {each.name: _fields(Filter)[each.name] for each in fields(Filter)}
    return {
        "": {
            "GET": Spoken(
                gives=_object(requests=_list(line), total=_NUMBER, page=_NUMBER, last=_NUMBER),
                query={"view": _TEXT, "page": _NUMBER, **filters},
            ),
            "POST": Spoken(takes=made, gives=case),
        },
        "/pulse": {"GET": Spoken(gives=_object(desk=_NUMBER, notice=_NUMBER))},
        "/notices": {"GET": Spoken(gives=_object(notices=_list(_of(Notice))), query={"after": _NUMBER})},
        "/diagnoses": {
            "GET": Spoken(gives=_object(diagnoses=_list(_of(Diagnosis))), query={"words": _TEXT}),
            "PUT": Spoken(gives=_object(loaded=_NUMBER), bytes_of="text/csv"),
        },
        "/N": {
            "GET": Spoken(gives=case),
            "PUT": Spoken(takes=draft | {"properties": draft["properties"] | version}, gives=case),
        },
        "/N/COMMAND": {
            "POST": Spoken(
                takes=_object(required=False, **version, **_some(Wish, "reason", "text", "to", "mo")), gives=case
            )
        },
        "/N/messages": {"POST": Spoken(takes=_object(text=_TEXT), gives=identified)},
        "/N/members": {"POST": Spoken(takes=_object(to=_TEXT), gives=case)},
        "/N/opinions": {"POST": Spoken(takes=_object(text=_TEXT), gives=identified)},
        "/N/files": {"POST": Spoken(gives=identified, bytes_of="application/octet-stream")},
        "/N/answer": {
            "GET": Spoken(
                gives=_object(
                    versions=_list(_flat(Signed)),
                    readings=_list(_flat(Reading)),
                    draft={"anyOf": [_flat(Draft), {"type": "null"}]},
                )
            ),
            "PUT": Spoken(
                takes=_object(required=False, **_fields(Text), revision=_NUMBER), gives=_object(revision=_NUMBER)
            ),
        },
        "/N/answer/document": {
            "POST": Spoken(
                takes=_object(required=False, why=_TEXT, agreed=_TEXT), gives=_object(sha256=_TEXT, document=_TEXT)
            )
        },
        "/N/answer/sign": {
            "POST": Spoken(
                takes=_object(
                    required=False, **version, password=_TEXT, why=_TEXT, agreed=_TEXT, sha256=_TEXT, signature=_TEXT
                ),
                gives=case,
            )
        },
    }
