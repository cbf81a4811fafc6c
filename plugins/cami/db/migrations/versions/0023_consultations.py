"""Consultations: requests, answers, timers and notices."""

import sqlalchemy as sa
from alembic import op


revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('consultation',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False, comment='grows with every change: who decides on an older one is told'),
    sa.Column('state', sa.String(length=16), nullable=False, comment='cami.consultations.states.State'),
    sa.Column('kind', sa.String(length=16), nullable=False, comment='cami.consultations.terms.Kind'),
    sa.Column('urgency', sa.String(length=16), nullable=False, comment='cami.consultations.terms.Urgency'),
    sa.Column('mode', sa.String(length=16), nullable=False, comment='deferred, realtime'),
    sa.Column('profile', sa.String(length=32), nullable=False, comment='of the registry'),
    sa.Column('route', sa.String(length=32), nullable=False, comment='of the registry, by its name'),
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО that asks'),
    sa.Column('asker', sa.String(length=64), nullable=False, comment='login'),
    sa.Column('asker_name', sa.String(length=200), nullable=False),
    sa.Column('phone', sa.String(length=64), server_default='', nullable=False),
    sa.Column('to_mo', sa.String(length=16), server_default='', nullable=False, comment='МО that answers, once one person has it'),
    sa.Column('consultant', sa.String(length=64), server_default='', nullable=False, comment='login'),
    sa.Column('consultant_name', sa.String(length=200), server_default='', nullable=False),
    sa.Column('question', sa.Text(), server_default='', nullable=False),
    sa.Column('diagnosis', sa.String(length=16), server_default='', nullable=False, comment='МКБ-10'),
    sa.Column('diagnosis_text', sa.Text(), server_default='', nullable=False),
    sa.Column('history', sa.Text(), server_default='', nullable=False),
    sa.Column('inpatient', sa.Boolean(), nullable=False),
    sa.Column('consent', sa.Boolean(), nullable=False, comment='ИДС'),
    sa.Column('patient_name', sa.Text(), server_default='', nullable=False, comment='as DICOM writes it'),
    sa.Column('patient_id', sa.Text(), server_default='', nullable=False),
    sa.Column('patient_birth_date', sa.String(length=32), server_default='', nullable=False),
    sa.Column('patient_sex', sa.String(length=16), server_default='', nullable=False),
    sa.Column('modalities', sa.String(length=200), server_default='', nullable=False, comment='as \\CT\\MR\\ of the first study'),
    sa.Column('based_on', sa.Integer(), nullable=True, comment='number of the request that this one follows, or that it reviews'),
    sa.Column('created_at', sa.DateTime(), nullable=False),
    sa.Column('changed_at', sa.DateTime(), nullable=False),
    sa.Column('sent_at', sa.DateTime(), nullable=True),
    sa.Column('received_at', sa.DateTime(), nullable=True),
    sa.Column('accepted_at', sa.DateTime(), nullable=True, comment='when a consultant was named first'),
    sa.Column('paused_at', sa.DateTime(), nullable=True, comment='since when the clock stands'),
    sa.Column('ended_at', sa.DateTime(), nullable=True),
    sa.Column('accept_by', sa.DateTime(), nullable=True),
    sa.Column('answer_by', sa.DateTime(), nullable=True),
    sa.Column('late', sa.Boolean(), nullable=False, comment='«Просрочена»: a deadline has passed while it was open'),
    sa.Column('escalated', sa.Boolean(), nullable=False, comment='the dispatcher was called'),
    sa.Column('lease_until', sa.DateTime(), nullable=True, comment='until when a consultant who says nothing keeps it'),
    sa.Column('reason', sa.String(length=32), server_default='', nullable=False, comment='code: why rejected or cancelled'),
    sa.Column('reason_text', sa.Text(), server_default='', nullable=False),
    sa.Column('critical', sa.Boolean(), nullable=False, comment='the signed answer names a critical finding'),
    sa.Column('acknowledged_at', sa.DateTime(), nullable=True, comment='when the МО confirmed to know the critical finding'),
    sa.Column('acknowledged_by', sa.String(length=64), server_default='', nullable=False),
    sa.Column('last_event', sa.Integer(), server_default='0', nullable=False, comment='newest consultation_event'),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_consultation')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_consultation_consultant_state', 'consultation', ['consultant', 'state'], unique=False)
    op.create_index('ix_consultation_mo_state', 'consultation', ['mo', 'state', 'number'], unique=False)
    op.create_index('ix_consultation_sent_at', 'consultation', ['sent_at'], unique=False)
    op.create_index('ix_consultation_state_answer_by', 'consultation', ['state', 'answer_by'], unique=False)
    op.create_table('diagnosis',
    sa.Column('code', sa.String(length=16), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('folded', sa.Text(), nullable=False, comment='code and title as searches compare them'),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_diagnosis'))
    )
    op.create_table('consultation_draft',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('person', sa.String(length=200), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False, comment='grows with every saving'),
    sa.Column('saved_at', sa.DateTime(), nullable=False),
    sa.Column('findings', sa.Text(), nullable=False),
    sa.Column('conclusion', sa.Text(), nullable=False),
    sa.Column('recommendations', sa.Text(), nullable=False),
    sa.Column('diagnosis', sa.String(length=16), nullable=False),
    sa.Column('pathology', sa.String(length=16), nullable=False, comment='yes, no, or empty'),
    sa.Column('critical', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_draft_number_consultation')),
    sa.PrimaryKeyConstraint('number', 'login', name=op.f('pk_consultation_draft'))
    )
    op.create_table('consultation_event',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False, comment='of the request afterwards'),
    sa.Column('at', sa.DateTime(), nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False, comment='or: system'),
    sa.Column('person', sa.String(length=200), nullable=False, comment='name of that account then'),
    sa.Column('role', sa.String(length=32), nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('command', sa.String(length=16), nullable=False, comment='cami.consultations.states.Command'),
    sa.Column('before', sa.String(length=16), nullable=False, comment='state'),
    sa.Column('after', sa.String(length=16), nullable=False, comment='state'),
    sa.Column('subject', sa.String(length=200), server_default='', nullable=False, comment='who it was given to, МО or person'),
    sa.Column('reason', sa.String(length=32), server_default='', nullable=False, comment='code'),
    sa.Column('text', sa.Text(), server_default='', nullable=False, comment='in the words of who did it'),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_event_number_consultation')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consultation_event')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_consultation_event_at'), 'consultation_event', ['at'], unique=False)
    op.create_index(op.f('ix_consultation_event_number'), 'consultation_event', ['number'], unique=False)
    op.create_table('consultation_file',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(), nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('person', sa.String(length=200), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('content_type', sa.String(length=64), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_file_number_consultation')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consultation_file')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_consultation_file_number'), 'consultation_file', ['number'], unique=False)
    op.create_table('consultation_member',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('part', sa.String(length=16), nullable=False, comment='cami.consultations.terms.Part'),
    sa.Column('added_at', sa.DateTime(), nullable=False),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_member_number_consultation')),
    sa.PrimaryKeyConstraint('number', 'login', name=op.f('pk_consultation_member'))
    )
    op.create_index('ix_consultation_member_login', 'consultation_member', ['login', 'number'], unique=False)
    op.create_table('consultation_message',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(), nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('person', sa.String(length=200), nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False, comment='note, question, answer, opinion'),
    sa.Column('text', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_message_number_consultation')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consultation_message')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_consultation_message_number'), 'consultation_message', ['number'], unique=False)
    op.create_table('consultation_notice',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False, comment='cami.consultations.notices.Told'),
    sa.Column('urgency', sa.String(length=16), nullable=False),
    sa.Column('login', sa.String(length=64), server_default='', nullable=False, comment='to one person'),
    sa.Column('mo', sa.String(length=16), server_default='', nullable=False, comment='or to those of an МО who answer requests'),
    sa.Column('role', sa.String(length=32), server_default='', nullable=False, comment='or to a role'),
    sa.Column('mailed_at', sa.DateTime(), nullable=True, comment='when mail and webhook were done with; empty: to do'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('not_before', sa.DateTime(), nullable=True, comment='when to try mail and webhook again'),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_notice_number_consultation')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consultation_notice')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_consultation_notice_login', 'consultation_notice', ['login', 'id'], unique=False)
    op.create_index('ix_consultation_notice_mailed_at', 'consultation_notice', ['mailed_at', 'not_before'], unique=False)
    op.create_index('ix_consultation_notice_mo', 'consultation_notice', ['mo', 'id'], unique=False)
    op.create_index(op.f('ix_consultation_notice_number'), 'consultation_notice', ['number'], unique=False)
    op.create_index('ix_consultation_notice_role', 'consultation_notice', ['role', 'id'], unique=False)
    op.create_table('consultation_offer',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_offer_number_consultation')),
    sa.PrimaryKeyConstraint('number', 'mo', name=op.f('pk_consultation_offer'))
    )
    op.create_index('ix_consultation_offer_mo', 'consultation_offer', ['mo', 'number'], unique=False)
    op.create_table('consultation_prepared',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('at', sa.DateTime(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False, comment='of the draft that it was made from'),
    sa.Column('why', sa.Text(), server_default='', nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_prepared_number_consultation')),
    sa.PrimaryKeyConstraint('number', 'login', name=op.f('pk_consultation_prepared'))
    )
    op.create_table('consultation_report',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False, comment='1 is the first answer'),
    sa.Column('why', sa.Text(), server_default='', nullable=False, comment='reason of a correction'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('person', sa.String(length=200), nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('signed_at', sa.DateTime(), nullable=False),
    sa.Column('findings', sa.Text(), nullable=False),
    sa.Column('conclusion', sa.Text(), nullable=False),
    sa.Column('recommendations', sa.Text(), nullable=False),
    sa.Column('diagnosis', sa.String(length=16), nullable=False),
    sa.Column('pathology', sa.String(length=16), nullable=False),
    sa.Column('critical', sa.Boolean(), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False, comment='PDF, exactly as signed'),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of the document'),
    sa.Column('signed_by', sa.String(length=16), nullable=False, comment='password, cms'),
    sa.Column('signature', sa.LargeBinary(), nullable=True, comment='detached CMS, exactly as given'),
    sa.Column('certificate', sa.Text(), server_default='', nullable=False, comment='whose it is, for people'),
    sa.Column('verification', sa.String(length=32), server_default='', nullable=False, comment='valid, not-verified'),
    sa.Column('verified_by', sa.String(length=64), server_default='', nullable=False),
    sa.Column('verified_at', sa.DateTime(), nullable=True),
    sa.Column('filed_at', sa.DateTime(), nullable=True, comment='when SR and PDF were in the study at the centre'),
    sa.Column('filing', sa.String(length=64), server_default='', nullable=False, comment='code: why they are not'),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_report_number_consultation')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consultation_report')),
    sa.UniqueConstraint('number', 'version', name=op.f('uq_consultation_report_number_version')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_consultation_report_filed_at', 'consultation_report', ['filed_at'], unique=False)
    op.create_table('consultation_seen',
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('event', sa.Integer(), nullable=False, comment='newest consultation_event then'),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_seen_number_consultation')),
    sa.PrimaryKeyConstraint('login', 'number', name=op.f('pk_consultation_seen'))
    )
    op.create_table('consultation_study',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО'),
    sa.Column('place', sa.Integer(), nullable=False),
    sa.Column('prior', sa.Boolean(), nullable=False, comment='an earlier study, for comparison'),
    sa.Column('study_date', sa.String(length=32), server_default='', nullable=False),
    sa.Column('study_time', sa.String(length=32), server_default='', nullable=False),
    sa.Column('modalities', sa.String(length=200), server_default='', nullable=False, comment='with backslashes'),
    sa.Column('description', sa.Text(), server_default='', nullable=False),
    sa.Column('accession', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_study_number_consultation')),
    sa.PrimaryKeyConstraint('number', 'study_uid', name=op.f('pk_consultation_study'))
    )
    op.create_index(op.f('ix_consultation_study_study_id'), 'consultation_study', ['study_id'], unique=False)
    op.create_table('consultation_timer',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False, comment='cami.consultations.timers.Timer'),
    sa.Column('due_at', sa.DateTime(), nullable=False),
    sa.Column('fired_at', sa.DateTime(), nullable=True),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_timer_number_consultation')),
    sa.PrimaryKeyConstraint('number', 'kind', name=op.f('pk_consultation_timer'))
    )
    op.create_index('ix_consultation_timer_due', 'consultation_timer', ['fired_at', 'due_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_consultation_timer_due', table_name='consultation_timer')
    op.drop_table('consultation_timer')
    op.drop_index(op.f('ix_consultation_study_study_id'), table_name='consultation_study')
    op.drop_table('consultation_study')
    op.drop_table('consultation_seen')
    op.drop_index('ix_consultation_report_filed_at', table_name='consultation_report')
    op.drop_table('consultation_report')
    op.drop_table('consultation_prepared')
    op.drop_index('ix_consultation_offer_mo', table_name='consultation_offer')
    op.drop_table('consultation_offer')
    op.drop_index('ix_consultation_notice_role', table_name='consultation_notice')
    op.drop_index(op.f('ix_consultation_notice_number'), table_name='consultation_notice')
    op.drop_index('ix_consultation_notice_mo', table_name='consultation_notice')
    op.drop_index('ix_consultation_notice_mailed_at', table_name='consultation_notice')
    op.drop_index('ix_consultation_notice_login', table_name='consultation_notice')
    op.drop_table('consultation_notice')
    op.drop_index(op.f('ix_consultation_message_number'), table_name='consultation_message')
    op.drop_table('consultation_message')
    op.drop_index('ix_consultation_member_login', table_name='consultation_member')
    op.drop_table('consultation_member')
    op.drop_index(op.f('ix_consultation_file_number'), table_name='consultation_file')
    op.drop_table('consultation_file')
    op.drop_index(op.f('ix_consultation_event_number'), table_name='consultation_event')
    op.drop_index(op.f('ix_consultation_event_at'), table_name='consultation_event')
    op.drop_table('consultation_event')
    op.drop_table('consultation_draft')
    op.drop_table('diagnosis')
    op.drop_index('ix_consultation_state_answer_by', table_name='consultation')
    op.drop_index('ix_consultation_sent_at', table_name='consultation')
    op.drop_index('ix_consultation_mo_state', table_name='consultation')
    op.drop_index('ix_consultation_consultant_state', table_name='consultation')
    op.drop_table('consultation')
