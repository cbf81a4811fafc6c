"""Messages of HL7 v2 that were refused."""

import sqlalchemy as sa
from alembic import op


revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('hl7_refused',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('system', sa.String(length=64), nullable=False, comment='name in the registry; empty: nobody of it'),
    sa.Column('address', sa.String(length=45), nullable=False),
    sa.Column('certificate', sa.String(length=64), server_default='', nullable=False, comment='SHA-256 of what was shown'),
    sa.Column('kind', sa.String(length=16), nullable=False, comment='OMI^O23; empty: it could not be read'),
    sa.Column('control', sa.String(length=64), nullable=False, comment='MSH-10'),
    sa.Column('verdict', sa.String(length=2), nullable=False, comment='AE, AR'),
    sa.Column('reasons', sa.String(length=400), nullable=False, comment='codes with segments: CAMI-0012 PID-3'),
    sa.Column('digest', sa.String(length=64), nullable=False, comment='SHA-256 of the message'),
    sa.Column('message', sa.LargeBinary(), nullable=False, comment='empty once it is dealt with'),
    sa.Column('state', sa.String(length=16), nullable=False, comment='open, done, dismissed'),
    sa.Column('times', sa.Integer(), nullable=False, comment='how often it has come'),
    sa.Column('received_at', sa.DateTime(), nullable=False),
    sa.Column('last_at', sa.DateTime(), nullable=False),
    sa.Column('ended_at', sa.DateTime(), nullable=True),
    sa.Column('ended_by', sa.String(length=64), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_hl7_refused')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('hl7_refused', schema=None) as batch_op:
        batch_op.create_index('ix_hl7_refused_same', ['system', 'control', 'state'], unique=False)
        batch_op.create_index('ix_hl7_refused_state', ['state', 'number'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('hl7_refused', schema=None) as batch_op:
        batch_op.drop_index('ix_hl7_refused_state')
        batch_op.drop_index('ix_hl7_refused_same')

    op.drop_table('hl7_refused')
