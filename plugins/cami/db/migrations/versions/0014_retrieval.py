"""What is brought to where somebody needs it."""

import sqlalchemy as sa
from alembic import op


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('announced_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО whose proxy says so'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('patient_name', sa.Text(), server_default='', nullable=False),
    sa.Column('patient_id', sa.Text(), server_default='', nullable=False),
    sa.Column('accession', sa.Text(), server_default='', nullable=False),
    sa.Column('modalities', sa.Text(), server_default='', nullable=False),
    sa.Column('description', sa.Text(), server_default='', nullable=False),
    sa.Column('patient_birth_date', sa.String(length=32), server_default='', nullable=False),
    sa.Column('patient_sex', sa.String(length=32), server_default='', nullable=False),
    sa.Column('study_date', sa.String(length=32), server_default='', nullable=False),
    sa.Column('study_time', sa.String(length=32), server_default='', nullable=False),
    sa.Column('instances', sa.Integer(), nullable=False, comment='at the proxy so far'),
    sa.Column('size', sa.BigInteger(), nullable=False, comment='bytes of these'),
    sa.Column('first_received_at', sa.DateTime(), nullable=False, comment="by the proxy's clock"),
    sa.Column('announced_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', 'owner', name=op.f('pk_announced_study'))
    )
    op.create_index('ix_announced_study_owner_study_date', 'announced_study', ['owner', 'study_date'], unique=False)
    op.create_index(op.f('ix_announced_study_study_uid'), 'announced_study', ['study_uid'], unique=False)
    op.create_table('fetch',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('priority', sa.Integer(), nullable=False, comment='cami.delivery.order.Priority'),
    sa.Column('cause', sa.String(length=32), nullable=False, comment='asked, viewer, arrival, schedule'),
    sa.Column('asked_by', sa.String(length=64), nullable=False, comment='login, or the part of the system'),
    sa.Column('asked_at', sa.DateTime(), nullable=False),
    sa.Column('total', sa.Integer(), nullable=True, comment='instances of the study at the centre; empty until it has told'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False, comment='in a row that came to nothing'),
    sa.Column('not_before', sa.DateTime(), nullable=True, comment='when to try again'),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='empty while it is under way'),
    sa.Column('reason', sa.String(length=64), nullable=True, comment='why it ended without the study being here'),
    sa.Column('keep_until', sa.DateTime(), nullable=False, comment='until then retention leaves the study alone'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_fetch'))
    )
    op.create_index('ix_fetch_ended_at', 'fetch', ['ended_at', 'priority'], unique=False)
    op.create_index('ix_fetch_study_id', 'fetch', ['study_id', 'ended_at'], unique=False)
    op.create_table('kept_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('until', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_kept_study'))
    )
    op.create_index(op.f('ix_kept_study_until'), 'kept_study', ['until'], unique=False)
    op.create_table('known_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('patient', sa.String(length=64), nullable=False, comment='Orthanc id: SHA-1 of the Patient ID'),
    sa.Column('issuer', sa.Text(), server_default='', nullable=False, comment='Issuer of Patient ID (0010,0021)'),
    sa.Column('body_parts', sa.Text(), server_default='', nullable=False, comment='Body Part Examined, by backslashes'),
    sa.Column('patient_name', sa.Text(), server_default='', nullable=False),
    sa.Column('patient_id', sa.Text(), server_default='', nullable=False),
    sa.Column('accession', sa.Text(), server_default='', nullable=False),
    sa.Column('modalities', sa.Text(), server_default='', nullable=False),
    sa.Column('description', sa.Text(), server_default='', nullable=False),
    sa.Column('patient_birth_date', sa.String(length=32), server_default='', nullable=False),
    sa.Column('patient_sex', sa.String(length=32), server_default='', nullable=False),
    sa.Column('study_date', sa.String(length=32), server_default='', nullable=False),
    sa.Column('study_time', sa.String(length=32), server_default='', nullable=False),
    sa.Column('seen_at', sa.DateTime(), nullable=False, comment='when its first image was noticed'),
    sa.Column('announced', sa.Integer(), nullable=True, comment='instances that the centre was told of; empty: not told yet'),
    sa.Column('announced_at', sa.DateTime(), nullable=True),
    sa.Column('told_all_at', sa.DateTime(), nullable=True, comment='no more to tell until something new comes in'),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_known_study'))
    )
    op.create_index(op.f('ix_known_study_patient'), 'known_study', ['patient'], unique=False)
    op.create_index('ix_known_study_study_date', 'known_study', ['study_date'], unique=False)
    op.create_index(op.f('ix_known_study_study_uid'), 'known_study', ['study_uid'], unique=False)
    op.create_index(op.f('ix_known_study_told_all_at'), 'known_study', ['told_all_at'], unique=False)
    op.create_table('raised_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('before', sa.Integer(), nullable=False, comment='cami.delivery.order.Priority'),
    sa.Column('raised_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_raised_study'))
    )
    op.create_table('schedule',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('patient', sa.String(length=64), nullable=False, comment='Orthanc id: SHA-1 of the Patient ID'),
    sa.Column('issuer', sa.Text(), server_default='', nullable=False, comment='Issuer of Patient ID (0010,0021)'),
    sa.Column('study_id', sa.String(length=64), server_default='', nullable=False, comment='Orthanc id of the study that came in'),
    sa.Column('modality', sa.String(length=16), server_default='', nullable=False, comment='of the study to come'),
    sa.Column('body_part', sa.String(length=64), server_default='', nullable=False),
    sa.Column('cause', sa.String(length=32), nullable=False, comment='schedule, arrival'),
    sa.Column('asked_by', sa.String(length=64), nullable=False, comment='login, or the part of the system'),
    sa.Column('asked_at', sa.DateTime(), nullable=False),
    sa.Column('due_at', sa.DateTime(), nullable=False, comment='when to look'),
    sa.Column('keep_until', sa.DateTime(), nullable=False, comment='the end of the visit'),
    sa.Column('done_at', sa.DateTime(), nullable=True, comment='when the centre was asked'),
    sa.Column('found', sa.Integer(), nullable=True, comment='studies that are fetched'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_schedule'))
    )
    op.create_index('ix_schedule_due', 'schedule', ['done_at', 'due_at'], unique=False)
    op.create_index('ix_schedule_patient', 'schedule', ['patient', 'done_at'], unique=False)
    op.create_table('awaited_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('cause', sa.String(length=32), nullable=False, comment='cami.retrieval.awaiting.Cause'),
    sa.Column('waiting', sa.String(length=64), nullable=False, comment="login, or the consultation's number"),
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО that has it'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('errand', sa.Integer(), nullable=True, comment='what was asked of the proxy'),
    sa.Column('began_at', sa.DateTime(), nullable=False),
    sa.Column('until', sa.DateTime(), nullable=True, comment='when it ends by itself; empty: when the study is whole'),
    sa.ForeignKeyConstraint(['errand'], ['errand.id'], name=op.f('fk_awaited_study_errand_errand'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('study_id', 'cause', 'waiting', name=op.f('pk_awaited_study'))
    )
    op.create_index(op.f('ix_awaited_study_until'), 'awaited_study', ['until'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_awaited_study_until'), table_name='awaited_study')
    op.drop_table('awaited_study')
    op.drop_index('ix_schedule_patient', table_name='schedule')
    op.drop_index('ix_schedule_due', table_name='schedule')
    op.drop_table('schedule')
    op.drop_table('raised_study')
    op.drop_index(op.f('ix_known_study_told_all_at'), table_name='known_study')
    op.drop_index(op.f('ix_known_study_study_uid'), table_name='known_study')
    op.drop_index('ix_known_study_study_date', table_name='known_study')
    op.drop_index(op.f('ix_known_study_patient'), table_name='known_study')
    op.drop_table('known_study')
    op.drop_index(op.f('ix_kept_study_until'), table_name='kept_study')
    op.drop_table('kept_study')
    op.drop_index('ix_fetch_study_id', table_name='fetch')
    op.drop_index('ix_fetch_ended_at', table_name='fetch')
    op.drop_table('fetch')
    op.drop_index(op.f('ix_announced_study_study_uid'), table_name='announced_study')
    op.drop_index('ix_announced_study_owner_study_date', table_name='announced_study')
    op.drop_table('announced_study')
