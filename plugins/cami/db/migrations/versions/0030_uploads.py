"""What people store by HTTP: when, at the centre, so that it comes out the same again; and what, at a proxy."""

import sqlalchemy as sa
from alembic import op


revision = '0030'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('uploaded_instance',
    sa.Column('instance_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('uploaded_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_uploaded_instance'))
    )
    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.add_column(sa.Column('uploaded_at', sa.DateTime(), nullable=True, comment='when that was, as its coercion says'))


def downgrade() -> None:
    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.drop_column('uploaded_at')

    op.drop_table('uploaded_instance')
