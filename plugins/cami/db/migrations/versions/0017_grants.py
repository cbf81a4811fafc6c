"""Grants: who else than its owner may see a study."""

import sqlalchemy as sa
from alembic import op


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

_OPEN = sa.text('ended_at IS NULL')


def upgrade() -> None:
    op.create_table('study_grant',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False, comment='never given twice: labels carry it'),
    sa.Column('study_uid', sa.String(length=128), nullable=False, comment='the study may come later than the grant'),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО whose study it is'),
    sa.Column('mo', sa.String(length=16), server_default='', nullable=False, comment='to whom: code of an МО'),
    sa.Column('login', sa.String(length=64), server_default='', nullable=False, comment='to whom: one person'),
    sa.Column('cause', sa.String(length=16), nullable=False, comment='cami.access.grants.Cause'),
    sa.Column('reference', sa.String(length=200), server_default='', nullable=False, comment='consultation, order, rule …'),
    sa.Column('reason', sa.Text(), server_default='', nullable=False, comment='in the words of who gave it'),
    sa.Column('given_by', sa.String(length=64), nullable=False, comment='login, or the part of the system'),
    sa.Column('given_at', sa.DateTime(), nullable=False),
    sa.Column('until', sa.DateTime(), nullable=True, comment='empty: until it is ended'),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='when it was taken back, or when its time was found to be over'),
    sa.Column('ended_by', sa.String(length=64), nullable=True),
    sa.Column('ended_why', sa.Text(), nullable=True),
    sa.Column('labelled', sa.Boolean(), nullable=False, comment='the label is on the study in Orthanc'),
    sa.Column('reviewed_at', sa.DateTime(), nullable=True, comment="when the owner's administrator took note of an emergency access"),
    sa.Column('reviewed_by', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_study_grant')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_study_grant_mo', 'study_grant', ['mo', 'owner', 'study_uid'], unique=False, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index('ix_study_grant_login', 'study_grant', ['login', 'owner', 'study_uid'], unique=False, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index('ix_study_grant_until', 'study_grant', ['until'], unique=False, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index('ix_study_grant_study', 'study_grant', ['study_uid', 'owner'], unique=False)
    op.create_index('ix_study_grant_reference', 'study_grant', ['cause', 'reference'], unique=False)
    op.create_index('ix_study_grant_owner', 'study_grant', ['owner', 'given_at'], unique=False)
    op.create_index('ix_study_grant_given_to', 'study_grant', ['mo', 'given_at'], unique=False)


def downgrade() -> None:
    op.drop_table('study_grant')
