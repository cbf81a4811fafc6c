"""Events, the patient index, orders."""

import sqlalchemy as sa
from alembic import op


revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('event',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False, comment='order.accepted, study.available …: see cami.events'),
    sa.Column('key', sa.String(length=128), nullable=False, comment='patient key or Study UID: events of one key stay in order'),
    sa.Column('payload', sa.Text(), nullable=False, comment='JSON: ids, codes, states; names no patient'),
    sa.Column('happened_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_event')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.create_index('ix_event_kind', ['kind', 'number'], unique=False)

    op.create_table('event_cursor',
    sa.Column('consumer', sa.String(length=64), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False, comment='of the last event that was dealt with'),
    sa.Column('moved_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('consumer', name=op.f('pk_event_cursor'))
    )
    op.create_table('patient',
    sa.Column('key', sa.String(length=36), nullable=False, comment='random; the id that others see, never a name'),
    sa.Column('family', sa.String(length=200), nullable=False),
    sa.Column('given', sa.String(length=200), server_default='', nullable=False),
    sa.Column('middle', sa.String(length=200), server_default='', nullable=False, comment='отчество'),
    sa.Column('birth_date', sa.String(length=10), server_default='', nullable=False, comment='YYYY-MM-DD, or its beginning'),
    sa.Column('sex', sa.String(length=1), server_default='', nullable=False, comment="M, F, O or empty, as Patient's Sex"),
    sa.Column('version', sa.Integer(), nullable=False, comment='grows with each change'),
    sa.Column('merged_into', sa.String(length=36), nullable=True, comment='empty: stands for itself'),
    sa.Column('source', sa.String(length=64), nullable=False, comment='who told of it last: mis:<client>, proxy-<mo>, a login'),
    sa.Column('created_at', sa.DateTime(), nullable=False),
    sa.Column('changed_at', sa.DateTime(), nullable=False),
    sa.ForeignKeyConstraint(['merged_into'], ['patient.key'], name=op.f('fk_patient_merged_into_patient')),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_patient'))
    )
    with op.batch_alter_table('patient', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_patient_changed_at'), ['changed_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_patient_merged_into'), ['merged_into'], unique=False)

    op.create_table('imaging_order',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('placer_system', sa.String(length=200), nullable=False, comment='URI of whose number it is'),
    sa.Column('placer_number', sa.String(length=64), nullable=False, comment='№ направления'),
    sa.Column('accession', sa.String(length=16), nullable=False, comment='Accession Number (0008,0050), ASCII'),
    sa.Column('study_uid', sa.String(length=64), nullable=False, comment='Study Instance UID, issued beforehand'),
    sa.Column('patient', sa.String(length=36), nullable=False, comment='as ordered; see merges'),
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО that is to make the images'),
    sa.Column('requesting_mo', sa.String(length=16), server_default='', nullable=False, comment='code, if the registry knows it'),
    sa.Column('requesting_oid', sa.String(length=64), server_default='', nullable=False, comment='ОИД of the МО that sends'),
    sa.Column('device_aet', sa.String(length=16), server_default='', nullable=False, comment='empty: any of that modality'),
    sa.Column('modality', sa.String(length=16), nullable=False),
    sa.Column('procedure_system', sa.String(length=64), server_default='', nullable=False, comment='НМУ or ФСИДИ: ОИД as URI'),
    sa.Column('procedure_code', sa.String(length=64), server_default='', nullable=False),
    sa.Column('procedure_text', sa.String(length=400), nullable=False),
    sa.Column('body_part', sa.String(length=200), server_default='', nullable=False),
    sa.Column('priority', sa.String(length=16), nullable=False, comment='stat, urgent, routine'),
    sa.Column('scheduled_at', sa.DateTime(), nullable=True, comment='empty: today, whenever the patient comes'),
    sa.Column('scheduled_until', sa.DateTime(), nullable=True),
    sa.Column('due_at', sa.DateTime(), nullable=True, comment='by when an answer is wanted'),
    sa.Column('authored_at', sa.DateTime(), nullable=True, comment='when the doctor wrote it'),
    sa.Column('requester', sa.String(length=200), server_default='', nullable=False, comment='ФИО of the doctor who sends'),
    sa.Column('requester_snils', sa.String(length=16), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False, comment='цель исследования'),
    sa.Column('diagnosis_code', sa.String(length=16), server_default='', nullable=False, comment='МКБ-10'),
    sa.Column('diagnosis_text', sa.String(length=400), server_default='', nullable=False),
    sa.Column('note', sa.Text(), server_default='', nullable=False, comment='allergies, weight, creatinine …'),
    sa.Column('encounter', sa.String(length=64), server_default='', nullable=False, comment='case or case history in the MIS'),
    sa.Column('payment', sa.String(length=64), server_default='', nullable=False, comment='code of НСИ 1039'),
    sa.Column('state', sa.String(length=16), nullable=False, comment='cami.orders.states'),
    sa.Column('state_reason', sa.String(length=64), server_default='', nullable=False, comment='code why it was cancelled'),
    sa.Column('state_text', sa.String(length=400), server_default='', nullable=False, comment='the same in words'),
    sa.Column('replaced_by', sa.Integer(), nullable=True, comment="the MIS's order for the same visit"),
    sa.Column('version', sa.Integer(), nullable=False, comment='grows with each change: If-Match'),
    sa.Column('changed_after_start', sa.Boolean(), server_default='0', nullable=False, comment='show «Изменено»'),
    sa.Column('source', sa.String(length=64), nullable=False, comment='mis:<client>, or manual:<who> for one without the MIS'),
    sa.Column('created_at', sa.DateTime(), nullable=False),
    sa.Column('changed_at', sa.DateTime(), nullable=False),
    sa.Column('started_at', sa.DateTime(), nullable=True, comment='MPPS or the first image'),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='completed, cancelled, annulled or replaced'),
    sa.ForeignKeyConstraint(['patient'], ['patient.key'], name=op.f('fk_imaging_order_patient_patient')),
    sa.ForeignKeyConstraint(['replaced_by'], ['imaging_order.number'], name=op.f('fk_imaging_order_replaced_by_imaging_order')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_imaging_order')),
    sa.UniqueConstraint('accession', name=op.f('uq_imaging_order_accession')),
    sa.UniqueConstraint('placer_system', 'placer_number', name=op.f('uq_imaging_order_placer_system_placer_number')),
    sa.UniqueConstraint('study_uid', name=op.f('uq_imaging_order_study_uid'))
    )
    with op.batch_alter_table('imaging_order', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_imaging_order_changed_at'), ['changed_at'], unique=False)
        batch_op.create_index('ix_imaging_order_mo_state', ['mo', 'state', 'number'], unique=False)
        batch_op.create_index(batch_op.f('ix_imaging_order_patient'), ['patient'], unique=False)

    op.create_table('patient_identifier',
    sa.Column('system', sa.String(length=200), nullable=False, comment='URI; see cami.orders.identifiers'),
    sa.Column('value', sa.String(length=64), nullable=False),
    sa.Column('patient', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False, comment='mis, snils, enp, local, other'),
    sa.Column('claim', sa.String(length=300), nullable=True, comment='system|value of a number that one patient alone may have'),
    sa.ForeignKeyConstraint(['patient'], ['patient.key'], name=op.f('fk_patient_identifier_patient_patient')),
    sa.PrimaryKeyConstraint('system', 'value', 'patient', name=op.f('pk_patient_identifier')),
    sa.UniqueConstraint('claim', name=op.f('uq_patient_identifier_claim'))
    )
    with op.batch_alter_table('patient_identifier', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_patient_identifier_patient'), ['patient'], unique=False)

    op.create_table('patient_merge',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('source', sa.String(length=36), nullable=False),
    sa.Column('target', sa.String(length=36), nullable=False),
    sa.Column('merged_by', sa.String(length=64), nullable=False),
    sa.Column('merged_at', sa.DateTime(), nullable=False),
    sa.Column('undone_by', sa.String(length=64), nullable=True),
    sa.Column('undone_at', sa.DateTime(), nullable=True),
    sa.ForeignKeyConstraint(['source'], ['patient.key'], name=op.f('fk_patient_merge_source_patient')),
    sa.ForeignKeyConstraint(['target'], ['patient.key'], name=op.f('fk_patient_merge_target_patient')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_patient_merge'))
    )
    with op.batch_alter_table('patient_merge', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_patient_merge_source'), ['source'], unique=False)
        batch_op.create_index(batch_op.f('ix_patient_merge_target'), ['target'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('patient_merge', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_patient_merge_target'))
        batch_op.drop_index(batch_op.f('ix_patient_merge_source'))

    op.drop_table('patient_merge')
    with op.batch_alter_table('patient_identifier', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_patient_identifier_patient'))

    op.drop_table('patient_identifier')
    with op.batch_alter_table('imaging_order', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_imaging_order_patient'))
        batch_op.drop_index('ix_imaging_order_mo_state')
        batch_op.drop_index(batch_op.f('ix_imaging_order_changed_at'))

    op.drop_table('imaging_order')
    with op.batch_alter_table('patient', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_patient_merged_into'))
        batch_op.drop_index(batch_op.f('ix_patient_changed_at'))

    op.drop_table('patient')
    op.drop_table('event_cursor')
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.drop_index('ix_event_kind')

    op.drop_table('event')
