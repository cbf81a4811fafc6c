"""Callers that were refused over DICOM."""

import sqlalchemy as sa
from alembic import op

from cami.db.types import UtcDateTime

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('refused_caller',
    sa.Column('aet', sa.String(length=16), nullable=False, comment='as it called itself'),
    sa.Column('address', sa.String(length=45), nullable=False, comment='where it came from; empty: not known'),
    sa.Column('reason', sa.String(length=16), nullable=False, comment='unknown, address, service'),
    sa.Column('detail', sa.String(length=32), server_default='', nullable=False, comment='the service that it may not use'),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('first_at', UtcDateTime(), nullable=False),
    sa.Column('last_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('aet', 'address', 'reason', name=op.f('pk_refused_caller'))
    )
    with op.batch_alter_table('refused_caller', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_refused_caller_last_at'), ['last_at'], unique=False)


def downgrade() -> None:

    with op.batch_alter_table('refused_caller', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_refused_caller_last_at'))

    op.drop_table('refused_caller')
