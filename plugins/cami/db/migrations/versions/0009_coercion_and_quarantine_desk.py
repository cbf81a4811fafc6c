"""What was sent is known by the file that it was made from."""

import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column('delivery_item', sa.Column('source_sha256', sa.String(length=64), nullable=True, comment='of the file that these were made from: coerced, compressed'))


def downgrade() -> None:

    op.drop_column('delivery_item', 'source_sha256')
