"""Storage commitment asks for SOP Instance UIDs."""

from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_index(op.f('ix_delivery_item_sop_uid'), 'delivery_item', ['sop_uid'], unique=False)


def downgrade() -> None:

    op.drop_index(op.f('ix_delivery_item_sop_uid'), table_name='delivery_item')
