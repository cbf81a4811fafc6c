"""The modality worklist, and which study belongs to which order."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation='C'), 'postgresql')


def upgrade() -> None:
    op.create_table('accession_stamp',
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('accession', sa.String(length=16), nullable=False, comment='empty: what the device wrote stays'),
    sa.Column('order_number', sa.String(length=64), server_default='', nullable=False),
    sa.Column('decided_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_uid', name=op.f('pk_accession_stamp'))
    )
    op.create_table('match_decision',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('study_id', sa.String(length=64), nullable=False),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('owner', sa.String(length=16), nullable=False),
    sa.Column('action', sa.String(length=16), nullable=False, comment='link, part, apart: linked, parted, belongs to no order'),
    sa.Column('order_number', sa.Integer(), nullable=True),
    sa.Column('cause', sa.String(length=16), nullable=False, comment='accession, study-uid, patient, person'),
    sa.Column('score', sa.Integer(), nullable=False),
    sa.Column('findings', sa.Text(), nullable=False, comment='JSON: codes'),
    sa.Column('reason', sa.Text(), nullable=False, comment='what a person has written'),
    sa.Column('decided_by', sa.String(length=64), nullable=False),
    sa.Column('decided_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_match_decision'))
    )
    op.create_index(op.f('ix_match_decision_order_number'), 'match_decision', ['order_number'], unique=False)
    op.create_index(op.f('ix_match_decision_study_id'), 'match_decision', ['study_id'], unique=False)
    op.create_table('study_match',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False, comment='cami.matching.states'),
    sa.Column('order_number', sa.Integer(), nullable=True, comment='of imaging_order: linked or, if contradictory, claimed'),
    sa.Column('cause', sa.String(length=16), server_default='', nullable=False, comment='what tells so'),
    sa.Column('score', sa.Integer(), server_default='0', nullable=False),
    sa.Column('findings', sa.Text(), nullable=False, comment='JSON: codes of what agrees and what does not'),
    sa.Column('candidates', sa.Text(), nullable=False, comment='JSON: numbers of orders that may be meant'),
    sa.Column('facts', sa.Text(), nullable=False, comment='JSON: what the study says of itself'),
    sa.Column('study_day', _key(8), nullable=False),
    sa.Column('began_at', cami.db.types.UtcDateTime(), nullable=False, comment='when its first image came in at the МО'),
    sa.Column('decided_by', sa.String(length=64), nullable=False, comment='login, or system'),
    sa.Column('judged_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('reported', sa.String(length=16), server_default='', nullable=False, comment='started, completed: told to the order'),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_study_match'))
    )
    op.create_index('ix_study_match_open', 'study_match', ['state', 'reported'], unique=False)
    op.create_index(op.f('ix_study_match_order_number'), 'study_match', ['order_number'], unique=False)
    op.create_index('ix_study_match_owner_state', 'study_match', ['owner', 'state', 'study_day'], unique=False)
    op.create_index(op.f('ix_study_match_study_uid'), 'study_match', ['study_uid'], unique=False)
    op.create_table('worklist_cursor',
    sa.Column('reader', sa.String(length=16), nullable=False),
    sa.Column('epoch', sa.String(length=36), nullable=False),
    sa.Column('place', sa.BigInteger(), nullable=False),
    sa.Column('round', sa.Integer(), nullable=False, comment='grows when the whole feed is read again'),
    sa.Column('whole', sa.Boolean(), nullable=False, comment='the whole feed has been read in this round'),
    sa.Column('read_at', cami.db.types.UtcDateTime(), nullable=True, comment='when the centre last answered'),
    sa.PrimaryKeyConstraint('reader', name=op.f('pk_worklist_cursor'))
    )
    op.create_table('worklist_entry',
    sa.Column('number', _key(64), nullable=False, comment="of the order; of a manual one its own until the centre's"),
    sa.Column('place', sa.BigInteger(), nullable=False, comment='in the feed; 0: not from there yet'),
    sa.Column('round', sa.Integer(), nullable=False, comment='reading of the whole feed that it was last seen in'),
    sa.Column('listed', sa.Boolean(), nullable=False, comment='devices find it'),
    sa.Column('station', _key(17), nullable=False, comment='AE title, or a backslash and a kind of modality'),
    sa.Column('day', _key(8), nullable=False, comment="YYYYMMDD in the region's time; empty: any"),
    sa.Column('clock', _key(6), nullable=False, comment='HHMMSS'),
    sa.Column('accession', _key(16), nullable=False),
    sa.Column('study_uid', _key(128), nullable=False),
    sa.Column('patient_id', _key(64), nullable=False),
    sa.Column('name', _key(400), nullable=False, comment='folded (cami.index.folding)'),
    sa.Column('latin', _key(1000), nullable=False, comment='the same in Latin letters'),
    sa.Column('state', sa.String(length=16), nullable=False, comment='as the centre, or who made it, has said'),
    sa.Column('seen', sa.String(length=16), server_default='', nullable=False, comment='started, completed: by the images here'),
    sa.Column('seen_started_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('seen_ended_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('study_id', sa.String(length=64), nullable=True, comment='Orthanc id of the study that has come for it'),
    sa.Column('linked', _key(1000), server_default='', nullable=False, comment='UIDs of studies that a person has linked'),
    sa.Column('content', sa.Text(), nullable=False, comment='JSON: cami.worklist.entry'),
    sa.Column('manual', sa.Boolean(), nullable=False),
    sa.Column('made_by', sa.String(length=64), server_default='', nullable=False, comment='login, of a manual one'),
    sa.Column('sent_at', cami.db.types.UtcDateTime(), nullable=True, comment='when the centre had a manual one'),
    sa.Column('refused', sa.String(length=64), server_default='', nullable=False, comment='code, if the centre does not take it'),
    sa.Column('noted_at', cami.db.types.UtcDateTime(), nullable=False, comment='when it was first here'),
    sa.Column('changed_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_worklist_entry'))
    )
    op.create_index(op.f('ix_worklist_entry_accession'), 'worklist_entry', ['accession'], unique=False)
    op.create_index(op.f('ix_worklist_entry_changed_at'), 'worklist_entry', ['changed_at'], unique=False)
    op.create_index('ix_worklist_entry_day', 'worklist_entry', ['day', 'clock'], unique=False)
    op.create_index('ix_worklist_entry_latin', 'worklist_entry', ['latin'], unique=False)
    op.create_index('ix_worklist_entry_linked', 'worklist_entry', ['linked'], unique=False)
    op.create_index('ix_worklist_entry_manual', 'worklist_entry', ['manual', 'sent_at'], unique=False)
    op.create_index(op.f('ix_worklist_entry_patient_id'), 'worklist_entry', ['patient_id'], unique=False)
    op.create_index('ix_worklist_entry_station', 'worklist_entry', ['listed', 'station', 'day', 'clock'], unique=False)
    op.create_index(op.f('ix_worklist_entry_study_uid'), 'worklist_entry', ['study_uid'], unique=False)
    op.create_table('worklist_feed',
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО whose proxy is to have it'),
    sa.Column('order_number', sa.String(length=64), nullable=False),
    sa.Column('place', sa.BigInteger(), nullable=False, comment='grows with each change; of one МО'),
    sa.Column('content', sa.Text(), nullable=False, comment='JSON: cami.worklist.entry; empty: it is off the worklist'),
    sa.Column('open', sa.Boolean(), nullable=False, comment='images are still to be made'),
    sa.Column('changed_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('mo', 'order_number', name=op.f('pk_worklist_feed'))
    )
    op.create_index('ix_worklist_feed_open', 'worklist_feed', ['open', 'changed_at'], unique=False)
    op.create_index('ix_worklist_feed_order', 'worklist_feed', ['order_number'], unique=False)
    op.create_index('ix_worklist_feed_place', 'worklist_feed', ['mo', 'place'], unique=True)
    op.create_table('worklist_head',
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False, comment='highest place that was given'),
    sa.Column('forgotten', sa.BigInteger(), nullable=False, comment='up to here removals may have been forgotten'),
    sa.Column('epoch', sa.String(length=36), nullable=False, comment='another one: places were given anew, begin again'),
    sa.Column('taken', sa.BigInteger(), server_default='0', nullable=False, comment='what the proxy has said that it has'),
    sa.Column('taken_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('mo', name=op.f('pk_worklist_head'))
    )
    op.add_column('announced_study', sa.Column('device', sa.String(length=32), server_default='', nullable=False))
    op.add_column('known_study', sa.Column('device', sa.String(length=32), server_default='', nullable=False))


def downgrade() -> None:
    op.drop_column('known_study', 'device')
    op.drop_column('announced_study', 'device')
    op.drop_table('worklist_head')
    op.drop_index('ix_worklist_feed_place', table_name='worklist_feed')
    op.drop_index('ix_worklist_feed_order', table_name='worklist_feed')
    op.drop_index('ix_worklist_feed_open', table_name='worklist_feed')
    op.drop_table('worklist_feed')
    op.drop_index(op.f('ix_worklist_entry_study_uid'), table_name='worklist_entry')
    op.drop_index('ix_worklist_entry_station', table_name='worklist_entry')
    op.drop_index(op.f('ix_worklist_entry_patient_id'), table_name='worklist_entry')
    op.drop_index('ix_worklist_entry_manual', table_name='worklist_entry')
    op.drop_index('ix_worklist_entry_linked', table_name='worklist_entry')
    op.drop_index('ix_worklist_entry_latin', table_name='worklist_entry')
    op.drop_index('ix_worklist_entry_day', table_name='worklist_entry')
    op.drop_index(op.f('ix_worklist_entry_changed_at'), table_name='worklist_entry')
    op.drop_index(op.f('ix_worklist_entry_accession'), table_name='worklist_entry')
    op.drop_table('worklist_entry')
    op.drop_table('worklist_cursor')
    op.drop_index(op.f('ix_study_match_study_uid'), table_name='study_match')
    op.drop_index('ix_study_match_owner_state', table_name='study_match')
    op.drop_index(op.f('ix_study_match_order_number'), table_name='study_match')
    op.drop_index('ix_study_match_open', table_name='study_match')
    op.drop_table('study_match')
    op.drop_index(op.f('ix_match_decision_study_id'), table_name='match_decision')
    op.drop_index(op.f('ix_match_decision_order_number'), table_name='match_decision')
    op.drop_table('match_decision')
    op.drop_table('accession_stamp')
