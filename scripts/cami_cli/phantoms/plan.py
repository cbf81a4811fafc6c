"""Which studies the phantoms are: two МО, every modality, every common encoding of pixels, text right and wrong."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from cami_cli.phantoms import ct, dx, mg, mr, people, us
from cami_cli.phantoms.pixels import available
from cami_cli.phantoms.study import CYRILLIC, MISDECLARED, UNDECLARED, UTF8, Device, Study, TextEncoding

#: The default seed: two runs of the demonstration store the same objects.
SEED = 20261122

MODALITIES = ("CT", "MR", "DX", "MG", "US")

_INSTITUTIONS = {"42001": "Учебная городская больница № 1", "42002": "Учебная районная больница"}


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A study to be written."""

    mo: str
    study: Study
    syntax: UID
    small: bool

    @property
    def folder(self) -> str:
        """Return where it is written, below the output folder."""
        return f"{self.mo}/{self.study.modality}-{self.study.accession}"

    def draw(self) -> Iterator[Dataset]:
        """Return the instances, drawn one by one: of real sizes, or a few small ones."""
        first, small, study, syntax = self.mo == "42001", self.small, self.study, self.syntax
        if study.modality == "CT":
            scanner = ct.Scanner(signed=first, slices=6 if small else 240, size=96 if small else 512)
            return ct.instances(study, scanner, syntax)
        if study.modality == "MR":
            return mr.instances(study, 3 if small else 40, 64 if small else 256, syntax)
        if study.modality == "DX":
            rows, columns = (140, 152) if small else (2800, 3000)
            return dx.instances(study, dx.Detector(rows, columns, 14 if first else 12, inverted=first), syntax)
        if study.modality == "MG":
            rows, columns = (208, 160) if small else (3328, 2560)
            return mg.instances(study, rows, columns, syntax)
        size = (480, 640) if first else (384, 512)
        return us.instances(study, 4 if small else 36, (96, 128) if small else size, syntax)


@dataclass(frozen=True, slots=True)
class _Row:
    mo: str
    person: people.Person
    modality: str
    description: str
    text: TextEncoding
    day: str
    syntax: UID


_ROWS = (
    _Row("42001", people.IVANOV, "CT", "КТ органов грудной клетки", CYRILLIC, "20261116", ExplicitVRLittleEndian),
    _Row("42001", people.SHARED, "DX", "Рентгенография ОГК", UTF8, "20261117", ExplicitVRLittleEndian),
    _Row("42001", people.SEMYONOVA, "MG", "Маммография, скрининг", UTF8, "20261118", JPEGLSLossless),
    _Row("42001", people.KUZNETSOV, "US", "Эхокардиография", MISDECLARED, "20261119", JPEGBaseline8Bit),
    _Row("42002", people.SHARED, "CT", "КТ органов грудной клетки", CYRILLIC, "20261118", JPEGLSLossless),
    _Row("42002", people.SHCHERBAKOVA, "MR", "МРТ головного мозга", UTF8, "20261116", ExplicitVRLittleEndian),
    _Row("42002", people.TITOV, "DX", "Рентгенография ОГК", UNDECLARED, "20261119", JPEG2000Lossless),
    _Row("42002", people.MOROZOVA, "US", "Эхокардиография", UTF8, "20261120", RLELossless),
)


def plan(*, seed: int = SEED, small: bool = False, only: Collection[str] = ()) -> list[PlannedStudy]:
    """Return the studies: all, or those of the modalities in `only`; `small` ones are for tests.

    Raises
    ------
    ValueError
        `only` names a modality that there is no phantom of.
    """
    unknown = sorted(set(only) - set(MODALITIES))
    if unknown:
        raise ValueError(f"no phantom of {', '.join(unknown)}: there are {', '.join(MODALITIES)}")
    wanted = [(number, row) for number, row in enumerate(_ROWS, start=1) if not only or row.modality in only]
    return [_planned(row, number, seed, small=small) for number, row in wanted]


def _planned(row: _Row, number: int, seed: int, *, small: bool) -> PlannedStudy:
    device = Device(
        institution=_INSTITUTIONS[row.mo],
        model=f"{row.modality} PHANTOM",
        station=f"{row.modality}{row.mo}",
        serial=f"{row.mo}-{number:03d}",
    )
    study = Study(
        # Each study has its own anatomy and noise; a small one is another study than the full one.
        seed=seed * 1000 + number * 2 + small,
        key=f"{row.mo}/{number}",
        person=row.person,
        device=device,
        modality=row.modality,
        description=row.description,
        text=row.text,
        date=row.day,
        time=f"{8 + number:02d}{number * 7 % 60:02d}00",
        accession=f"K{row.day[2:]}{number:07d}",
    )
    return PlannedStudy(row.mo, study, available(row.syntax), small)
