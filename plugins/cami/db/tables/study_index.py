"""The study index (`cami.index`): what lists, searches and counts at the centre are answered from.

Everything here is made from Orthanc and can be made again; texts are folded for search (`cami.index.folding`). Columns
that are compared by range or ordered have the collation of bytes in PostgreSQL, as SQLite has it anyway: its others
would order, and find, by the language of the database.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint
from sqlalchemy.types import TypeEngine

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime


def _key(length: int) -> TypeEngine[str]:
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _text() -> TypeEngine[str]:
    return Text().with_variant(Text(collation="C"), "postgresql")


#: The different names of the patients of one МО.
indexed_name = Table(
    "indexed_name",
    metadata,
    Column("name_id", Integer, primary_key=True, autoincrement=True),
    Column("owner", _key(16), nullable=False, comment="code of the МО; empty: nobody's"),
    Column("folded", _key(400), nullable=False, comment="in lower case, е for ё, a space after each component"),
    Column("latin", _key(1000), nullable=False, comment="the same in Latin letters (ICAO 9303)"),
    Column("cyrillic", Boolean, nullable=False, comment="the name itself is in Cyrillic letters"),
    UniqueConstraint("owner", "folded"),
    Index("ix_indexed_name_owner_latin", "owner", "latin"),
)

#: Where in an МО's names three letters follow each other: what finds a part of a name (`docs/adr/0014`).
indexed_gram = Table(
    "indexed_gram",
    metadata,
    Column("owner", _key(16), primary_key=True),
    Column("gram", _key(3), primary_key=True, comment="of the Latin letters"),
    Column("name_id", Integer, primary_key=True, autoincrement=False, comment="of indexed_name; goes with it"),
    sqlite_with_rowid=False,
)

#: One row a study of the archive.
indexed_study = Table(
    "indexed_study",
    metadata,
    Column("study_id", _key(64), primary_key=True, comment="Orthanc id"),
    Column("owner", _key(16), nullable=False, comment="code of the МО, as in study.owner; empty: nobody's"),
    Column("study_uid", _key(128), nullable=False),
    Column("patient_key", _key(64), nullable=False, comment="Orthanc id of the patient: SHA-1 of PatientID"),
    Column("patient_id", _key(200), nullable=False),
    Column("name_id", Integer, ForeignKey("indexed_name.name_id"), nullable=False),
    Column("birth_date", _key(64), nullable=False),
    Column("sex", _key(16), nullable=False),
    Column("study_date", _key(64), nullable=False),
    Column("study_time", _key(64), nullable=False),
    Column("accession", _key(200), nullable=False),
    Column("study_number", _key(200), nullable=False, comment="Study ID (0020,0010)"),
    Column("description", _text(), nullable=False),
    Column("institution", _text(), nullable=False),
    Column("referrer", _text(), nullable=False, comment="Referring Physician's Name, folded as a name"),
    Column("modalities", String(1000), nullable=False, comment=r"as \CT\SR\, with a backslash at both ends"),
    Column("series", Integer, nullable=False, comment="number of series"),
    Column("instances", Integer, nullable=False, comment="number of instances"),
    Column("last_update", String(32), nullable=False, comment="as Orthanc writes it"),
    Column("tags", Text, nullable=False, comment="JSON: what the core answered for the tags that searches ask for"),
    Column("read_at", UtcDateTime, nullable=False, comment="when Orthanc was asked"),
    Index("ix_indexed_study_newest", "owner", "study_date", "study_time", "study_id"),
    Index("ix_indexed_study_patient", "owner", "patient_id", "study_date", "study_time", "study_id"),
    Index("ix_indexed_study_name", "name_id", "study_date", "study_time", "study_id"),
    Index("ix_indexed_study_accession", "owner", "accession"),
    Index("ix_indexed_study_patient_key", "owner", "patient_key"),
    Index("ix_indexed_study_uid", "owner", "study_uid"),
)

#: One row a series of a study in the index.
indexed_series = Table(
    "indexed_series",
    metadata,
    Column("series_id", _key(64), primary_key=True, comment="Orthanc id"),
    Column("study_id", _key(64), ForeignKey("indexed_study.study_id", ondelete="CASCADE"), nullable=False),
    Column("series_uid", _key(128), nullable=False, index=True),
    Column("modality", _key(64), nullable=False),
    Column("number", _key(64), nullable=False, comment="Series Number, as written"),
    Column("description", _text(), nullable=False),
    Column("body_part", _key(200), nullable=False),
    Column("instances", Integer, nullable=False, comment="number of instances"),
    Column("last_update", String(32), nullable=False, comment="as Orthanc writes it"),
    Column("tags", Text, nullable=False, comment="JSON: what the core answered for the tags that searches ask for"),
    Index("ix_indexed_series_study", "study_id", "series_id"),
)
