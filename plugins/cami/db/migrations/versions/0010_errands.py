"""What the centre wants of the proxies."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('errand',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО whose proxy is to run it'),
    sa.Column('kind', sa.String(length=32), nullable=False, comment='raise, lower, send …: see cami.errands.errand.Kind'),
    sa.Column('study_id', sa.String(length=64), server_default='', nullable=False, comment='Orthanc id; empty: no study'),
    sa.Column('study_uid', sa.String(length=128), server_default='', nullable=False),
    sa.Column('priority', sa.Integer(), nullable=False, comment='cami.delivery.order.Priority'),
    sa.Column('cause', sa.String(length=32), nullable=False, comment='request, viewer, consultation …'),
    sa.Column('details', sa.Text(), server_default='{}', nullable=False, comment='JSON, by kind; names no patient'),
    sa.Column('asked_by', sa.String(length=64), nullable=False, comment='login, or the part of the system'),
    sa.Column('asked_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('taken_at', cami.db.types.UtcDateTime(), nullable=True, comment='when it was first handed to the proxy'),
    sa.Column('done_at', cami.db.types.UtcDateTime(), nullable=True, comment='when the proxy answered; empty: open'),
    sa.Column('outcome', sa.String(length=16), nullable=True, comment='done, unknown, refused, unsupported'),
    sa.Column('reason', sa.String(length=64), nullable=True, comment='code of what stood in the way'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_errand')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_errand_open', 'errand', ['done_at', 'mo', 'id'], unique=False)
    op.create_index('ix_errand_study_id', 'errand', ['study_id', 'id'], unique=False)


def downgrade() -> None:

    op.drop_index('ix_errand_study_id', table_name='errand')
    op.drop_index('ix_errand_open', table_name='errand')
    op.drop_table('errand')
