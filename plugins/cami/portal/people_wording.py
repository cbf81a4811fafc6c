"""Words of the pages about people: what is wrong with a password, what was done with an account."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cami.people import Place, Reason
from cami.people.password_rules import Fault
from cami.portal import wording
from cami.portal.pages import Pages


def _(message: str) -> str:
    return message


WRONG_CODE = _("Код не подошёл. Проверьте время на телефоне и введите код, который приложение показывает сейчас.")

_FAULTS: Mapping[str, str] = {
    Fault.SHORT: _("Пароль слишком короткий."),
    Fault.LONG: _("Пароль слишком длинный."),
    Fault.CLASSES: _("В пароле слишком мало разных видов знаков."),
    Fault.COMMON: _("Такой пароль легко подобрать: в нём логин, частое слово или ряд клавиш."),
    Fault.USED: _("Этот пароль уже использовался. Придумайте другой."),
    Reason.WRONG: _("Прежний пароль указан неверно."),
}

#: What is said of an act that was done, by the code in the address.
DONE: Mapping[str, str] = {
    "blocked": _("Учётная запись заблокирована, открытые сеансы завершены."),
    "unblocked": _("Учётная запись разблокирована."),
    "unlocked": _("Блокировка из-за неверных паролей снята."),
    "signed-out": _("Все сеансы завершены."),
    "factor-off": _("Второй фактор отключён. Если он обязателен, его настроят при следующем входе."),
    "role": _("Роль изменена, открытые сеансы завершены."),
    "renamed": _("ФИО изменено."),
    "place-added": _("Место работы добавлено."),
    "place-removed": _("Место работы убрано, открытые сеансы завершены."),
    "session": _("Сеанс завершён."),
    "program": _("Пароль для программы удалён."),
    "password": _("Пароль изменён, остальные сеансы завершены."),
}

#: Why an act was not done.
NOT_DONE: Mapping[str, str] = {
    "login": _("Логин: латинские буквы, цифры, точка, дефис, подчёркивание, @; до 64 знаков."),
    "name": _("Укажите ФИО."),
    "role": _("Такую роль вы дать не можете."),
    "mo": _("Выберите МО, к которой относится роль."),
    "taken": _("Такой логин уже есть. Придумайте другой."),
    "exclusive": _("Эти роли один человек совмещать не может: аудитор не администрирует и не работает с данными."),
    "twice": _("В этой МО у сотрудника уже есть роль."),
    "too-many": _("Паролей для программ уже десять. Удалите ненужные."),
    "denied": _("Это действие вам недоступно."),
    "absent": _("Такой учётной записи нет."),
}


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A place of work as people read it."""

    mo: str
    organization: str
    """Empty: the region."""
    role: str
    """A message id."""


def fault(code: str) -> str:
    """Return what is wrong, for a `Fault` or a `Reason`."""
    return _FAULTS.get(code) or (wording.REFUSALS[Reason(code)] if code in set(Reason) else "")


def named_places(pages: Pages, places: Iterable[Place]) -> list[NamedPlace]:
    """Return places with the names of МО and roles."""
    return [
        NamedPlace(place.mo, pages.organization(place.mo) if place.mo else "", wording.ROLES[place.role])
        for place in places
    ]
