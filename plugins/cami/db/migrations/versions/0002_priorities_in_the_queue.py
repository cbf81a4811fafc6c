"""Priorities in the queue."""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('delivery_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('priority', sa.Integer(), nullable=False, comment='cami.delivery.order.Priority'),
    sa.Column('began_at', sa.Float(), nullable=False, comment='seconds since the epoch: arrival of the first instance'),
    sa.Column('leading_bytes', sa.BigInteger(), nullable=False, comment='arrived so far, by cami.delivery.order.Part'),
    sa.Column('main_bytes', sa.BigInteger(), nullable=False),
    sa.Column('thin_bytes', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_delivery_study'))
    )
    op.execute(
        "INSERT INTO delivery_study (study_id, priority, began_at, leading_bytes, main_bytes, thin_bytes)"
        " SELECT study_id, 2, 0, 0, 0, 0 FROM delivery_item GROUP BY study_id"
    )
    with op.batch_alter_table('delivery_item', schema=None) as batch_op:
        batch_op.add_column(sa.Column('lane', sa.Integer(), server_default='2', nullable=False, comment='0 and 1 go before all others'))
        batch_op.add_column(sa.Column('turn', sa.Float(), server_default='0', nullable=False, comment='order within the lane (cami.delivery.order)'))
        batch_op.drop_index(batch_op.f('ix_delivery_item_state_seq'))
        batch_op.create_index('ix_delivery_item_state_lane_turn', ['state', 'lane', 'turn'], unique=False)




def downgrade() -> None:

    with op.batch_alter_table('delivery_item', schema=None) as batch_op:
        batch_op.drop_index('ix_delivery_item_state_lane_turn')
        batch_op.create_index(batch_op.f('ix_delivery_item_state_seq'), ['state', 'seq'], unique=False)
        batch_op.drop_column('turn')
        batch_op.drop_column('lane')

    op.drop_table('delivery_study')

