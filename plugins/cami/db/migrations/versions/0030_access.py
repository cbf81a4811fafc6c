"""What people store by HTTP, at the centre and at a proxy; with which session at a provider a session began."""

import sqlalchemy as sa
from alembic import op


revision = '0030'
down_revision = '0028'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('uploaded_instance',
    sa.Column('instance_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('uploaded_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_uploaded_instance'))
    )
    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.add_column(sa.Column('uploaded_at', sa.DateTime(), nullable=True, comment='when that was, as its coercion says'))
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.add_column(sa.Column('provider_session', sa.String(length=64), nullable=True, comment='SHA-256 of the sid there, if the provider names one'))
        batch_op.create_index(batch_op.f('ix_session_provider_session'), ['provider_session'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_session_provider_session'))
        batch_op.drop_column('provider_session')

    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.drop_column('uploaded_at')

    op.drop_table('uploaded_instance')
