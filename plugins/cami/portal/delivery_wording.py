"""Words for what happens to images on their way to the centre: causes, classes, what may be done."""

from collections.abc import Mapping

from cami.delivery.order import Priority
from cami.delivery.reasons import Cause


def _(message: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return message


#: Why an image is not at the centre, by the codes of `cami.delivery.reasons.codes`, and what happens or is to be done.
CAUSES: Mapping[str, str] = {
    Cause.LINE: _("Нет связи с центром. Передача продолжится сама."),
    Cause.TOKEN: _("Центр не принял подпись прокси: проверьте ключ и часы сервера."),
    Cause.CENTRE: _("Центр временно не принимает снимки. Передача продолжится сама."),
    Cause.STOOD_BACK: _("Уступило место срочному исследованию."),
    Cause.NIGHT: _("Ждёт ночного окна."),
    Cause.ASKED: _("Отправляется повторно по запросу."),
    Cause.ARCHIVE: _("Локальный архив не ответил. Передача продолжится сама."),
    Cause.DROPPED: _("База данных прокси не ответила. Передача продолжится сама."),
    Cause.RESTART: _("Передача прервана перезапуском сервера и продолжится сама."),
    Cause.DIGEST: _("Снимок исказился в пути и передаётся заново."),
    Cause.REFUSED: _("Центр отказался принять снимок."),
    Cause.NOT_DICOM: _("Файл повреждён: центр не может прочитать его как снимок."),
    Cause.CONTENT_DIFFERS: _("В центре под этим номером другой снимок."),
    Cause.PIXELS_DIFFER: _("В центре сохранилось другое изображение. Сообщите оператору."),
    Cause.LOST: _("Снимка больше нет ни здесь, ни в центре. Отправьте его с аппарата или восстановите из копии."),
    "other-mo-study": _("Исследование с таким номером уже принадлежит другой МО."),
    "other-mo-instance": _("Снимок с таким номером уже принадлежит другой МО."),
    "study-removed": _("Исследование удалено из архива по решению двух лиц и заново не принимается."),
    "damaged-file": _("Файл был повреждён в хранилище центра и заменён исправной копией."),
    "other-content": _("Центр уже принял снимок с этим номером, но содержимое другое."),
}

#: What goes on by itself, so that nobody needs to do anything.
PASSING = frozenset({Cause.LINE, Cause.CENTRE, Cause.NIGHT, Cause.ASKED, Cause.STOOD_BACK, Cause.RESTART})

#: Of a code that this release does not know: the centre may be newer.
UNKNOWN_CAUSE = _("Центр не принял снимок.")

#: What is wrong with the line, in a few words.
OUTAGES: Mapping[str, str] = {
    Cause.LINE: _("Нет связи"),
    Cause.TOKEN: _("Центр не признаёт прокси"),
    Cause.CENTRE: _("Центр не принимает снимки"),
}

#: Classes of the queue (F-04).
PRIORITIES: Mapping[int, str] = {
    Priority.EMERGENCY: _("Экстренно"),
    Priority.AWAITED: _("Ждёт врач"),
    Priority.PLANNED: _("Обычная"),
    Priority.PRIOR: _("Предыдущие"),
    Priority.BACKFILL: _("Старый архив"),
}

#: Which studies the page shows.
VIEWS: Mapping[str, str] = {
    "all": _("Все"),
    "waiting": _("Ещё не переданы"),
    "failed": _("С ошибкой"),
    "done": _("Подтверждены центром"),
}

#: Buttons: what was refused is sent again, what is delivered is compared.
RESEND = _("Отправить повторно")
COMPARE = _("Проверить в центре")

#: What the page says after something was asked for.
NOTICES: Mapping[str, str] = {
    "retried": _("Передача начнётся в ближайшие секунды."),
    "compared": _("Центр проверяет, всё ли получено. Недостающее будет отправлено."),
    "nothing": _("Отправлять нечего: снимков этого исследования здесь уже нет."),
    "moved": _("Срочность изменена."),
    "unknown": _("Этого исследования больше нет в очереди."),
    "forged": _("Форма пришла не с этой страницы. Обновите страницу и повторите."),
}
