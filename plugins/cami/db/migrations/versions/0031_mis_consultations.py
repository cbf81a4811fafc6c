"""Consultations that a МИС asks for; what clients have signed to be used once."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('mis_consultation',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('task', sa.String(length=64), nullable=False, comment='id of the Task'),
    sa.Column('request', sa.String(length=100), server_default='', nullable=False, comment='address of the ServiceRequest'),
    sa.Column('patient', sa.String(length=36), nullable=False, comment='key'),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_mis_consultation_number_consultation')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_mis_consultation')),
    sa.UniqueConstraint('task', name=op.f('uq_mis_consultation_task'))
    )
    op.create_table('mis_signed_once',
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('jti', sa.String(length=128), nullable=False),
    sa.Column('expires_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('client', 'jti', name=op.f('pk_mis_signed_once'))
    )
    with op.batch_alter_table('mis_signed_once', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mis_signed_once_expires_at'), ['expires_at'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('mis_signed_once', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mis_signed_once_expires_at'))

    op.drop_table('mis_signed_once')
    op.drop_table('mis_consultation')
