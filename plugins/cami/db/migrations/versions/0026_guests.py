"""Studies of other МО at a proxy."""

import sqlalchemy as sa
from alembic import op


revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('guest_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО whose study it is'),
    sa.Column('grant_number', sa.Integer(), nullable=False, comment='the newest that the centre has told of'),
    sa.Column('until', sa.DateTime(), nullable=True, comment='empty: until the centre says that it has ended'),
    sa.Column('heard_at', sa.DateTime(), nullable=False, comment='when the centre last said that it still holds'),
    sa.Column('instances', sa.Integer(), nullable=True, comment='how many the centre had when it was last asked for them; empty: not asked'),
    sa.Column('whole_at', sa.DateTime(), nullable=True, comment='when all of these were here'),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='nobody sees it any more; its images are being removed'),
    sa.Column('not_before', sa.DateTime(), nullable=True, comment='when to try again'),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_guest_study'))
    )
    op.create_table('guest_instance',
    sa.Column('instance_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_id', sa.String(length=64), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of the file at the centre'),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('stored_at', sa.DateTime(), nullable=True, comment='when it was stored here'),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_guest_instance'))
    )
    op.create_index(op.f('ix_guest_instance_study_id'), 'guest_instance', ['study_id'], unique=False)


def downgrade() -> None:
    op.drop_table('guest_instance')
    op.drop_table('guest_study')
