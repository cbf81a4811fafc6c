"""Branches of the journals of proxies that were restored from a backup; series of studies that have left a proxy."""

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
    op.create_table('known_series',
    sa.Column('series_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('attributes', sa.Text(), nullable=False, comment='JSON: keyword → value'),
    sa.PrimaryKeyConstraint('series_id', name=op.f('pk_known_series'))
    )
    with op.batch_alter_table('known_series', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_known_series_study_id'), ['study_id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('known_series', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_known_series_study_id'))

    op.drop_table('known_series')
    op.drop_table('audit_branch')
