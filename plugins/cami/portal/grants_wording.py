"""What people read of grants; message ids are translated by templates."""

from collections.abc import Mapping

from cami.access import Cause


def _(message: str) -> str:
    return message


#: Why somebody may see a study.
CAUSES: Mapping[str, str] = {
    Cause.BREAK_GLASS: _("Экстренный доступ"),
    Cause.CONSULTATION: _("Консультация"),
    Cause.ORDER: _("Направление"),
    Cause.ROUTING: _("Правило маршрутизации"),
    Cause.SHARE: _("Открыто сотрудником"),
}
#: Why a grant has ended, where nobody has said it in words.
ENDED: Mapping[str, str] = {
    "expired": _("срок истёк"),
    "replaced": _("заменён новым"),
    "study-deleted": _("исследование удалено"),
}
#: What is wrong with a form, by the message of the error.
REFUSALS: Mapping[str, str] = {
    "either an МО or a person gets the study": _("Выберите МО или укажите логин сотрудника: что-то одно."),
    "there is no such other МО": _("Такой МО нет, или это ваша МО."),
    "there is no such person": _("Сотрудника с таким логином нет."),
    "the share must end within a year": _("Срок должен быть в будущем, не дальше года."),
    "the reason must say why, in up to 500 characters": _("Напишите причину: от 5 до 500 знаков."),
    "the number must be given exactly": _("Укажите номер точно, без знаков подстановки."),
    "the date of birth is missing": _("Укажите дату рождения."),
    "confirm": _("Подтвердите, что доступ нужен для помощи пациенту."),
}
WRONG = _("Проверьте, что заполнено.")


def refusal(error: str) -> str:
    """Return the words for an error."""
    return REFUSALS.get(error, WRONG)
