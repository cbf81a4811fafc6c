"""What the МИС and we say to each other."""

import sqlalchemy as sa
from alembic import op


revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('mis_answer',
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('request_hash', sa.String(length=64), nullable=False, comment='SHA-256 of method, path and body'),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('headers', sa.Text(), nullable=False, comment='JSON'),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('answered_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('client', 'key', name=op.f('pk_mis_answer'))
    )
    with op.batch_alter_table('mis_answer', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mis_answer_answered_at'), ['answered_at'], unique=False)

    op.create_table('mis_former_resource',
    sa.Column('type', sa.String(length=32), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('content', sa.Text(), nullable=False),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('updated_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('type', 'id', 'version', name=op.f('pk_mis_former_resource'))
    )
    op.create_table('mis_launch',
    sa.Column('code_hash', sa.String(length=64), nullable=False, comment='SHA-256'),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False, comment='for whom'),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('studies', sa.Text(), nullable=False, comment='JSON: Study Instance UIDs that may be seen'),
    sa.Column('first', sa.String(length=64), nullable=False, comment='Study Instance UID that opens'),
    sa.Column('purpose', sa.String(length=32), server_default='', nullable=False),
    sa.Column('expires_at', sa.DateTime(), nullable=False),
    sa.Column('used_at', sa.DateTime(), nullable=True),
    sa.Column('with_priors', sa.Boolean(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('code_hash', name=op.f('pk_mis_launch'))
    )
    with op.batch_alter_table('mis_launch', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mis_launch_expires_at'), ['expires_at'], unique=False)

    op.create_table('mis_resource',
    sa.Column('type', sa.String(length=32), nullable=False, comment='ServiceRequest, Practitioner …'),
    sa.Column('id', sa.String(length=64), nullable=False, comment='ours'),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('content', sa.Text(), nullable=False, comment='JSON'),
    sa.Column('patient', sa.String(length=36), server_default='', nullable=False, comment='key, of what is about one'),
    sa.Column('client', sa.String(length=64), nullable=False, comment='who sent it last'),
    sa.Column('updated_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('type', 'id', name=op.f('pk_mis_resource'))
    )
    with op.batch_alter_table('mis_resource', schema=None) as batch_op:
        batch_op.create_index('ix_mis_resource_patient', ['type', 'patient'], unique=False)
        batch_op.create_index('ix_mis_resource_updated', ['type', 'updated_at', 'id'], unique=False)

    op.create_table('mis_resource_identifier',
    sa.Column('type', sa.String(length=32), nullable=False),
    sa.Column('system', sa.String(length=200), nullable=False),
    sa.Column('value', sa.String(length=128), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('type', 'system', 'value', 'id', name=op.f('pk_mis_resource_identifier'))
    )
    op.create_table('mis_subscription',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False, comment='active, off'),
    sa.Column('resource', sa.String(length=32), nullable=False, comment='Task, ImagingStudy, DiagnosticReport'),
    sa.Column('mo', sa.String(length=16), server_default='', nullable=False, comment='only of what this МО ordered or made'),
    sa.Column('channel', sa.String(length=16), nullable=False, comment='rest-hook, or message for one who asks by himself'),
    sa.Column('endpoint', sa.String(length=500), server_default='', nullable=False),
    sa.Column('headers', sa.Text(), server_default='[]', nullable=False, comment='JSON: header lines, with secrets'),
    sa.Column('ends_at', sa.DateTime(), nullable=True),
    sa.Column('content', sa.Text(), nullable=False, comment='JSON: as the МИС sent it'),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('updated_at', sa.DateTime(), nullable=False),
    sa.Column('rests_until', sa.DateTime(), nullable=True, comment='the other side does not answer'),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False, comment='in a row'),
    sa.Column('reason', sa.String(length=64), server_default='', nullable=False, comment='code of the last failure'),
    sa.Column('succeeded_at', sa.DateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mis_subscription'))
    )
    op.create_table('mis_message',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('subscription', sa.String(length=64), nullable=False),
    sa.Column('event', sa.Integer(), nullable=False, comment='of the table event'),
    sa.Column('event_id', sa.String(length=36), nullable=False, comment='X-Event-Id: the same however often it is sent'),
    sa.Column('key', sa.String(length=128), nullable=False, comment='patient, or study: these stay in order'),
    sa.Column('kind', sa.String(length=64), nullable=False, comment='of the event'),
    sa.Column('about', sa.String(length=100), nullable=False, comment='Task/t-12, ImagingStudy/…'),
    sa.Column('body', sa.Text(), nullable=False, comment='JSON that is sent; empty once it is delivered'),
    sa.Column('state', sa.String(length=16), nullable=False, comment='queued, delivered, parked, cancelled, kept'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('created_at', sa.DateTime(), nullable=False),
    sa.Column('not_before', sa.DateTime(), nullable=False),
    sa.Column('give_up_at', sa.DateTime(), nullable=False),
    sa.Column('leased_by', sa.String(length=64), server_default='', nullable=False),
    sa.Column('leased_until', sa.DateTime(), nullable=True),
    sa.Column('done_at', sa.DateTime(), nullable=True),
    sa.Column('reason', sa.String(length=64), server_default='', nullable=False, comment='code of the last failure'),
    sa.ForeignKeyConstraint(['subscription'], ['mis_subscription.id'], name=op.f('fk_mis_message_subscription_mis_subscription')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_mis_message')),
    sa.UniqueConstraint('subscription', 'event', 'about', name=op.f('uq_mis_message_subscription_event_about')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('mis_message', schema=None) as batch_op:
        batch_op.create_index('ix_mis_message_due', ['subscription', 'state', 'number'], unique=False)
        batch_op.create_index('ix_mis_message_heads', ['subscription', 'state', 'key', 'number'], unique=False)

    op.create_table('mis_token',
    sa.Column('token_hash', sa.String(length=64), nullable=False, comment='SHA-256'),
    sa.Column('client', sa.String(length=64), nullable=False),
    sa.Column('expires_at', sa.DateTime(), nullable=False),
    sa.ForeignKeyConstraint(['client'], ['account.login'], name=op.f('fk_mis_token_client_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_mis_token'))
    )
    with op.batch_alter_table('mis_token', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mis_token_expires_at'), ['expires_at'], unique=False)

    op.create_table('mis_study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('order_number', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False, comment='registered, available'),
    sa.Column('instances', sa.Integer(), nullable=False),
    sa.Column('told_at', sa.DateTime(), nullable=False),
    sa.ForeignKeyConstraint(['order_number'], ['imaging_order.number'], name=op.f('fk_mis_study_order_number_imaging_order')),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_mis_study'))
    )
    with op.batch_alter_table('mis_study', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mis_study_order_number'), ['order_number'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('mis_study', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mis_study_order_number'))

    op.drop_table('mis_study')
    with op.batch_alter_table('mis_token', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mis_token_expires_at'))

    op.drop_table('mis_token')
    with op.batch_alter_table('mis_message', schema=None) as batch_op:
        batch_op.drop_index('ix_mis_message_heads')
        batch_op.drop_index('ix_mis_message_due')

    op.drop_table('mis_message')
    op.drop_table('mis_subscription')
    op.drop_table('mis_resource_identifier')
    with op.batch_alter_table('mis_resource', schema=None) as batch_op:
        batch_op.drop_index('ix_mis_resource_updated')
        batch_op.drop_index('ix_mis_resource_patient')

    op.drop_table('mis_resource')
    with op.batch_alter_table('mis_launch', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mis_launch_expires_at'))

    op.drop_table('mis_launch')
    op.drop_table('mis_former_resource')
    with op.batch_alter_table('mis_answer', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_mis_answer_answered_at'))

    op.drop_table('mis_answer')
