"""Words of our field for the codes that DICOM and our own tables use. Message ids are the Russian words themselves."""

from collections.abc import Mapping

from cami.access import Reason, Role


def _(message: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return message


#: Defined terms of DICOM Modality (0008,0060), as radiologists of the region call them.
MODALITIES: Mapping[str, str] = {
    "CR": _("Рентген"),
    "CT": _("КТ"),
    "DX": _("Рентген"),
    "ES": _("Эндоскопия"),
    "IO": _("Дентальный снимок"),
    "MG": _("Маммография"),
    "MR": _("МРТ"),
    "NM": _("Сцинтиграфия"),
    "OT": _("Прочее"),
    "PT": _("ПЭТ"),
    "PX": _("Ортопантомограмма"),
    "RF": _("Рентгеноскопия"),
    "SC": _("Прочее"),
    "SR": _("Протокол"),
    "US": _("УЗИ"),
    "XA": _("Ангиография"),
}

#: Patient's Sex (0010,0040).
SEXES: Mapping[str, str] = {"M": _("муж."), "F": _("жен."), "O": _("пол другой")}

#: How far a study has come, and how the page marks it. Of the centre: "receiving",
#: "complete", "at_mo", "asked"; the others of a proxy.
STATES: Mapping[str, tuple[str, str]] = {
    "receiving": (_("Поступает"), "moving"),
    "complete": (_("Получено полностью"), "done"),
    "queued": (_("В очереди на передачу"), "waiting"),
    "sending": (_("Передаётся в центр"), "moving"),
    "stored": (_("Передано, ждёт подтверждения"), "moving"),
    "confirmed": (_("Подтверждено центром"), "done"),
    "quarantined": (_("В карантине: нужен оператор"), "trouble"),
    "rejected": (_("Отклонено, в центр не передаётся"), "waiting"),
    "lost": (_("Не найдено в центре: нужен оператор"), "trouble"),
    "at_mo": (_("В МО, ещё не передано"), "waiting"),
    "asked": (_("Запрошено из МО"), "moving"),
    "guest": (_("Из другой МО"), "done"),
    "away": (_("Хранится в ЦАМИ"), "done"),
    "returning": (_("Возвращается из ЦАМИ"), "moving"),
    "not_returned": (_("Вернулось не полностью: нужен оператор"), "trouble"),
}

ROLES: Mapping[Role, str] = {
    Role.AUDITOR: _("Аудитор"),
    Role.CLINICIAN: _("Лечащий врач"),
    Role.CONSULTANT: _("Консультант"),
    Role.DISPATCHER: _("Диспетчер"),
    Role.MIS: _("Медицинская информационная система"),
    Role.GUEST: _("Врач из МИС"),
    Role.MONITOR: _("Система наблюдения"),
    Role.MO_ADMIN: _("Администратор МО"),
    Role.OPERATOR: _("Оператор"),
    Role.RADIOLOGIST: _("Врач-рентгенолог"),
    Role.REGION_ADMIN: _("Администратор ЦАМИ"),
    Role.TECHNOLOGIST: _("Рентгенолаборант"),
}

#: Why somebody was not let in, and what to do. A wrong login and a wrong password read the same on purpose.
REFUSALS: Mapping[Reason, str] = {
    Reason.ADDRESS: _(
        "С этого адреса слишком много неудачных попыток входа. Подождите десять минут; если вы не ошибались, сообщите "
        "администратору."
    ),
    Reason.BUSY: _("Сейчас входит слишком много людей. Подождите несколько секунд и попробуйте снова."),
    Reason.CHANGE_AT_CENTRE: _(
        "Пароль нужно сменить, а это делается на центральном портале. Войдите туда, смените пароль и через полминуты "
        "войдите здесь с новым."
    ),
    Reason.CODE: _("Код не подошёл. Введите новый код из приложения; каждый код годится один раз."),
    Reason.DISABLED: _("Учётная запись отключена. Обратитесь к администратору своей МО."),
    Reason.LOCKED: _(
        "Слишком много неверных паролей или кодов подряд. Подождите или попросите администратора своей МО снять "
        "блокировку."
    ),
    Reason.NOT_ENOUGH: _("Программам нужен отдельный пароль: создайте его на странице своей учётной записи."),
    Reason.NOT_MAPPED: _("Вас узнали, но доступа к архиву снимков у вас нет. Обратитесь к администратору своей МО."),
    Reason.OLD_COPY: _(
        "Слишком долго нет связи с центром, поэтому войти здесь нельзя: неизвестно, чьи учётные записи ещё действуют. "
        "Обратитесь к тому, кто обслуживает этот сервер."
    ),
    Reason.PROVIDER: _("Войти таким способом не удалось. Попробуйте ещё раз или войдите по паролю."),
    Reason.WRONG: _("Неверный логин или пароль. Проверьте раскладку клавиатуры и Caps Lock."),
}
