"""Words of the worklist and of matching. Message ids are the Russian words themselves."""

from collections.abc import Mapping

from cami.matching import Action, Cause, Finding
from cami.matching import State as Match
from cami.worklist import Priority, State


def _(message: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return message


#: НСИ 1551.
PRIORITIES: Mapping[Priority, str] = {
    Priority.STAT: _("Экстренная"),
    Priority.URGENT: _("Неотложная"),
    Priority.ROUTINE: _("Плановая"),
}
#: Where an entry of the worklist stands, and how the page marks it.
STATES: Mapping[State, tuple[str, str]] = {
    State.ACCEPTED: (_("Ожидает"), "waiting"),
    State.STARTED: (_("Идёт исследование"), "moving"),
    State.COMPLETED: (_("Выполнено"), "done"),
    State.CANCELLED: (_("Отменено"), "trouble"),
    State.ANNULLED: (_("Аннулировано"), "trouble"),
    State.REPLACED: (_("Заменено направлением МИС"), "waiting"),
}
#: Why the centre does not take an order that was written by hand.
REFUSALS: Mapping[str, str] = {
    "conflict": _("Центр не принял заявку: такой номер уже занят. Сообщите администратору МО."),
    "invalid": _("Центр не принял заявку: в ней не хватает данных. Сообщите администратору МО."),
}
SEXES: Mapping[str, str] = {"F": _("Женский"), "M": _("Мужской"), "O": _("Другой")}

MATCHES: Mapping[Match, tuple[str, str]] = {
    Match.LINKED: (_("Связано с направлением"), "done"),
    Match.SUGGESTED: (_("Похоже на направление"), "waiting"),
    Match.CONTRADICTORY: (_("Данные противоречат друг другу"), "trouble"),
    Match.UNMATCHED: (_("Направление не найдено"), "waiting"),
    Match.APART: (_("Без направления"), "done"),
}
CAUSES: Mapping[Cause, str] = {
    Cause.UID: _("по номеру исследования (UID)"),
    Cause.ACCESSION: _("по номеру направления"),
    Cause.PATIENT: _("по номеру пациента, модальности и времени"),
    Cause.PERSON: _("вручную"),
}
ACTIONS: Mapping[Action, str] = {
    Action.LINK: _("Связано"),
    Action.PART: _("Связь снята"),
    Action.APART: _("Признано исследованием без направления"),
}
#: What is compared, by `cami.matching.Line.name`.
LINES: Mapping[str, str] = {
    "name": _("ФИО пациента"),
    "birth": _("Дата рождения"),
    "sex": _("Пол"),
    "patient": _("Номер пациента"),
    "accession": _("Номер направления (Accession)"),
    "modality": _("Модальность"),
    "device": _("Аппарат"),
    "procedure": _("Исследование"),
    "moment": _("Время"),
}
#: What speaks against an order, in a few words.
AGAINST: Mapping[Finding, str] = {
    Finding.ACCESSION_OTHER: _("другой номер"),
    Finding.ID_OTHER: _("другой пациент"),
    Finding.NAME_OTHER: _("другое имя"),
    Finding.BIRTH_OTHER: _("другая дата рождения"),
    Finding.SEX_OTHER: _("другой пол"),
    Finding.MODALITY_OTHER: _("другая модальность"),
    Finding.DEVICE_OTHER: _("другой аппарат"),
    Finding.TIME_OTHER: _("другое время"),
    Finding.WITHDRAWN: _("направление отменено"),
    Finding.TWO_ORDERS: _("номер и UID – от разных направлений"),
}
