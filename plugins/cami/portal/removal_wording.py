"""What people read of deletions; message ids are translated by templates."""

from collections.abc import Mapping

from cami.removal import State


def _(message: str) -> str:
    return message


#: How a deletion stands, and the mark of its state.
STATES: Mapping[str, tuple[str, str]] = {
    State.MARKED: (_("Ждёт подтверждений"), "waiting"),
    State.AGREED_BY_MO: (_("Ждёт администратора ЦАМИ"), "waiting"),
    State.AGREED_BY_REGION: (_("Ждёт администратора МО"), "waiting"),
    State.DELETING: (_("Удаляется"), "moving"),
    State.DELETED: (_("Удалено"), "trouble"),
    State.WITHDRAWN: (_("Отменено"), "done"),
}
#: What is known of the copy at the МО's proxy.
COPIES: Mapping[str, str] = {
    "asked": _("копия в МО: будет удалена, как только МО будет на связи"),
    "removed": _("копия в МО удалена"),
    "kept": _("копия в МО осталась: сервер МО не умеет её удалять, обновите его"),
}
#: What is wrong with what somebody asked for, by the message of the error.
REFUSALS: Mapping[str, str] = {
    "no such study": _("В вашей МО нет исследования с таким номером. Проверьте номер."),
    "the study is marked already": _("Это исследование уже отмечено на удаление."),
    "the two who confirm are different people": _(
        "Вы уже подтвердили это удаление. Второе подтверждение даёт другой человек."
    ),
    "somebody else has just decided": _("Решение только что принял кто-то другой. Посмотрите, как дела стоят теперь."),
}
REASON = _("Напишите причину: от 10 до 500 знаков.")
LATE = _("Поздно: с этим удалением уже ничего нельзя сделать.")
NOT_YOURS = _("Этого вы сделать не можете.")


def refusal(error: str) -> str:
    """Return the words for an error."""
    if error.startswith("the reason has"):
        return REASON
    if error.startswith("not for this role"):
        return NOT_YOURS
    return REFUSALS.get(error, LATE)
