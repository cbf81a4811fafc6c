"""Routing rules in sentences, in the reader's language. Message ids are the Russian words themselves."""

from collections.abc import Callable, Iterable, Mapping

from cami.delivery.order import Priority
from cami.routing.judgement import Finding
from cami.routing.rules import Condition, Hours, Rule, Years

Translate = Callable[[str], str]


def _(message: str) -> str:
    return message


#: DICOM keywords that rules ask for most, as people call them; others stand for themselves.
TAGS: Mapping[str, str] = {
    "BodyPartExamined": _("область исследования"),
    "ImageType": _("тип изображения"),
    "InstitutionName": _("название организации"),
    "Manufacturer": _("производитель аппарата"),
    "ManufacturerModelName": _("модель аппарата"),
    "Modality": _("модальность"),
    "PatientAge": _("возраст, как его записал аппарат"),
    "PatientSex": _("пол"),
    "ProtocolName": _("протокол съёмки"),
    "ReferringPhysicianName": _("направивший врач"),
    "RequestedProcedureDescription": _("назначенная процедура"),
    "SeriesDescription": _("описание серии"),
    "SliceThickness": _("толщина среза, мм"),
    "StationName": _("название станции"),
    "StudyDescription": _("описание исследования"),
}

PRIORITIES: Mapping[Priority, str] = {
    Priority.EMERGENCY: _("P0, экстренно"),
    Priority.AWAITED: _("P1, снимков ждут"),
    Priority.PLANNED: _("P2, в порядке очереди"),
    Priority.PRIOR: _("P3, прежние исследования"),
    Priority.BACKFILL: _("P4, выгрузка архива"),
}

DAYS: Mapping[str, str] = {
    "mon": _("пн"),
    "tue": _("вт"),
    "wed": _("ср"),
    "thu": _("чт"),
    "fri": _("пт"),
    "sat": _("сб"),
    "sun": _("вс"),
}


class Sentences:
    """Says rules in one language."""

    def __init__(self, translate: Translate, destinations: Mapping[str, str], organization: Translate) -> None:
        """Make it.

        Parameters
        ----------
        translate
            From a message id to the reader's language.
        destinations
            Titles of the destinations by name.
        organization
            From the code of an МО to its short name.
        """
        self._t = translate
        self._destinations = destinations
        self._organization = organization

    def rule(self, rule: Rule) -> str:
        """Return a rule as a sentence."""
        actions = self._and(self._actions(rule))
        if rule.when.kind == "always":
            return self._t(_("Любой снимок: %(actions)s.")) % {"actions": actions}
        condition = self.condition(rule.when)
        return self._t(_("Если %(condition)s, то %(actions)s.")) % {"condition": condition, "actions": actions}

    def condition(self, condition: Condition) -> str:
        """Return a condition as a part of a sentence."""
        match condition.kind:
            case "all":
                return f" {self._t(_('и'))} ".join(self._within(inner) for inner in condition.all or ())
            case "any":
                return f" {self._t(_('или'))} ".join(self._within(inner) for inner in condition.any or ())
            case "not":
                inner = self.condition(condition.not_) if condition.not_ else ""
                return self._t(_("неверно, что %(condition)s")) % {"condition": inner}
            case "tag":
                return self._tag(condition)
            case kind:
                return self._single(kind, condition)

    def finding(self, finding: Finding) -> str:
        """Return what decided, and what was found."""
        what = self.condition(finding.condition)
        if finding.condition.kind == "always":
            return what
        found = finding.found or self._t(_("значения нет"))
        if finding.condition.kind == "time":
            day, _space, clock = finding.found.partition(" ")
            found = f"{self._t(DAYS.get(day, day))} {clock}"
        holds = self._t(_("верно")) if finding.holds else self._t(_("неверно"))
        return self._t(_("%(condition)s – %(holds)s (%(found)s)")) % {"condition": what, "holds": holds, "found": found}

    def priority(self, priority: Priority) -> str:
        """Return the words for a class."""
        return self._t(PRIORITIES[priority])

    def _actions(self, rule: Rule) -> Iterable[str]:
        then = rule.then
        if then.send_to:
            names = self._and(f"«{self._destinations.get(name) or name}»" for name in then.send_to)
            yield self._t(_("отправить в %(names)s")) % {"names": names}
        if then.share_with:
            names = self._and(f"«{self._organization(mo)}»" for mo in then.share_with)
            yield self._t(_("передать через центр в %(names)s")) % {"names": names}
        if then.priority is not None:
            yield self._t(_("присвоить класс %(priority)s")) % {"priority": self.priority(then.priority)}

    def _within(self, condition: Condition) -> str:
        said = self.condition(condition)
        return f"({said})" if condition.kind in ("all", "any") else said

    def _single(self, kind: str, condition: Condition) -> str:
        match kind:
            case "device":
                message, names = _("аппарат – %(names)s"), self._or(condition.device or ())
            case "mo":
                message, names = _("МО – %(names)s"), self._or(self._organization(mo) for mo in condition.mo or ())
            case "priority":
                named = (f"P{entry.value}" for entry in condition.priority or ())
                message, names = _("класс – %(names)s"), self._or(named)
            case "age" if condition.age is not None:
                return self._years(condition.age)
            case "time" if condition.time is not None:
                return self._hours(condition.time)
            case _kind:
                return self._t(_("снимок любой"))
        return self._t(message) % {"names": names}

    def _years(self, age: Years) -> str:
        if age.end == Years().end:
            return self._t(_("возраст от %(start)s лет")) % {"start": age.start}
        span = {"start": age.start, "end": age.end}
        return self._t(_("возраст от %(start)s до %(end)s лет включительно")) % span

    def _hours(self, hours: Hours) -> str:
        span = {"start": hours.start, "end": hours.end}
        if hours.days is None:
            return self._t(_("снимок получен с %(start)s до %(end)s")) % span
        days = self._or(self._t(DAYS[day]) for day in hours.days)
        return self._t(_("снимок получен с %(start)s до %(end)s (%(days)s)")) % {**span, "days": days}

    def _tag(self, condition: Condition) -> str:
        tag = condition.tag or ""
        name = self._t(TAGS[tag]) if tag in TAGS else tag
        if condition.exists is not None:
            message = _("%(tag)s – указано") if condition.exists else _("%(tag)s – не указано")
            return self._t(message) % {"tag": name}
        if condition.matches is not None:
            return self._t(_("%(tag)s содержит образец %(pattern)s")) % {"tag": name, "pattern": condition.matches}
        if condition.at_least is None and condition.at_most is None:
            values = self._or(condition.in_ or (condition.equals or "",))
            return self._t(_("%(tag)s – %(values)s")) % {"tag": name, "values": values}
        if condition.at_most is None:
            return self._t(_("%(tag)s не меньше %(least)s")) % {"tag": name, "least": condition.at_least}
        if condition.at_least is None:
            return self._t(_("%(tag)s не больше %(most)s")) % {"tag": name, "most": condition.at_most}
        bounds = {"tag": name, "least": condition.at_least, "most": condition.at_most}
        return self._t(_("%(tag)s от %(least)s до %(most)s")) % bounds

    def _or(self, entries: Iterable[str]) -> str:
        return self._joined(entries, self._t(_("или")))

    def _and(self, entries: Iterable[str]) -> str:
        return self._joined(entries, self._t(_("и")))

    @staticmethod
    def _joined(entries: Iterable[str], word: str) -> str:
        *first, last = entries
        return f"{', '.join(first)} {word} {last}" if first else last
