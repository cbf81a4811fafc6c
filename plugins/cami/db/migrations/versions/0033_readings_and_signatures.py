"""Double readings, пересмотр, the deadline of a critical finding, what is known of a signature, and СЭМД."""

import sqlalchemy as sa
from alembic import op


revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('consultation_reading',
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('place', sa.Integer(), nullable=False, comment='1, 2'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('person', sa.String(length=200), nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('signed_at', sa.DateTime(), nullable=False),
    sa.Column('findings', sa.Text(), nullable=False),
    sa.Column('conclusion', sa.Text(), nullable=False),
    sa.Column('recommendations', sa.Text(), nullable=False),
    sa.Column('diagnosis', sa.String(length=16), nullable=False),
    sa.Column('pathology', sa.String(length=16), nullable=False),
    sa.Column('critical', sa.Boolean(), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False, comment='PDF, exactly as signed'),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of the document'),
    sa.Column('signed_by', sa.String(length=16), nullable=False, comment='password, provider, cms'),
    sa.Column('signature', sa.LargeBinary(), nullable=True, comment='detached CMS, exactly as given'),
    sa.Column('certificate', sa.Text(), server_default='', nullable=False, comment='whose it is, for people'),
    sa.Column('verification', sa.String(length=32), server_default='', nullable=False, comment='valid, not-verified'),
    sa.Column('verified_by', sa.String(length=64), server_default='', nullable=False),
    sa.Column('trust', sa.String(length=32), server_default='', nullable=False, comment='cami.consultations.trust.Trust'),
    sa.ForeignKeyConstraint(['number'], ['consultation.number'], name=op.f('fk_consultation_reading_number_consultation')),
    sa.PrimaryKeyConstraint('number', 'place', name=op.f('pk_consultation_reading'))
    )
    with op.batch_alter_table('consultation', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reading', sa.Integer(), server_default='0', nullable=False, comment='1, 2, 3 of a double reading; else 0'))
        batch_op.add_column(sa.Column('agreement', sa.String(length=16), server_default='', nullable=False, comment='cami.consultations.readings.Agreement'))
        batch_op.add_column(sa.Column('upheld', sa.String(length=16), server_default='', nullable=False, comment='by the third reader: first, second, neither'))
        batch_op.add_column(sa.Column('acknowledge_by', sa.DateTime(), nullable=True, comment='by when the МО has to confirm to know the critical finding'))

    with op.batch_alter_table('consultation_prepared', schema=None) as batch_op:
        batch_op.add_column(sa.Column('agreement', sa.String(length=16), server_default='', nullable=False, comment='category, or whom a third upholds'))
        batch_op.add_column(sa.Column('visit_hash', sa.String(length=64), server_default='', nullable=False, comment='SHA-256 of the visit at the provider'))

    with op.batch_alter_table('consultation_report', schema=None) as batch_op:
        batch_op.add_column(sa.Column('trust', sa.String(length=32), server_default='', nullable=False, comment='cami.consultations.trust.Trust'))
        batch_op.add_column(sa.Column('clinical_document', sa.LargeBinary(), nullable=True, comment='CDA R2 of this version (СЭМД), unsigned'))

    with op.batch_alter_table('provider_visit', schema=None) as batch_op:
        batch_op.add_column(sa.Column('login', sa.String(length=64), server_default='', nullable=False, comment='who is asked again, to sign; else empty'))


def downgrade() -> None:
    with op.batch_alter_table('provider_visit', schema=None) as batch_op:
        batch_op.drop_column('login')

    with op.batch_alter_table('consultation_report', schema=None) as batch_op:
        batch_op.drop_column('clinical_document')
        batch_op.drop_column('trust')

    with op.batch_alter_table('consultation_prepared', schema=None) as batch_op:
        batch_op.drop_column('visit_hash')
        batch_op.drop_column('agreement')

    with op.batch_alter_table('consultation', schema=None) as batch_op:
        batch_op.drop_column('acknowledge_by')
        batch_op.drop_column('upheld')
        batch_op.drop_column('agreement')
        batch_op.drop_column('reading')

    op.drop_table('consultation_reading')
