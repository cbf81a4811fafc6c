"""Desks of consultations are read by what is open, and by when the rest has ended; mail and webhook are done apart."""

import sqlalchemy as sa
from alembic import op


revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None

_NEW = {
    'ix_consultation_mo_number': ['mo', 'number'],
    'ix_consultation_ended_at': ['ended_at', 'number'],
    'ix_consultation_mo_ended_at': ['mo', 'ended_at', 'number'],
    'ix_consultation_consultant_ended_at': ['consultant', 'ended_at', 'number'],
}
_OLD = {
    'ix_consultation_mo_state': ['mo', 'state', 'number'],
    'ix_consultation_consultant_state': ['consultant', 'state'],
}


def upgrade() -> None:
    for name in _OLD:
        op.drop_index(name, table_name='consultation')
    for name, columns in _NEW.items():
        op.create_index(name, 'consultation', columns, unique=False)
    op.create_index('ix_announced_study_owner_patient_id', 'announced_study', ['owner', 'patient_id'], unique=False)
    with op.batch_alter_table('consultation_notice') as table:
        table.add_column(sa.Column('sent', sa.String(length=32), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('consultation_notice') as table:
        table.drop_column('sent')
    op.drop_index('ix_announced_study_owner_patient_id', table_name='announced_study')
    for name in _NEW:
        op.drop_index(name, table_name='consultation')
    for name, columns in _OLD.items():
        op.create_index(name, 'consultation', columns, unique=False)
