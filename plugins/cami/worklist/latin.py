"""Cyrillic in Latin letters, for consoles that know no others.

By the rules of Russian passports (ICAO Doc 9303, order 995 of the Ministry of the Interior), in capitals, as МИС write
worklists (reference: ПромедВеб's WorkListTrans). What else is no ASCII becomes a question mark.
"""

_CAPITALS = {
    "А": "A", "Б": "B", "В": "V", "Г": "G", "Д": "D", "Е": "E", "Ё": "E", "Ж": "ZH", "З": "Z", "И": "I", "Й": "I",
    "К": "K", "Л": "L", "М": "M", "Н": "N", "О": "O", "П": "P", "Р": "R", "С": "S", "Т": "T", "У": "U", "Ф": "F",
    "Х": "KH", "Ц": "TS", "Ч": "CH", "Ш": "SH", "Щ": "SHCH", "Ъ": "IE", "Ы": "Y", "Ь": "", "Э": "E", "Ю": "IU",
    "Я": "IA", "№": "N", "«": '"', "»": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " ",
}  # fmt: skip
_LETTERS = str.maketrans(_CAPITALS)


def in_latin(text: str) -> str:
    """Write a text in capital Latin letters; one without Cyrillic stays as it is."""
    if text.isascii():
        return text
    return text.upper().translate(_LETTERS).encode("ascii", "replace").decode("ascii")
