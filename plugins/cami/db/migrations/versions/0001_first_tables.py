"""First tables."""

import sqlalchemy as sa
from alembic import op


revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('account',
    sa.Column('login', sa.String(length=64), nullable=False, comment='lower case'),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('role', sa.String(length=32), nullable=False),
    sa.Column('mo', sa.String(length=16), server_default='', nullable=False, comment='empty: of the region'),
    sa.Column('password_hash', sa.Text(), nullable=False, comment='argon2id'),
    sa.Column('disabled', sa.Boolean(), nullable=False),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False, comment='wrong passwords in a row'),
    sa.Column('locked_until', sa.DateTime(), nullable=True),
    sa.Column('changed_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('login', name=op.f('pk_account'))
    )
    op.create_table('change_cursor',
    sa.Column('reader', sa.String(length=64), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('reader', name=op.f('pk_change_cursor'))
    )
    op.create_table('delivery_item',
    sa.Column('instance_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('sop_uid', sa.String(length=128), nullable=False),
    sa.Column('modality', sa.String(length=16), nullable=False),
    sa.Column('description', sa.Text(), nullable=False, comment="Study Description; may name no patient by DICOM's rules"),
    sa.Column('size', sa.BigInteger(), nullable=False, comment='bytes of the stored file'),
    sa.Column('seq', sa.BigInteger(), nullable=False, comment="place in Orthanc's change log"),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=True, comment='of the bytes as sent'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('not_before', sa.DateTime(), nullable=True, comment='when to try again'),
    sa.Column('reason', sa.String(length=64), nullable=True, comment='code of the last failure or of the quarantine'),
    sa.Column('received_at', sa.DateTime(), nullable=False),
    sa.Column('stored_at', sa.DateTime(), nullable=True, comment='when the centre answered that it has stored it'),
    sa.Column('confirmed_at', sa.DateTime(), nullable=True, comment='when the manifest of the study agreed'),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_delivery_item'))
    )
    with op.batch_alter_table('delivery_item', schema=None) as batch_op:
        batch_op.create_index('ix_delivery_item_state_seq', ['state', 'seq'], unique=False)
        batch_op.create_index('ix_delivery_item_study_id_state', ['study_id', 'state'], unique=False)

    op.create_table('quarantined_object',
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False, comment='AE title of the device, or code of the МО'),
    sa.Column('reason', sa.String(length=64), nullable=False),
    sa.Column('sop_uid', sa.String(length=128), nullable=False),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('received_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('sha256', 'source', name=op.f('pk_quarantined_object'))
    )
    op.create_table('study_claim',
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО'),
    sa.Column('claimed_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('study_uid', name=op.f('pk_study_claim'))
    )
    op.create_table('session',
    sa.Column('token_hash', sa.String(length=64), nullable=False, comment='SHA-256 of the cookie'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(), nullable=False),
    sa.Column('seen_at', sa.DateTime(), nullable=False),
    sa.ForeignKeyConstraint(['login'], ['account.login'], name=op.f('fk_session_login_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_session'))
    )
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_session_login'), ['login'], unique=False)

    op.create_table('study',
    sa.Column('study_id', sa.String(length=64), nullable=False, comment='Orthanc id: SHA-1 of PatientID|StudyInstanceUID'),
    sa.Column('study_uid', sa.String(length=128), nullable=False),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='as in study_claim, at hand for queries'),
    sa.Column('modality', sa.String(length=16), server_default='', nullable=False),
    sa.Column('description', sa.Text(), server_default='', nullable=False),
    sa.Column('claimed_at', sa.DateTime(), nullable=False),
    sa.Column('labelled', sa.Boolean(), nullable=False, comment='the label and the metadata are on the study in Orthanc'),
    sa.Column('first_stored_at', sa.DateTime(), nullable=True),
    sa.Column('last_stored_at', sa.DateTime(), nullable=True),
    sa.Column('expected', sa.Integer(), nullable=True, comment="instances in the proxy's last manifest"),
    sa.Column('confirmed_at', sa.DateTime(), nullable=True, comment='when the last manifest agreed'),
    sa.ForeignKeyConstraint(['study_uid'], ['study_claim.study_uid'], name=op.f('fk_study_study_uid_study_claim')),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_study'))
    )
    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.create_index('ix_study_owner_claimed_at', ['owner', 'claimed_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_study_study_uid'), ['study_uid'], unique=False)

    op.create_table('received_instance',
    sa.Column('instance_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('sop_uid', sa.String(length=128), nullable=False),
    sa.Column('study_id', sa.String(length=64), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of the file as delivered'),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('stored_at', sa.DateTime(), nullable=True, comment='empty until Orthanc has stored it'),
    sa.ForeignKeyConstraint(['study_id'], ['study.study_id'], name=op.f('fk_received_instance_study_id_study')),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_received_instance'))
    )
    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_received_instance_sop_uid'), ['sop_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_received_instance_study_id'), ['study_id'], unique=False)




def downgrade() -> None:

    with op.batch_alter_table('received_instance', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_received_instance_study_id'))
        batch_op.drop_index(batch_op.f('ix_received_instance_sop_uid'))

    op.drop_table('received_instance')
    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_study_study_uid'))
        batch_op.drop_index('ix_study_owner_claimed_at')

    op.drop_table('study')
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_session_login'))

    op.drop_table('session')
    op.drop_table('study_claim')
    op.drop_table('quarantined_object')
    with op.batch_alter_table('delivery_item', schema=None) as batch_op:
        batch_op.drop_index('ix_delivery_item_study_id_state')
        batch_op.drop_index('ix_delivery_item_state_seq')

    op.drop_table('delivery_item')
    op.drop_table('change_cursor')
    op.drop_table('account')

