"""Words of «PACS МО»: what is wrong with a proxy, who is responsible for what."""

from collections.abc import Callable, Mapping

from cami.fleet import Reason


def _(message: str) -> str:
    return message


def reason(translate: Callable[[str], str], code: str, detail: str) -> str:
    """Return what is wrong, with its figure."""
    words = translate(REASONS.get(Reason(code), code))
    return words.replace("…", detail)


#: ``…`` is where the figure goes.
REASONS: Mapping[Reason, str] = {
    Reason.SILENT: _("нет связи"),
    Reason.NEVER: _("ещё не выходил на связь"),
    Reason.WAITING: _("снимки ждут передачи слишком долго: …"),
    Reason.TROUBLED: _("не передано и требует внимания снимков: …"),
    Reason.DISK: _("на диске кончается место"),
    Reason.CLOCK: _("часы расходятся с центром на … с"),
    Reason.CERTIFICATE: _("сертификат кончается, дней: …"),
    Reason.DEVICE: _("не отвечает на C-ECHO: …"),
    Reason.VERSION: _("версия … далека от версии центра"),
}
DUTIES: Mapping[str, str] = {
    "technical": _("техническое сопровождение"),
    "organization": _("организация работы"),
    "consultations": _("дистанционные консультации"),
}
LEVELS: Mapping[str, str] = {"green": _("в порядке"), "yellow": _("внимание"), "red": _("не работает")}
