"""Uploads in parts; a lane of the queue for each class.

Unfinished uploads are dropped: their proxies begin them again, and the files are found by the hourly tidying.
"""

import sqlalchemy as sa
from alembic import op

import cami.db.types

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.drop_table('upload')
    op.create_table('upload',
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО whose proxy sends it'),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of the whole object, as announced'),
    sa.Column('start', sa.BigInteger(), autoincrement=False, nullable=False, comment='where the part begins in the object'),
    sa.Column('length', sa.BigInteger(), nullable=False, comment='of the part'),
    sa.Column('size', sa.BigInteger(), nullable=False, comment='of the whole object'),
    sa.Column('received', sa.BigInteger(), nullable=False, comment='bytes from its beginning that are on the disk for sure'),
    sa.Column('touched_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('mo', 'sha256', 'start', name=op.f('pk_upload'))
    )
    with op.batch_alter_table('upload', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_upload_touched_at'), ['touched_at'], unique=False)
    op.execute(
        "UPDATE delivery_item SET lane = (SELECT priority FROM delivery_study"
        " WHERE delivery_study.study_id = delivery_item.study_id)"
        " WHERE study_id IN (SELECT study_id FROM delivery_study WHERE priority > 2)"
    )


def downgrade() -> None:

    op.execute("UPDATE delivery_item SET lane = 2 WHERE lane > 2")
    op.drop_table('upload')
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
