"""Routing rules with their history, what is forwarded, what is shared."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('forwarding',
    sa.Column('destination', sa.String(length=32), nullable=False, comment='name in region.yaml'),
    sa.Column('instance_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('size', sa.BigInteger(), nullable=False, comment='bytes of the stored file'),
    sa.Column('state', sa.String(length=16), nullable=False, comment='cami.routing.states'),
    sa.Column('lane', sa.Integer(), nullable=False, comment='0 and 1 go before all others'),
    sa.Column('seq', sa.BigInteger(), nullable=False, comment="place in Orthanc's change log: order within the lane"),
    sa.Column('rule', sa.String(length=200), nullable=False, comment='name of the rule'),
    sa.Column('version', sa.Integer(), nullable=False, comment='of the rules'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('not_before', cami.db.types.UtcDateTime(), nullable=True, comment='when to try again'),
    sa.Column('reason', sa.String(length=32), nullable=True, comment='code of the last failure'),
    sa.Column('detail', sa.String(length=200), nullable=True, comment="a status or an error's kind; names no patient"),
    sa.Column('queued_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('ended_at', cami.db.types.UtcDateTime(), nullable=True, comment='when it was delivered, failed or cancelled'),
    sa.PrimaryKeyConstraint('destination', 'instance_id', name=op.f('pk_forwarding'))
    )
    op.create_index('ix_forwarding_destination_state_lane_seq', 'forwarding', ['destination', 'state', 'lane', 'seq'], unique=False)
    op.create_index('ix_forwarding_study_id_state', 'forwarding', ['study_id', 'state'], unique=False)
    op.create_table('forwarding_destination',
    sa.Column('destination', sa.String(length=32), nullable=False),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False, comment='in a row'),
    sa.Column('rests_until', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('succeeded_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('failed_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.Column('reason', sa.String(length=32), nullable=True, comment='of the last failure'),
    sa.Column('detail', sa.String(length=200), nullable=True),
    sa.PrimaryKeyConstraint('destination', name=op.f('pk_forwarding_destination'))
    )
    op.create_table('routed_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('priority', sa.Integer(), nullable=False, comment='cami.delivery.order.Priority'),
    sa.Column('rule', sa.String(length=200), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('routed_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_routed_study'))
    )
    op.create_table('routing_version',
    sa.Column('version', sa.Integer(), autoincrement=False, nullable=False, comment='1, 2, 3 …'),
    sa.Column('content', sa.Text(), nullable=False, comment='the document as it was written, YAML or JSON'),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('made_by', sa.String(length=64), nullable=False, comment='login'),
    sa.Column('made_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('restored', sa.Integer(), nullable=True, comment='the version whose content this is again'),
    sa.PrimaryKeyConstraint('version', name=op.f('pk_routing_version'))
    )
    op.create_table('share_notice',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО that is to get it'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('rule', sa.String(length=200), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('made_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('told_at', cami.db.types.UtcDateTime(), nullable=True, comment='when the centre had recorded it'),
    sa.Column('not_before', cami.db.types.UtcDateTime(), nullable=True, comment='when to try again'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('refused', sa.String(length=32), nullable=True, comment='code, if the centre does not take it'),
    sa.PrimaryKeyConstraint('study_id', 'mo', name=op.f('pk_share_notice'))
    )
    op.create_index(op.f('ix_share_notice_told_at'), 'share_notice', ['told_at'], unique=False)
    op.create_table('study_share',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('mo', sa.String(length=16), nullable=False, comment='code of the МО that is to get it'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО whose rules share it'),
    sa.Column('rule', sa.String(length=200), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False, comment="of the owner's rules"),
    sa.Column('shared_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', 'mo', name=op.f('pk_study_share'))
    )
    op.create_index('ix_study_share_mo_shared_at', 'study_share', ['mo', 'shared_at'], unique=False)


def downgrade() -> None:

    op.drop_index('ix_study_share_mo_shared_at', table_name='study_share')
    op.drop_table('study_share')
    op.drop_index(op.f('ix_share_notice_told_at'), table_name='share_notice')
    op.drop_table('share_notice')
    op.drop_table('routing_version')
    op.drop_table('routed_study')
    op.drop_table('forwarding_destination')
    op.drop_index('ix_forwarding_study_id_state', table_name='forwarding')
    op.drop_index('ix_forwarding_destination_state_lane_seq', table_name='forwarding')
    op.drop_table('forwarding')
