"""Words of the report «Полнота передачи»."""

from collections.abc import Mapping, Sequence


def _(message: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return message


#: What a comparison of a proxy with the centre may find (`cami.delivery.runs.Findings`).
FINDINGS: Mapping[str, str] = {
    "unknown": _("не было в очереди, отправлено: %(number)s"),
    "missing": _("не было в центре, отправлено снова: %(number)s"),
    "different": _("в центре другие: %(number)s"),
    "lost": _("нет ни здесь, ни в центре: %(number)s"),
    "absent": _("нет на прокси, есть в центре: %(number)s"),
}

#: Columns of the table to be taken away.
COLUMNS: Sequence[str] = (
    _("МО"),
    _("День"),
    _("Исследований"),
    _("Подтверждено исследований"),
    _("Снимков"),
    _("Получено снимков"),
    _("Отличается"),
    _("Ошибок"),
    _("Объём, байт"),
    _("Задержка, медиана, с"),
    _("Задержка, 95-й процентиль, с"),
)
