"""A report of statistics on paper: PDF/A-1b (ISO 19005-1), lying A4, with the letters that it needs inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpdf import FPDF

_FAMILY = "DejaVu"
_MARGIN, _FIRST, _LINE = 12.0, 52.0, 5.0
_BAR = 90.0


@dataclass(frozen=True, slots=True)
class Bars:
    """A list with bars: name, length, and what stands at its end."""

    title: str
    rows: Sequence[tuple[str, float, str]]


@dataclass(frozen=True, slots=True)
class ReportSheet:
    """What is printed; every text is in the reader's language already."""

    title: str
    about: Sequence[str]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The last is the total."""
    bars: Sequence[Bars]
    at: datetime
    language: str = "ru"


def render(sheet: ReportSheet) -> bytes:
    """Return the PDF."""
    # Importing fpdf2 takes a second that no start of a server should pay.
    from fpdf import FPDF  # noqa: PLC0415
    from fpdf.enums import DocumentCompliance  # noqa: PLC0415

    pdf = FPDF(orientation="L", enforce_compliance=DocumentCompliance.PDFA_1B)
    folder = files("cami.consultations").joinpath("fonts")
    pdf.add_font(_FAMILY, "", str(folder.joinpath("DejaVuSans.ttf")))
    pdf.add_font(_FAMILY, "B", str(folder.joinpath("DejaVuSans-Bold.ttf")))
    pdf.set_lang(sheet.language)
    pdf.set_title(sheet.title)
    pdf.set_creation_date(sheet.at)
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(auto=True, margin=_MARGIN)
    pdf.add_page()
    _text(pdf, sheet.title, 14, bold=True)
    for line in sheet.about:
        _text(pdf, line, 9)
    pdf.ln(3)
    _table(pdf, sheet)
    for bars in sheet.bars:
        pdf.ln(4)
        _bars(pdf, bars)
    return bytes(pdf.output())


def _table(pdf: "FPDF", sheet: ReportSheet) -> None:
    pdf.set_font(_FAMILY, "", 7)
    widths = [3.2, *[1.0] * (len(sheet.head) - 1)]
    with pdf.table(
        col_widths=widths, line_height=4.2, text_align=["LEFT", *["RIGHT"] * (len(sheet.head) - 1)], padding=0.8
    ) as table:
        for line in (sheet.head, *sheet.rows):
            row = table.row()
            for cell in line:
                row.cell(cell)


def _bars(pdf: "FPDF", bars: Bars) -> None:
    _text(pdf, bars.title, 11, bold=True)
    most = max((length for _name, length, _words in bars.rows), default=0.0) or 1.0
    pdf.set_font(_FAMILY, "", 8)
    pdf.set_fill_color(11, 92, 138)
    for name, length, words in bars.rows:
        if pdf.get_y() + _LINE > pdf.h - _MARGIN:
            pdf.add_page()
        top = pdf.get_y()
        pdf.cell(_FIRST, _LINE, name[:40])
        pdf.rect(_MARGIN + _FIRST, top + 1, max(_BAR * length / most, 0.2), _LINE - 2, style="F")
        pdf.set_xy(_MARGIN + _FIRST + _BAR + 2, top)
        pdf.cell(0, _LINE, words, new_x="LMARGIN", new_y="NEXT")


def _text(pdf: "FPDF", text: str, size: int, *, bold: bool = False) -> None:
    pdf.set_font(_FAMILY, "B" if bold else "", size)
    pdf.multi_cell(0, size * 0.52, text, align="L", new_x="LMARGIN", new_y="NEXT")
