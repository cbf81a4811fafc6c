"""Words for what goes wrong in routing: reasons of destinations, and mistakes in a document of rules."""

import re
from collections.abc import Mapping, Sequence


def _(message: str) -> str:
    return message


#: Why a destination or an image failed (`cami.routing.outcomes`), and who can do something about it.
REASONS: Mapping[str, str] = {
    "broken": _("соединение оборвалось до ответа"),
    "gone": _("снимка уже нет в архиве МО: он есть только в центре"),
    "internal": _("внутренняя ошибка: сообщите оператору"),
    "misconfigured": _("назначение настроено не полностью: нет его ключа или сертификата. Обратитесь к оператору"),
    "no-answer": _("нет ответа на запрос"),
    "no-search": _("не отвечает на поиск, поэтому доставку нельзя проверить: отключите проверку в реестре"),
    "not-authorized": _("не принимает нас: проверьте пароль или права на стороне получателя"),
    "not-supported": _("не принимает такие снимки (класс объекта или сжатие)"),
    "out-of-resources": _("у получателя нет места или ресурсов"),
    "refused": _("получатель отказал в приёме"),
    "rejected": _("получатель отклонил соединение: проверьте AE title с обеих сторон"),
    "server-error": _("ошибка на сервере получателя или неверный адрес"),
    "tls": _("не удалось проверить сертификат получателя"),
    "unconfirmed": _("получатель не подтвердил, что снимок сохранён"),
    "unreachable": _("не отвечает: проверьте сеть, адрес и порт"),
    "unreadable": _("снимок повреждён и не может быть отправлен"),
}

#: Mistakes in rules, as `cami.routing.reading` tells them in English, and the same in Russian.
_MISTAKES: Sequence[tuple[str, str]] = (
    (r"is missing: add it", "не указано: добавьте"),
    (r"is empty: write a value or remove the field", "пусто: укажите значение или уберите поле"),
    (r"there is no such field: check its spelling or remove it", "нет такого поля: проверьте написание или уберите"),
    (r"the rules must have the field: rules", "документ должен начинаться с поля rules"),
    (r"longer than (\d+) KiB: .*", r"документ длиннее \1 КиБ: сократите правила"),
    (r'"(.*)" is taken in line (\d+): name each rule differently', r"имя «\1» уже занято в строке \2"),
    (r'there is no destination "(.*)"; this МО has: none: .*', r"нет назначения «\1»: в реестре их пока нет вообще"),
    (r'there is no destination "(.*)"; this МО has: (.*)', r"нет назначения «\1»; есть: \2"),
    (
        r'there is no other МО "(.*)" with a PACS Proxy in the registry',
        r"нет другой МО с кодом «\1» и своим PACS Proxy",
    ),
    (r'there is no МО "(.*)" with a PACS Proxy in the registry', r"нет МО с кодом «\1» и своим PACS Proxy"),
    (
        r'no destination "(.*)" at МО (.*): name organizations that have it',
        r"назначения «\1» нет у МО \2: укажите в organizations те, у которых оно есть",
    ),
    (r"conditions within conditions, more than (\d+) deep: .*", r"условия вложены глубже \1 уровней: упростите"),
    (r"more than (\d+) levels within each other: .*", r"вложенность больше \1 уровней: проверьте скобки"),
    (
        r'"(.*)" is no keyword of DICOM: write one of PS3\.6, as (\w+) or (\w+)',
        r"«\1» – не ключевое слово DICOM (примеры: \2, \3)",
    ),
    (
        r'"(.*)" cannot be asked for: .*',
        r"по «\1» правил не бывает: правила не читают ни данных, по которым узнают пациента, ни вложенных списков",
    ),
    (r"a pattern has at most (\d+) characters", r"образец длиннее \1 знаков"),
    (r'"(.*)" is no pattern \(RE2 syntax\): (.*)', r"«\1» – ошибка в образце (синтаксис RE2): \2"),
    (r'"(.*)" is no number: write it as 2 or 0\.5', r"«\1» – не число: напишите, например, 2 или 0.5"),
    (r'"(.*)" is no whole number', r"«\1» – не целое число"),
    (r'"(.*)" is no class: write one of (.*)', r"«\1» – нет такого класса; есть: \2"),
    (r"is an empty list: write at least one entry", "пустой список: добавьте хотя бы одно значение"),
    (r"from (\S+) to (\S+) is no span", r"от \1 до \2 – не промежуток"),
    (
        r"a condition says exactly one of: (.*); join several .*",
        r"в условии должно быть ровно одно из: \1 (несколько объединяют all или any)",
    ),
    (r"always is true or is left out", "always бывает только true"),
    (
        r"(\w+) belongs to a tag: write tag: KEYWORD beside it",
        r"\1 бывает только рядом с tag: добавьте tag: КЛЮЧЕВОЕ_СЛОВО",
    ),
    (r"a tag needs one of: (.*)", r"рядом с tag нужно одно из: \1"),
    (r"at_least (\S+) and at_most (\S+) leave nothing", r"не меньше \1 и не больше \2 сразу не бывает"),
    (r"write at least one of: send_to, share_with, priority", "укажите хотя бы одно из: send_to, share_with, priority"),
    (r'"(.*)" is no code: .*', r"«\1» – не код МО"),
    (r'"(.*)" is no name: .*', r"«\1» – не имя назначения: цифры, строчные латинские буквы, дефис"),
    (r'"(.*)" is no AE title: .*', r"«\1» – не AE title: до 16 латинских букв и цифр"),
    (
        r'"(.*)" is no time of day: .*',
        r"«\1» – не время: напишите часы и минуты, например «08:00»; день кончается в «24:00»",
    ),
    (r'"(.*)" is not possible: write one of (.*)', r"«\1» не подходит; возможно: \2"),
    (r'"(.*)" is neither true nor false', r"«\1»: нужно true или false"),
    (r"write a text in one line, without blanks at its ends", "нужен текст в одну строку без пробелов по краям"),
    (
        r"stands here twice, first in line (\d+): remove one of them",
        r"указано дважды, впервые в строке \1: уберите одно",
    ),
    (r"a field's name must be a word", "имя поля должно быть словом"),
    (r"no anchors and aliases here: .*", "якоря и ссылки YAML не нужны: напишите значение целиком"),
    (r"no tags here: .*", "уберите то, что начинается с восклицательного знака"),
    (r"only one document in a file: .*", "в тексте один документ: уберите строку ---"),
    (r"String should have at most (\d+) characters", r"длиннее \1 знаков"),
    (r"String should have at least .*", "слишком короткий текст"),
    (r"Tuple should have at most (\d+) items.*", r"больше \1 записей"),
    (r"Input should be less than or equal to (\d+)", r"не больше \1"),
    (r"Input should be greater than or equal to (\d+)", r"не меньше \1"),
    (r"Input should be a valid (tuple|list)", "нужен список: строки, начинающиеся с дефиса"),
    (r"Input should be a valid dictionary.*", "нужны поля: имя, двоеточие, значение"),
    (r"Input should be a valid string", "нужен текст"),
    (r"(.*): check indentation and quotes", r"это не YAML (\1): проверьте отступы и кавычки"),
)
_COMPILED = tuple((re.compile(pattern), russian) for pattern, russian in _MISTAKES)


def mistake(message: str) -> str:
    """Return a mistake in rules in Russian; one that nobody has translated stays as it is."""
    for pattern, russian in _COMPILED:
        found = pattern.fullmatch(message)
        if found is not None:
            return found.expand(russian)
    return message
