"""Uploads in pieces."""

import sqlalchemy as sa
from alembic import op

import cami.db.types

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('upload',
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО whose proxy sends it'),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of the whole object, as announced'),
    sa.Column('length', sa.BigInteger(), nullable=False),
    sa.Column('received', sa.BigInteger(), nullable=False, comment='bytes from the beginning that are on the disk for sure'),
    sa.Column('touched_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('mo', 'sha256', name=op.f('pk_upload'))
    )
    with op.batch_alter_table('upload', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_upload_touched_at'), ['touched_at'], unique=False)

    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_received_instance_sha256'), ['sha256'], unique=False)


def downgrade() -> None:

    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_received_instance_sha256'))

    op.drop_table('upload')
