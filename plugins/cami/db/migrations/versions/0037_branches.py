"""Branches of the journals of proxies that were restored from a backup."""

import sqlalchemy as sa
from alembic import op


revision = '0037'
down_revision = '0035'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('audit_branch',
    sa.Column('server', sa.String(length=32), nullable=False, comment='proxy-42001+2: the chain of the records that came after'),
    sa.Column('seq', sa.BigInteger(), nullable=False, comment='of the last record that both have; 0: none'),
    sa.Column('hash', sa.String(length=64), nullable=False, comment='of that record'),
    sa.Column('began_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('server', name=op.f('pk_audit_branch'))
    )


def downgrade() -> None:
    op.drop_table('audit_branch')
