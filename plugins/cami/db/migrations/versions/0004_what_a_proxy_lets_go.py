"""What a proxy lets go: when studies were read, and what is being evicted."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('study_read',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('read_at', cami.db.types.UtcDateTime(), nullable=False, comment='to the hour'),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_study_read'))
    )
    op.create_table('eviction',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('began_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_eviction'))
    )


def downgrade() -> None:

    op.drop_table('eviction')
    op.drop_table('study_read')
