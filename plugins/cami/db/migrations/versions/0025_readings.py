"""What was opened last is found by its time: proxies ask what was read at the centre since they asked last."""

from alembic import op


revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f('ix_study_read_read_at'), 'study_read', ['read_at'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_study_read_read_at'), table_name='study_read')
