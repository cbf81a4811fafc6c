"""What people decide of objects in quarantine."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column('quarantined_object', sa.Column('state', sa.String(length=16), server_default='open', nullable=False, comment='open, settled, rejected, removed'))
    op.create_table('quarantine_decision',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False, comment='object: of the quarantine folder; item: of the queue'),
    sa.Column('name', sa.String(length=64), nullable=False, comment='SHA-256 of an object, Orthanc id of an item'),
    sa.Column('source', sa.String(length=64), nullable=False, comment='device, or code of the МО'),
    sa.Column('cause', sa.String(length=64), nullable=False, comment='why it was in quarantine'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('sop_uid', sa.String(length=128), nullable=False),
    sa.Column('action', sa.String(length=16), nullable=False, comment='resend, link, reject'),
    sa.Column('target', sa.String(length=64), nullable=False, comment='of link: same, new, or the Orthanc id of a study'),
    sa.Column('reason', sa.Text(), nullable=False, comment='in the words of who decided; may name a patient'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('person', sa.String(length=200), nullable=False, comment='name of that account then'),
    sa.Column('decided_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_quarantine_decision')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_quarantine_decision_kind_name', 'quarantine_decision', ['kind', 'name'])
    op.create_table('quarantine_outcome',
    sa.Column('decision', sa.Integer(), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False, comment='done, refused'),
    sa.Column('detail', sa.String(length=64), nullable=False, comment='code of what came of it'),
    sa.Column('new_sop_uid', sa.String(length=128), server_default='', nullable=False, comment='of a linked instance'),
    sa.Column('ended_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['decision'], ['quarantine_decision.id'], name=op.f('fk_quarantine_outcome_decision_quarantine_decision')),
    sa.PrimaryKeyConstraint('decision', name=op.f('pk_quarantine_outcome'))
    )
    op.create_table('quarantine_removal',
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('remove_after', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('kind', 'name', 'source', name=op.f('pk_quarantine_removal'))
    )
    op.create_index(op.f('ix_quarantine_removal_remove_after'), 'quarantine_removal', ['remove_after'])


def downgrade() -> None:

    op.drop_table('quarantine_removal')
    op.drop_table('quarantine_outcome')
    op.drop_table('quarantine_decision')
    op.drop_column('quarantined_object', 'state')
