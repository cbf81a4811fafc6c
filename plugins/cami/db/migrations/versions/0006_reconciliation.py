"""Comparisons of a proxy with the centre."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('reconciliation',
    sa.Column('run', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('cause', sa.String(length=16), nullable=False, comment='nightly, asked; first: the day this proxy began'),
    sa.Column('started_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('ended_at', cami.db.types.UtcDateTime(), nullable=True, comment='empty while it runs'),
    sa.Column('studies', sa.Integer(), server_default='0', nullable=False, comment='studies compared'),
    sa.Column('instances', sa.Integer(), server_default='0', nullable=False, comment='in the local archive'),
    sa.Column('unknown', sa.Integer(), server_default='0', nullable=False, comment='to the queue; queued'),
    sa.Column('missing', sa.Integer(), server_default='0', nullable=False, comment='at the centre; queued again'),
    sa.Column('different', sa.Integer(), server_default='0', nullable=False, comment='other content at the centre; set apart'),
    sa.Column('lost', sa.Integer(), server_default='0', nullable=False, comment='neither here nor at the centre'),
    sa.Column('absent', sa.Integer(), server_default='0', nullable=False, comment='at the centre, gone from here unevicted'),
    sa.PrimaryKeyConstraint('run', name=op.f('pk_reconciliation'))
    )


def downgrade() -> None:

    op.drop_table('reconciliation')
