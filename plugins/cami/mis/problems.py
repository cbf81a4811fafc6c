"""What can be wrong with a message of the МИС: codes, words, and the OperationOutcome that says so.

The codes are part of the contract (`docs/mis-contract.md`, *Errors*; a test holds both together). The words are for a
clinician and never name a patient; what was sent is never repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

CODE_SYSTEM = "urn:cami:error"

#: code → (issue type of FHIR, words)
CODES: Mapping[str, tuple[str, str]] = {
    "CAMI-0010": ("required", "Не заполнено обязательное поле"),
    "CAMI-0011": ("required", "Не указан номер направления"),
    "CAMI-0012": ("required", "Не указан идентификатор пациента в МИС"),
    "CAMI-0013": ("required", "Не указаны фамилия, дата рождения или пол пациента"),
    "CAMI-0014": ("required", "Не указано исследование: нужен код НМУ или ФСИДИ"),
    "CAMI-0015": ("required", "Не указана модальность"),
    "CAMI-0016": ("required", "Не указана медицинская организация-исполнитель"),
    "CAMI-0017": ("required", "Не указан направивший врач или его организация"),
    "CAMI-0018": ("required", "Не указана цель исследования"),
    "CAMI-0019": ("required", "Не указан приоритет"),
    "CAMI-0020": ("value", "Поле заполнено не по FHIR R4"),
    "CAMI-0021": ("value", "Неверная контрольная сумма СНИЛС"),
    "CAMI-0022": ("value", "Неверная контрольная сумма ЕНП"),
    "CAMI-0023": ("value", "Тот же номер СНИЛС или ЕНП у пациента с другой датой рождения или полом"),
    "CAMI-0024": ("value", "Значение слишком длинное или содержит недопустимые символы"),
    "CAMI-0025": ("value", "Неизвестная модальность"),
    "CAMI-0026": ("value", "Условие отбора не поддерживается"),
    "CAMI-0030": ("not-found", "Ссылка не ведёт ни к записи пакета, ни к известному ресурсу"),
    "CAMI-0031": ("not-found", "Медицинская организация не найдена в справочнике ЦАМИ"),
    "CAMI-0032": ("not-found", "Аппарат не найден в медицинской организации-исполнителе"),
    "CAMI-0033": ("not-found", "У медицинской организации-исполнителя нет PACS Proxy"),
    "CAMI-0034": ("not-found", "Не найдено"),
    "CAMI-0035": ("multiple-matches", "Условию отвечает несколько ресурсов"),
    "CAMI-0040": ("conflict", "Ресурс изменился: прочитайте его снова"),
    "CAMI-0041": ("business-rule", "Исследование уже начато: изменить можно только приоритет, примечание и срок"),
    "CAMI-0042": ("conflict", "Запись пациента объединена с другой"),
    "CAMI-0043": ("business-rule", "В этом состоянии действие невозможно"),
    "CAMI-0044": ("business-rule", "Объединить или разъединить эти записи нельзя"),
    "CAMI-0045": ("duplicate", "Ключ идемпотентности уже использован с другим содержимым"),
    "CAMI-0046": ("required", "Не указан заголовок Idempotency-Key"),
    "CAMI-0047": ("required", "Не указан заголовок If-Match"),
    "CAMI-0048": ("conflict", "Идентификаторы принадлежат разным пациентам: сначала объедините записи"),
    "CAMI-0051": ("business-rule", "Окончательный протокол не подписан врачом"),
    "CAMI-0052": ("value", "Документ не читается"),
    "CAMI-0060": ("login", "Нет действительного токена доступа"),
    "CAMI-0061": ("forbidden", "Действие не разрешено"),
    "CAMI-0080": ("business-rule", "Маршрута для такой заявки нет: не подходят МО, вид, форма, модальность или время"),
    "CAMI-0081": ("not-found", "Такого исследования запрашивающей МО по направлениям МИС нет"),
    "CAMI-0082": ("required", "Для экстренной заявки укажите телефон (input phone)"),
    "CAMI-0083": ("required", "Нужно согласие пациента (input consent)"),
    "CAMI-0084": ("value", "Профиль консультации неизвестен или не принимается по этому маршруту"),
    "CAMI-0085": ("business-rule", "Дневной лимит маршрута исчерпан"),
    "CAMI-0086": ("value", "Заявка на консультацию заполнена неверно"),
    "CAMI-0090": ("exception", "Внутренняя ошибка: сообщите номер запроса в техподдержку"),
    "CAMI-0091": ("structure", "Тело запроса – не JSON"),
    "CAMI-0092": ("too-long", "Пакет больше 20 МБ"),
    "CAMI-0093": ("not-supported", "Такой запрос не поддерживается"),
    "CAMI-0095": ("throttled", "Слишком много запросов: повторите через время из заголовка Retry-After"),
    "CAMI-0094": ("transient", "Сервер занят: повторите позже"),
}  # fmt: skip

Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    code: str
    expression: str = ""
    """Where, as FHIRPath: ``Bundle.entry[0].resource.identifier``."""
    severity: Severity = "error"


class Refusal(Exception):
    """A request that is not carried out; nothing of it is kept."""

    def __init__(self, status: int, *problems: Problem) -> None:
        super().__init__(", ".join(problem.code for problem in problems))
        self.status = status
        self.problems = problems


def refuse(status: int, code: str, expression: str = "") -> Refusal:
    """Return a refusal for one reason."""
    return Refusal(status, Problem(code, expression))


def outcome(problems: Iterable[Problem], request_id: str) -> dict[str, Any]:
    """Return the OperationOutcome of a request."""
    return {"resourceType": "OperationOutcome", "id": request_id, "issue": [_issue(each) for each in problems]}


def _issue(problem: Problem) -> dict[str, Any]:
    kind, words = CODES[problem.code]
    issue: dict[str, Any] = {
        "severity": problem.severity,
        "code": kind,
        "details": {"coding": [{"system": CODE_SYSTEM, "code": problem.code}], "text": words},
    }
    if problem.expression:
        issue["expression"] = [problem.expression]
    return issue


def markdown() -> str:
    """Return the table of codes as ``docs/mis-contract.md`` shows it."""
    rows = [f"| `{code}` | {kind} | {words} |" for code, (kind, words) in CODES.items()]
    return "\n".join(["| код | issue.code | текст |", "|---|---|---|", *rows])
