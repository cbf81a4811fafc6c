"""The study index: one row a study and a series at the centre, and the names of patients for search."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation='C'), 'postgresql')


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation='C'), 'postgresql')


def upgrade() -> None:

    op.create_table('indexed_gram',
    sa.Column('owner', _key(16), nullable=False),
    sa.Column('gram', _key(3), nullable=False, comment='of the Latin letters'),
    sa.Column('name_id', sa.Integer(), autoincrement=False, nullable=False, comment='of indexed_name; goes with it'),
    sa.PrimaryKeyConstraint('owner', 'gram', 'name_id', name=op.f('pk_indexed_gram')),
    sqlite_with_rowid=False
    )
    op.create_table('indexed_name',
    sa.Column('name_id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('owner', _key(16), nullable=False, comment="code of the МО; empty: nobody's"),
    sa.Column('folded', _key(400), nullable=False, comment='in lower case, е for ё, a space after each component'),
    sa.Column('latin', _key(1000), nullable=False, comment='the same in Latin letters (ICAO 9303)'),
    sa.Column('cyrillic', sa.Boolean(), nullable=False, comment='the name itself is in Cyrillic letters'),
    sa.PrimaryKeyConstraint('name_id', name=op.f('pk_indexed_name')),
    sa.UniqueConstraint('owner', 'folded', name=op.f('uq_indexed_name_owner_folded'))
    )
    op.create_index('ix_indexed_name_owner_latin', 'indexed_name', ['owner', 'latin'], unique=False)
    op.create_table('indexed_study',
    sa.Column('study_id', _key(64), nullable=False, comment='Orthanc id'),
    sa.Column('owner', _key(16), nullable=False, comment="code of the МО, as in study.owner; empty: nobody's"),
    sa.Column('study_uid', _key(128), nullable=False),
    sa.Column('patient_key', _key(64), nullable=False, comment='Orthanc id of the patient: SHA-1 of PatientID'),
    sa.Column('patient_id', _key(200), nullable=False),
    sa.Column('name_id', sa.Integer(), nullable=False),
    sa.Column('birth_date', _key(64), nullable=False),
    sa.Column('sex', _key(16), nullable=False),
    sa.Column('study_date', _key(64), nullable=False),
    sa.Column('study_time', _key(64), nullable=False),
    sa.Column('accession', _key(200), nullable=False),
    sa.Column('study_number', _key(200), nullable=False, comment='Study ID (0020,0010)'),
    sa.Column('description', _text(), nullable=False),
    sa.Column('institution', _text(), nullable=False),
    sa.Column('referrer', _text(), nullable=False, comment="Referring Physician's Name, folded as a name"),
    sa.Column('modalities', sa.String(length=1000), nullable=False, comment='as \\CT\\SR\\, with a backslash at both ends'),
    sa.Column('series', sa.Integer(), nullable=False, comment='number of series'),
    sa.Column('instances', sa.Integer(), nullable=False, comment='number of instances'),
    sa.Column('last_update', sa.String(length=32), nullable=False, comment='as Orthanc writes it'),
    sa.Column('tags', sa.Text(), nullable=False, comment='JSON: what the core answered for the tags that searches ask for'),
    sa.Column('read_at', cami.db.types.UtcDateTime(), nullable=False, comment='when Orthanc was asked'),
    sa.ForeignKeyConstraint(['name_id'], ['indexed_name.name_id'], name=op.f('fk_indexed_study_name_id_indexed_name')),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_indexed_study'))
    )
    op.create_index('ix_indexed_study_accession', 'indexed_study', ['owner', 'accession'], unique=False)
    op.create_index('ix_indexed_study_name', 'indexed_study', ['name_id', 'study_date', 'study_time', 'study_id'], unique=False)
    op.create_index('ix_indexed_study_newest', 'indexed_study', ['owner', 'study_date', 'study_time', 'study_id'], unique=False)
    op.create_index('ix_indexed_study_patient', 'indexed_study', ['owner', 'patient_id', 'study_date', 'study_time', 'study_id'], unique=False)
    op.create_index('ix_indexed_study_patient_key', 'indexed_study', ['owner', 'patient_key'], unique=False)
    op.create_index('ix_indexed_study_uid', 'indexed_study', ['owner', 'study_uid'], unique=False)
    op.create_table('indexed_series',
    sa.Column('series_id', _key(64), nullable=False, comment='Orthanc id'),
    sa.Column('study_id', _key(64), nullable=False),
    sa.Column('series_uid', _key(128), nullable=False),
    sa.Column('modality', _key(64), nullable=False),
    sa.Column('number', _key(64), nullable=False, comment='Series Number, as written'),
    sa.Column('description', _text(), nullable=False),
    sa.Column('body_part', _key(200), nullable=False),
    sa.Column('instances', sa.Integer(), nullable=False, comment='number of instances'),
    sa.Column('last_update', sa.String(length=32), nullable=False, comment='as Orthanc writes it'),
    sa.Column('tags', sa.Text(), nullable=False, comment='JSON: what the core answered for the tags that searches ask for'),
    sa.ForeignKeyConstraint(['study_id'], ['indexed_study.study_id'], name=op.f('fk_indexed_series_study_id_indexed_study'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('series_id', name=op.f('pk_indexed_series'))
    )
    op.create_index(op.f('ix_indexed_series_series_uid'), 'indexed_series', ['series_uid'], unique=False)
    op.create_index('ix_indexed_series_study', 'indexed_series', ['study_id', 'series_id'], unique=False)


def downgrade() -> None:

    op.drop_table('indexed_series')
    op.drop_table('indexed_study')
    op.drop_table('indexed_name')
    op.drop_table('indexed_gram')
