"""Proxies join by a code and tell how they are."""

import sqlalchemy as sa
from alembic import op


revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('join_code',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('code_hash', sa.String(length=64), nullable=False, comment='SHA-256 of its secret part'),
    sa.Column('made_at', sa.DateTime(), nullable=False),
    sa.Column('made_by', sa.String(length=64), nullable=False),
    sa.Column('expires_at', sa.DateTime(), nullable=False),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='used, or taken back'),
    sa.Column('used_kid', sa.String(length=16), nullable=True, comment='the key that joined with it; empty if it was taken back'),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_join_code')),
    sa.UniqueConstraint('code_hash', name=op.f('uq_join_code_code_hash'))
    )
    with op.batch_alter_table('join_code', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_join_code_mo'), ['mo'], unique=False)

    op.create_table('proxy_key',
    sa.Column('kid', sa.String(length=16), nullable=False, comment='name of the key: RFC 7515 kid'),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('public_key', sa.Text(), nullable=False, comment='PEM; empty for a key of the folder that was revoked'),
    sa.Column('certificate', sa.Text(), nullable=False, comment='PEM'),
    sa.Column('certificate_sha256', sa.String(length=64), nullable=False),
    sa.Column('cause', sa.String(length=16), nullable=False, comment='join, renewal, folder'),
    sa.Column('issued_at', sa.DateTime(), nullable=False),
    sa.Column('not_after', sa.DateTime(), nullable=False),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='revoked, or followed by another'),
    sa.Column('ended_by', sa.String(length=64), server_default='', nullable=False),
    sa.Column('ended_why', sa.String(length=200), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('kid', name=op.f('pk_proxy_key'))
    )
    with op.batch_alter_table('proxy_key', schema=None) as batch_op:
        batch_op.create_index('ix_proxy_key_mo_issued_at', ['mo', 'issued_at'], unique=False)

    op.create_table('trial_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('began_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_trial_study'))
    )
    with op.batch_alter_table('trial_study', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_trial_study_began_at'), ['began_at'], unique=False)

    op.create_table('heartbeat',
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('received_at', sa.DateTime(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False, comment='JSON, cami.fleet.vitals'),
    sa.PrimaryKeyConstraint('mo', name=op.f('pk_heartbeat'))
    )
    op.create_table('fleet_trouble',
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=False, comment='code of cami.fleet.judgement'),
    sa.Column('level', sa.String(length=8), nullable=False, comment='yellow or red'),
    sa.Column('detail', sa.String(length=200), server_default='', nullable=False, comment='figures and codes; no patient'),
    sa.Column('since', sa.DateTime(), nullable=False),
    sa.Column('seen_at', sa.DateTime(), nullable=False, comment='when it was found last'),
    sa.Column('raised_at', sa.DateTime(), nullable=True, comment='when it had lasted long enough to be an alarm'),
    sa.PrimaryKeyConstraint('mo', 'reason', name=op.f('pk_fleet_trouble'))
    )
    op.create_table('alarm_notice',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('channel', sa.String(length=8), nullable=False, comment='mail or webhook'),
    sa.Column('document', sa.Text(), nullable=False, comment='JSON: mo, reason, level, detail, state, at'),
    sa.Column('made_at', sa.DateTime(), nullable=False),
    sa.Column('due_at', sa.DateTime(), nullable=False),
    sa.Column('tries', sa.Integer(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_alarm_notice'))
    )
    with op.batch_alter_table('alarm_notice', schema=None) as batch_op:
        batch_op.create_index('ix_alarm_notice_due_at', ['due_at'], unique=False)



def downgrade() -> None:
    op.drop_table('alarm_notice')
    op.drop_table('fleet_trouble')
    op.drop_table('heartbeat')
    op.drop_table('trial_study')
    op.drop_table('proxy_key')
    op.drop_table('join_code')
