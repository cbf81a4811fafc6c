"""Sessions that the МИС opens for its doctors."""

import sqlalchemy as sa
from alembic import op


revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('mis_guest',
    sa.Column('token_hash', sa.String(length=64), nullable=False, comment='SHA-256 of the cookie'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('created_at', sa.DateTime(), nullable=False),
    sa.Column('seen_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_mis_guest')),
    sa.UniqueConstraint('login', name=op.f('uq_mis_guest_login'))
    )
    with op.batch_alter_table('mis_guest', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mis_guest_seen_at'), ['seen_at'], unique=False)

    with op.batch_alter_table('mis_launch', schema=None) as batch_op:
        batch_op.add_column(sa.Column('name', sa.String(length=200), server_default='', nullable=False, comment='of the doctor'))



def downgrade() -> None:
    with op.batch_alter_table('mis_launch', schema=None) as batch_op:
        batch_op.drop_column('name')

    with op.batch_alter_table('mis_guest', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mis_guest_seen_at'))

    op.drop_table('mis_guest')
