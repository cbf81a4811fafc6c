"""Routing rules made at the centre, and what proxies say of them; viewers that tell that they are open."""

import sqlalchemy as sa
from alembic import op


revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None

_WITH_RULES = ('forwarding', 'routed_study', 'share_notice', 'study_share')


def upgrade() -> None:
    for table in _WITH_RULES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column('by_centre', sa.Boolean(), server_default=sa.false(), nullable=False, comment="rule and version are the centre's"))

    with op.batch_alter_table('awaited_study', schema=None) as batch_op:
        batch_op.add_column(sa.Column('beats', sa.Boolean(), server_default=sa.false(), nullable=False, comment='the viewer tells that it is still open'))

    op.create_table('central_rules',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False, comment='1, 2, 3 … as they came'),
    sa.Column('version', sa.Integer(), nullable=False, comment='at the centre'),
    sa.Column('content', sa.Text(), nullable=False, comment='JSON'),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('made_by', sa.String(length=64), nullable=False, comment='login at the centre'),
    sa.Column('made_at', sa.DateTime(), nullable=False),
    sa.Column('received_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_central_rules'))
    )
    op.create_table('central_rules_standing',
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False, comment='0: none yet'),
    sa.Column('trouble', sa.Text(), nullable=False, comment='why they do not hold there; empty if they do'),
    sa.Column('since', sa.DateTime(), nullable=False, comment='when the proxy said so first'),
    sa.PrimaryKeyConstraint('mo', name=op.f('pk_central_rules_standing'))
    )
    op.create_table('rules_trial',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False, comment='1, 2, 3 …'),
    sa.Column('content', sa.Text(), nullable=False, comment='the draft'),
    sa.Column('studies', sa.Integer(), nullable=False),
    sa.Column('asked_by', sa.String(length=64), nullable=False, comment='login'),
    sa.Column('asked_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_rules_trial'))
    )
    op.create_table('rules_trial_outcome',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False, comment='JSON; names no patient'),
    sa.Column('answered_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('number', 'mo', name=op.f('pk_rules_trial_outcome'))
    )


def downgrade() -> None:
    op.drop_table('rules_trial_outcome')
    op.drop_table('rules_trial')
    op.drop_table('central_rules_standing')
    op.drop_table('central_rules')
    with op.batch_alter_table('awaited_study', schema=None) as batch_op:
        batch_op.drop_column('beats')

    for table in reversed(_WITH_RULES):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column('by_centre')
