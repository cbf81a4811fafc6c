"""The journal in words: kinds, outcomes, reasons, stages. Message ids; templates and tables translate them."""

from collections.abc import Mapping

from cami.audit import Kind, Outcome


def _(message: str) -> str:
    return message


KINDS: Mapping[Kind, str] = {
    Kind.SIGN_IN: _("Вход"),
    Kind.SIGN_OUT: _("Выход"),
    Kind.SEARCH: _("Поиск"),
    Kind.VIEW: _("Просмотр"),
    Kind.EXPORT: _("Выгрузка"),
    Kind.REFUSAL: _("Отказ в доступе"),
    Kind.BREAK_GLASS: _("Экстренный доступ"),
    Kind.GRANT: _("Выдача доступа"),
    Kind.REVOKE: _("Отзыв доступа"),
    Kind.IMPORT: _("Поступление снимков"),
    Kind.CREATE: _("Создание"),
    Kind.CHANGE: _("Изменение"),
    Kind.DELETE: _("Удаление"),
    Kind.ORDER: _("Заявка"),
    Kind.CONSULTATION: _("Консультация"),
    Kind.REPORT: _("Заключение"),
    Kind.ADMINISTRATION: _("Администрирование"),
    Kind.JOURNAL: _("Чтение журнала"),
    Kind.INTEGRITY: _("Сохранность журнала"),
    Kind.START: _("Запуск сервера"),
    Kind.STOP: _("Остановка сервера"),
}
OUTCOMES: Mapping[Outcome, str] = {
    Outcome.SUCCESS: _("выполнено"),
    Outcome.FAILURE: _("не выполнено"),
    Outcome.ERROR: _("ошибка"),
}
#: Classes of `.state` in the style sheet.
OUTCOME_STATES: Mapping[Outcome, str] = {
    Outcome.SUCCESS: "done",
    Outcome.FAILURE: "waiting",
    Outcome.ERROR: "trouble",
}
#: Codes that stand as reason; what is not here is the text that a person gave, or a code of others.
REASONS: Mapping[str, str] = {
    "wrong": _("неверный логин или пароль"),
    "locked": _("вход временно закрыт после ошибок"),
    "disabled": _("учётная запись отключена"),
    "busy": _("сервер занят"),
    "put-away": _("старые записи перенесены в файл"),
    "restored": _("сервер МО восстановлен из копии, его журнал продолжен новой ветвью"),
    "other-mo-study": _("исследование принадлежит другой МО"),
    "other-mo-instance": _("снимок принадлежит другой МО"),
    "other-content": _("снимок уже принят с другим содержимым"),
}
STAGES: Mapping[str, str] = {
    "began": _("начато"),
    "whole": _("получено полностью"),
    "quarantine": _("помещено в карантин"),
    "asked": _("запрошено"),
}
#: What can be chosen on the page «Кто смотрел»: what is done with a study.
ABOUT_DATA: frozenset[Kind] = frozenset(
    {
        Kind.VIEW,
        Kind.EXPORT,
        Kind.REFUSAL,
        Kind.BREAK_GLASS,
        Kind.GRANT,
        Kind.REVOKE,
        Kind.CHANGE,
        Kind.DELETE,
        Kind.CREATE,
        Kind.REPORT,
        Kind.CONSULTATION,
        Kind.ORDER,
        Kind.IMPORT,
    }
)
COLUMNS: tuple[str, ...] = (
    _("Время"),
    _("Кто"),
    _("Действие"),
    _("Итог"),
    _("О чём"),
    _("Откуда"),
)
