"""Lags of studies, and lists of studies and of quarantined objects by day."""

import sqlalchemy as sa
from alembic import op


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:

    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.add_column(sa.Column('lag_seconds', sa.Float(), nullable=True, comment="from the device to the centre, the slowest image, by the proxy's clock"))
        batch_op.add_column(sa.Column('stored_bytes', sa.BigInteger(), server_default='0', nullable=False, comment='of its stored objects, as delivered'))
    with op.batch_alter_table('delivery_item', schema=None) as batch_op:
        batch_op.add_column(sa.Column('lag_seconds', sa.Float(), nullable=True, comment='from received_at to stored_at'))
    with op.batch_alter_table('delivery_study', schema=None) as batch_op:
        batch_op.create_index('ix_delivery_study_began_at', ['began_at', 'study_id'], unique=False)
    with op.batch_alter_table('quarantined_object', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_quarantined_object_received_at'), ['received_at'], unique=False)

    op.execute(
        'UPDATE study SET stored_bytes = (SELECT coalesce(sum(received_instance.size), 0) FROM received_instance'
        ' WHERE received_instance.study_id = study.study_id AND received_instance.stored_at IS NOT NULL)'
    )


def downgrade() -> None:

    with op.batch_alter_table('quarantined_object', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_quarantined_object_received_at'))
    with op.batch_alter_table('delivery_study', schema=None) as batch_op:
        batch_op.drop_index('ix_delivery_study_began_at')
    with op.batch_alter_table('delivery_item', schema=None) as batch_op:
        batch_op.drop_column('lag_seconds')
    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.drop_column('stored_bytes')
        batch_op.drop_column('lag_seconds')
