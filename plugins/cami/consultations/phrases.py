"""Templates of answers by modality and region of the body (F-32): what is described, in which order."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """The beginning of an answer."""

    name: str
    modalities: frozenset[str]
    title: str
    findings: str


TEMPLATES: tuple[Template, ...] = (
    Template(
        "ct-head",
        frozenset({"CT"}),
        "КТ головного мозга",
        "Техника: нативное исследование, толщина среза … мм.\n"
        "Вещество мозга: …\nСрединные структуры: …\nЖелудочковая система: …\nБазальные цистерны, борозды: …\n"
        "Внемозговые скопления: …\nКости свода и основания черепа: …\nПридаточные пазухи, сосцевидные отростки: …",
    ),
    Template(
        "ct-chest",
        frozenset({"CT"}),
        "КТ органов грудной клетки",
        "Техника: …, контраст: …\nЛёгочная ткань: …\nТрахея и бронхи: …\nПлевральные полости: …\n"
        "Лимфатические узлы средостения: …\nСердце, крупные сосуды: …\nКости и мягкие ткани: …",
    ),
    Template(
        "ct-abdomen",
        frozenset({"CT"}),
        "КТ органов брюшной полости",
        "Техника: …, контраст: …\nПечень: …\nЖелчный пузырь, протоки: …\nПоджелудочная железа: …\nСелезёнка: …\n"
        "Почки, надпочечники: …\nЖелудок и кишечник: …\nСвободная жидкость, газ: …\nСосуды, лимфатические узлы: …",
    ),
    Template(
        "mr-head",
        frozenset({"MR"}),
        "МРТ головного мозга",
        "Протокол: T1, T2, FLAIR, DWI, …; контраст: …\nВещество мозга: …\nОграничение диффузии: …\n"
        "Срединные структуры: …\nЖелудочковая система: …\nГипофиз, хиазма: …\nПридаточные пазухи: …",
    ),
    Template(
        "mr-spine",
        frozenset({"MR"}),
        "МРТ позвоночника",
        "Отдел: …\nСтатика: …\nТела позвонков: …\nДиски: …\nПозвоночный канал, дуральный мешок: …\n"
        "Спинной мозг, корешки: …\nПаравертебральные ткани: …",
    ),
    Template(
        "dx-chest",
        frozenset({"DX", "CR", "RF"}),
        "Рентгенография органов грудной клетки",
        "Проекция: …\nЛёгочные поля: …\nЛёгочный рисунок: …\nКорни: …\nСинусы, диафрагма: …\nСредостение, сердце: …\n"
        "Кости: …",
    ),
    Template(
        "mg",
        frozenset({"MG"}),
        "Маммография",
        "Плотность (ACR): …\nПравая молочная железа: …\nЛевая молочная железа: …\nКальцинаты: …\n"
        "Кожа, сосок: …\nЛимфатические узлы: …\nBI-RADS: справа …, слева …",
    ),
    Template(
        "us",
        frozenset({"US"}),
        "УЗИ",
        "Область: …\nДоступ, качество визуализации: …\nРазмеры: …\nЭхоструктура: …\nКровоток: …\nСвободная жидкость: …",
    ),
)


def fitting(modalities: Collection[str]) -> list[Template]:
    """Return the templates for some modalities; all of them if none fits."""
    found = [template for template in TEMPLATES if template.modalities & set(modalities)]
    return found or list(TEMPLATES)


def named(name: str) -> Template | None:
    """Return a template by its name."""
    return next((template for template in TEMPLATES if template.name == name), None)
