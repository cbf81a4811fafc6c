"""Whose background jobs are, studies that are to be deleted, and who has uploaded an object."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('own_job',
    sa.Column('job_id', sa.String(length=64), nullable=False, comment="Orthanc's"),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id of the study that it is about'),
    sa.Column('started_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('job_id', name=op.f('pk_own_job'))
    )
    op.create_index('ix_own_job_login_started_at', 'own_job', ['login', 'started_at'], unique=False)
    op.create_table('removal',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО'),
    sa.Column('state', sa.String(length=16), nullable=False, comment='cami.removal.states'),
    sa.Column('reason', sa.Text(), nullable=False, comment="in a person's words"),
    sa.Column('instances', sa.Integer(), nullable=False, comment='that were there when it was marked'),
    sa.Column('marked_by', sa.String(length=64), nullable=False),
    sa.Column('marked_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('confirmed_by_mo', sa.String(length=64), server_default='', nullable=False, comment='administrator of the owner'),
    sa.Column('confirmed_by_mo_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('confirmed_by_region', sa.String(length=64), server_default='', nullable=False, comment='region administrator'),
    sa.Column('confirmed_by_region_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('ended_by', sa.String(length=64), server_default='', nullable=False, comment='who took it back'),
    sa.Column('ended_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('deleted', sa.Integer(), server_default='0', nullable=False, comment='instances that were deleted'),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_removal'))
    )
    op.create_index('ix_removal_owner_state', 'removal', ['owner', 'state'], unique=False)
    op.create_index(op.f('ix_removal_study_id'), 'removal', ['study_id'], unique=False)
    op.create_index(op.f('ix_removal_study_uid'), 'removal', ['study_uid'], unique=False)
    with op.batch_alter_table('received_instance') as changed:
        changed.add_column(sa.Column('uploaded_by', sa.String(length=64), server_default='', nullable=False, comment='login, if a person sent it; no proxy has it'))


def downgrade() -> None:

    with op.batch_alter_table('received_instance') as changed:
        changed.drop_column('uploaded_by')
    op.drop_table('removal')
    op.drop_table('own_job')
