"""Words of consultations: states, urgencies, what can be done, why something ended (the region's own terms)."""

from collections.abc import Mapping

from cami.consultations.desk import View
from cami.consultations.notices import Told
from cami.consultations.readings import Agreement, Upheld
from cami.consultations.states import Command, State
from cami.consultations.terms import Cancelled, Kind, MessageKind, Mode, Refused, Urgency
from cami.consultations.trust import Trust


def _(message: str) -> str:
    return message


VIEWS: Mapping[View, str] = {
    View.MINE: _("Мои заявки"),
    View.INBOX: _("Входящие"),
    View.QUEUE: _("Общая очередь"),
    View.DISPATCH: _("Диспетчер"),
}

#: Words and mark of a state.
STATES: Mapping[State, tuple[str, str]] = {
    State.DRAFT: (_("Черновик"), "waiting"),
    State.APPROVAL: (_("На согласовании"), "waiting"),
    State.SENT: (_("Отправлена"), "moving"),
    State.RECEIVED: (_("Получена"), "moving"),
    State.ASSIGNED: (_("Назначен консультант"), "moving"),
    State.IN_WORK: (_("В работе"), "moving"),
    State.INFO_REQUESTED: (_("Запрошены дополнительные сведения"), "waiting"),
    State.COMPARING: (_("Сопоставление чтений"), "moving"),
    State.REDIRECTED: (_("Переадресована"), "moving"),
    State.DONE: (_("Выполнена"), "done"),
    State.REJECTED: (_("Отклонена"), "trouble"),
    State.CANCELLED: (_("Отменена"), "waiting"),
}

URGENCIES: Mapping[Urgency, str] = {
    Urgency.STAT: _("Экстренная"),
    Urgency.URGENT: _("Неотложная"),
    Urgency.ROUTINE: _("Плановая"),
}

KINDS: Mapping[Kind, str] = {
    Kind.CONSULTATION: _("Консультация"),
    Kind.READING: _("Удалённое описание"),
    Kind.COUNCIL: _("Консилиум"),
    Kind.SECOND_OPINION: _("Пересмотр"),
    Kind.DOUBLE_READING: _("Двойное чтение"),
}

MODES: Mapping[Mode, str] = {Mode.DEFERRED: _("Отложенная"), Mode.REALTIME: _("Реальное время")}

#: What a button says.
BUTTONS: Mapping[Command, str] = {
    Command.APPROVE: _("Согласовать и отправить"),
    Command.RETURN: _("Вернуть на доработку"),
    Command.WITHDRAW: _("Отозвать с согласования"),
    Command.OPEN: _("Отметить полученной"),
    Command.ASSIGN: _("Назначить консультанта"),
    Command.TAKE: _("Взять в работу"),
    Command.RELEASE: _("Вернуть в очередь"),
    Command.HAND_OVER: _("Передать коллеге"),
    Command.REDIRECT: _("Переадресовать"),
    Command.ASK_MORE: _("Запросить дополнительные сведения"),
    Command.TELL_MORE: _("Ответить консультанту"),
    Command.RESUME: _("Продолжить без ответа"),
    Command.REJECT: _("Отклонить заявку"),
    Command.CANCEL: _("Отменить заявку"),
    Command.ACKNOWLEDGE: _("Подтвердить: лечащий врач знает"),
    Command.DISAGREE: _("Чтения расходятся: третьему читающему"),
}

#: What stands in the history.
HISTORY: Mapping[str, str] = {
    Command.CREATE: _("Заявка создана"),
    Command.SUBMIT: _("Передана на согласование"),
    Command.SEND: _("Отправлена"),
    Command.APPROVE: _("Согласована и отправлена"),
    Command.RETURN: _("Возвращена на доработку"),
    Command.WITHDRAW: _("Отозвана с согласования"),
    Command.OPEN: _("Получена"),
    Command.ASSIGN: _("Назначен консультант"),
    Command.TAKE: _("Взята в работу"),
    Command.RELEASE: _("Возвращена в очередь"),
    Command.HAND_OVER: _("Передана коллеге"),
    Command.REDIRECT: _("Переадресована"),
    Command.ASK_MORE: _("Запрошены дополнительные сведения"),
    Command.TELL_MORE: _("Получены дополнительные сведения"),
    Command.RESUME: _("Работа продолжена без ответа"),
    Command.REJECT: _("Отклонена"),
    Command.CANCEL: _("Отменена"),
    Command.SIGN: _("Заключение подписано"),
    Command.CORRECT: _("Заключение исправлено"),
    Command.CONCLUDE: _("Первое чтение подписано"),
    Command.COMPARE: _("Второе чтение подписано, чтения совпадают"),
    Command.DIVERGE: _("Второе чтение подписано, чтения расходятся: нужен третий читающий"),
    Command.DISAGREE: _("Чтения расходятся: нужен третий читающий"),
    "unheard": _("Критическая находка не подтверждена: МО-заявитель и диспетчер предупреждены"),
    Command.ACKNOWLEDGE: _("О критической находке сообщено лечащему врачу"),
    Command.EXPIRE: _("Возвращена в очередь: консультант не отвечает"),
    "escalated": _("Диспетчер предупреждён: заявку никто не принял"),
    "late": _("Срок истёк"),
    "message": _("Сообщение"),
    "file": _("Прикреплён файл"),
    "member": _("Приглашён участник"),
}

REFUSED: Mapping[Refused, str] = {
    Refused.NOT_OUR_PROFILE: _("Не наш профиль"),
    Refused.POOR_IMAGES: _("Качество снимков не позволяет ответить"),
    Refused.NO_DATA: _("Недостаточно сведений"),
    Refused.NO_CONSENT: _("Нет согласия пациента"),
    Refused.IN_PERSON: _("Нужна очная консультация"),
    Refused.DUPLICATE: _("Повторная заявка"),
    Refused.OTHER: _("Другая причина (напишите)"),
}

CANCELLED: Mapping[Cancelled, str] = {
    Cancelled.NO_LONGER_NEEDED: _("Больше не требуется"),
    Cancelled.ANSWERED_HERE: _("Вопрос решён на месте"),
    Cancelled.PATIENT_REFUSED: _("Отказ пациента"),
    Cancelled.PATIENT_MOVED: _("Пациент переведён"),
    Cancelled.MISTAKE: _("Создана по ошибке"),
    Cancelled.OTHER: _("Другая причина (напишите)"),
}

REASONS: Mapping[str, str] = {
    **{str(code): words for code, words in REFUSED.items()},
    **{str(code): words for code, words in CANCELLED.items()},
}

MESSAGES: Mapping[MessageKind, str] = {
    MessageKind.NOTE: _("Сообщение"),
    MessageKind.QUESTION: _("Вопрос консультанта"),
    MessageKind.ANSWER: _("Ответ на вопрос"),
    MessageKind.OPINION: _("Мнение участника консилиума"),
}

#: What is known of the certificate of a signature.
TRUSTS: Mapping[str, str] = {
    Trust.TRUSTED: _("сертификат доверенный"),
    Trust.UNTRUSTED: _("сертификат не от доверенного удостоверяющего центра"),
    Trust.OUT_OF_DATE: _("сертификат на момент подписи не действовал"),
    Trust.OTHER_USE: _("сертификат не для подписи документов"),
    Trust.NOT_CHECKED: _("доверие к сертификату не проверено"),
}

#: How far texts agree, as the one says who compares them.
AGREEMENTS: Mapping[str, str] = {
    Agreement.NONE: _("Нет замечаний"),
    Agreement.REMARKS: _("Замечания"),
    Agreement.MINOR: _("Незначимое расхождение"),
    Agreement.SIGNIFICANT: _("Клинически значимое расхождение"),
    Upheld.FIRST: _("Согласен с первым чтением"),
    Upheld.SECOND: _("Согласен со вторым чтением"),
    Upheld.NEITHER: _("Собственное заключение, не как в обоих чтениях"),
}

#: The same, as everybody is told.
VERDICTS: Mapping[str, str] = {
    Agreement.NONE: _("Нет замечаний"),
    Agreement.REMARKS: _("Замечания"),
    Agreement.MINOR: _("Незначимое расхождение"),
    Agreement.SIGNIFICANT: _("Клинически значимое расхождение"),
    Upheld.FIRST: _("Чтения разошлись, третий читающий согласен с первым"),
    Upheld.SECOND: _("Чтения разошлись, третий читающий согласен со вторым"),
    Upheld.NEITHER: _("Чтения разошлись, третий читающий дал собственное заключение"),
}

#: Which reading of a double reading a request is at.
READINGS: Mapping[int, str] = {1: _("первое чтение"), 2: _("второе чтение"), 3: _("третье чтение")}

#: What a draft lacks, or why its route does not take it.
MISSING: Mapping[str, str] = {
    "question": _("Напишите вопрос консультанту."),
    "studies": _("Выберите исследование."),
    "profile": _("Выберите профиль."),
    "consent": _("Отметьте согласие пациента (ИДС). Без него отправляются только экстренные заявки."),
    "phone": _("Для экстренной заявки укажите телефон для связи."),
    "diagnosis": _("Диагноз – это код МКБ-10, например S06.0."),
    "reviewed": _("Пересмотр: приложите протокол, который пересматривают, или перескажите его в анамнезе."),
    "route": _("Выберите маршрут."),
    "route-mo": _("Этот маршрут не для вашей МО. Выберите другой."),
    "route-kind": _("По этому маршруту такой вид помощи не оказывают. Выберите другой."),
    "route-urgency": _("Этот маршрут не принимает заявки такой срочности. Выберите другой."),
    "route-profile": _("Этот маршрут не принимает заявки этого профиля. Выберите другой."),
    "route-modality": _("Этот маршрут не принимает такие исследования. Выберите другой."),
    "route-hours": _("Сейчас этот маршрут не работает. Выберите другой."),
    "route-limit": _("Дневной лимит заявок по этому маршруту исчерпан. Выберите другой."),
}

#: Why something was not done.
TROUBLES: Mapping[str, str] = {
    "changed": _("Заявка только что изменилась. Посмотрите, что нового, и повторите."),
    "newer": _("Более новый текст уже сохранён из другого окна. Ваш текст ниже не потерян: сверьте и сохраните снова."),
    "denied": _("Это действие сейчас выполняет другой человек."),
    "text": _("Напишите, почему."),
    "reason": _("Выберите причину."),
    "to": _("Выберите, кому передать."),
    "mo": _("Выберите МО."),
    "conclusion": _("Напишите заключение."),
    "password": _("Неверный пароль. Заключение не подписано."),
    "why": _("Напишите причину исправления."),
    "signature-malformed": _("Это не подпись: нужен файл открепленной подписи CMS (.sig, .p7s)."),
    "signature-attached": _("Подпись не откреплённая: нужен отдельный файл без самого документа."),
    "signature-signers": _("В файле подпись не одного человека."),
    "signature-algorithm": _("Такой алгоритм подписи здесь не проверяется."),
    "signature-certificate": _("В подписи нет сертификата."),
    "signature-other-document": _("Подписан другой документ. Подпишите тот, что скачан отсюда."),
    "signature-wrong": _("Подпись не подтвердилась. Заключение не подписано."),
    "not-prepared": _("Протокол для подписи надо подготовить заново: текст изменился."),
    "pathology-needed": _("Двойное чтение: отметьте, выявлена ли патология. По этой отметке чтения сопоставляются."),
    "agreement": _("Отметьте, насколько заключения совпадают."),
    "upheld": _("Отметьте, с кем из читающих вы согласны."),
    "other-finding": _(
        "Патология, критическая находка и диагноз – как в обоих чтениях. Иначе передайте третьему читающему."
    ),
    "wrong": _("Проверьте введённое."),
    "busy": _("Система занята. Подождите минуту и повторите: введённое сохранено."),
    "patient": _("Можно выбрать исследования только одного пациента."),
}

TOLD: Mapping[Told, str] = {
    Told.APPROVAL: _("ждёт согласования"),
    Told.SENT: _("новая заявка"),
    Told.RETURNED: _("возвращена на доработку"),
    Told.ASSIGNED: _("назначена вам"),
    Told.TAKEN: _("взята в работу"),
    Told.INFO_REQUESTED: _("запрошены дополнительные сведения"),
    Told.INFO_GIVEN: _("получены дополнительные сведения"),
    Told.RELEASED: _("снова в очереди"),
    Told.DONE: _("выполнена"),
    Told.CORRECTED: _("заключение исправлено"),
    Told.CRITICAL: _("критическая находка: прочитайте заключение"),
    Told.REJECTED: _("отклонена"),
    Told.CANCELLED: _("отменена"),
    Told.MESSAGE: _("новое сообщение"),
    Told.ESCALATED: _("заявку никто не принял"),
    Told.CRITICAL_READING: _("критическая находка одного из читающих"),
    Told.UNHEARD: _("критическая находка не подтверждена"),
    Told.NEXT_READER: _("нужен следующий читающий"),
    Told.REVIEWED: _("ваше заключение пересмотрено"),
    Told.LATE: _("срок истёк"),
}

#: What a report of statistics is told apart by.
DIMENSIONS: Mapping[str, str] = {
    "mo": _("МО-заявитель"),
    "to_mo": _("Консультирующая МО"),
    "profile": _("Профиль"),
    "urgency": _("Срочность"),
    "kind": _("Вид"),
    "modality": _("Модальность"),
    "consultant": _("Консультант"),
}
