"""What was sent against what is stored: contents, damage, rereading, reports of proxies, commitment requests."""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('commitment_request',
    sa.Column('request', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('transaction_uid', sa.String(length=64), nullable=False),
    sa.Column('aet', sa.String(length=16), nullable=False, comment='of the device'),
    sa.Column('job', sa.String(length=64), nullable=False, comment="Orthanc's job that sends the report"),
    sa.Column('items', sa.Text(), nullable=False, comment='JSON: pairs of SOP Class UID and SOP Instance UID'),
    sa.Column('requested_at', sa.DateTime(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False, comment='open, reported, given-up'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False, comment='to report again'),
    sa.Column('next_at', sa.DateTime(), nullable=False, comment='when to look at it or to report again'),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='when it was reported or given up'),
    sa.PrimaryKeyConstraint('request', name=op.f('pk_commitment_request')),
    sa.UniqueConstraint('job', name=op.f('uq_commitment_request_job'))
    )
    with op.batch_alter_table('commitment_request', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_commitment_request_state'), ['state'], unique=False)

    op.create_table('proxy_report',
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('started_at', sa.DateTime(), nullable=False),
    sa.Column('cause', sa.String(length=16), nullable=False),
    sa.Column('ended_at', sa.DateTime(), nullable=False),
    sa.Column('studies', sa.Integer(), nullable=False),
    sa.Column('instances', sa.Integer(), nullable=False),
    sa.Column('unknown', sa.Integer(), nullable=False),
    sa.Column('missing', sa.Integer(), nullable=False),
    sa.Column('different', sa.Integer(), nullable=False),
    sa.Column('lost', sa.Integer(), nullable=False),
    sa.Column('absent', sa.Integer(), nullable=False),
    sa.Column('reported_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('mo', 'started_at', name=op.f('pk_proxy_report'))
    )
    op.create_table('scrub_round',
    sa.Column('round', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('began_at', sa.DateTime(), nullable=False),
    sa.Column('ended_at', sa.DateTime(), nullable=True, comment='empty while it runs'),
    sa.Column('place', sa.String(length=64), server_default='', nullable=False, comment='the last instance that was read'),
    sa.Column('files', sa.Integer(), server_default='0', nullable=False),
    sa.Column('size', sa.BigInteger(), server_default='0', nullable=False, comment='bytes read'),
    sa.Column('damaged', sa.Integer(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('round', name=op.f('pk_scrub_round'))
    )
    op.create_table('sent_content',
    sa.Column('instance_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('series_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('pixels', sa.String(length=80), nullable=True, comment='digest of the pixel data; empty: it cannot be told'),
    sa.Column('verified_at', sa.DateTime(), nullable=True, comment='when the centre said that it stores the same pixels'),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_sent_content'))
    )
    op.create_table('study_completeness',
    sa.Column('study_id', sa.String(length=64), nullable=False),
    sa.Column('series', sa.Integer(), server_default='0', nullable=False, comment='of which something is stored'),
    sa.Column('instances', sa.Integer(), server_default='0', nullable=False, comment='stored'),
    sa.Column('expected_series', sa.Integer(), nullable=True, comment="by the proxy's last manifest; empty: it did not say"),
    sa.Column('pixels_same', sa.Integer(), server_default='0', nullable=False, comment='instances, by the last manifest'),
    sa.Column('pixels_other', sa.Integer(), server_default='0', nullable=False),
    sa.Column('manifest_at', sa.DateTime(), nullable=True, comment='when the last manifest came'),
    sa.ForeignKeyConstraint(['study_id'], ['study.study_id'], name=op.f('fk_study_completeness_study_id_study')),
    sa.PrimaryKeyConstraint('study_id', name=op.f('pk_study_completeness'))
    )
    op.create_table('file_damage',
    sa.Column('instance_id', sa.String(length=64), nullable=False),
    sa.Column('study_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False, comment='damaged, missing'),
    sa.Column('found_at', sa.DateTime(), nullable=False),
    sa.Column('replacing_at', sa.DateTime(), nullable=True, comment='when replacing it began; empty once it has ended'),
    sa.Column('marks', sa.Text(), nullable=True, comment='JSON: labels and metadata of the study, while it is being replaced'),
    sa.Column('kept_as', sa.String(length=64), nullable=True, comment='SHA-256 of the damaged bytes in the quarantine'),
    sa.Column('repaired_at', sa.DateTime(), nullable=True, comment='when a whole file stood in its place; empty: not yet'),
    sa.ForeignKeyConstraint(['instance_id'], ['received_instance.instance_id'], name=op.f('fk_file_damage_instance_id_received_instance')),
    sa.ForeignKeyConstraint(['study_id'], ['study.study_id'], name=op.f('fk_file_damage_study_id_study')),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_file_damage'))
    )
    with op.batch_alter_table('file_damage', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_file_damage_repaired_at'), ['repaired_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_file_damage_study_id'), ['study_id'], unique=False)

    op.create_table('stored_content',
    sa.Column('instance_id', sa.String(length=64), nullable=False),
    sa.Column('series_id', sa.String(length=64), nullable=False, comment='Orthanc id'),
    sa.Column('dataset', sa.String(length=64), nullable=True, comment='SHA-256 of all attributes but pixels; empty: it cannot be told'),
    sa.Column('native', sa.String(length=64), nullable=True, comment='SHA-256 of the uncompressed pixel data; empty: there is none'),
    sa.Column('encapsulated', sa.String(length=64), nullable=True, comment='SHA-256 of the compressed fragments; empty: there are none'),
    sa.Column('read_at', sa.DateTime(), nullable=True, comment='when the above were read from the disk; empty: not yet'),
    sa.Column('claimed', sa.String(length=80), nullable=True, comment='digest of the pixel data by the proxy'),
    sa.Column('agrees', sa.Boolean(), nullable=True, comment='whether claimed and stored pixels are the same; empty: not compared'),
    sa.ForeignKeyConstraint(['instance_id'], ['received_instance.instance_id'], name=op.f('fk_stored_content_instance_id_received_instance')),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_stored_content'))
    )
    with op.batch_alter_table('stored_content', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_stored_content_read_at'), ['read_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_stored_content_series_id'), ['series_id'], unique=False)

    with op.batch_alter_table('reconciliation', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reported_at', sa.DateTime(), nullable=True, comment='when the centre was told how it ended'))

    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.create_index('ix_study_claimed_at', ['claimed_at'], unique=False)

    # What is stored already is read in the background; its series are found then.
    op.execute("INSERT INTO stored_content (instance_id, series_id) SELECT instance_id, '' FROM received_instance")
    op.execute(
        'INSERT INTO study_completeness (study_id, instances) SELECT study.study_id, count(received_instance.stored_at)'
        ' FROM study LEFT JOIN received_instance ON received_instance.study_id = study.study_id GROUP BY study.study_id'
    )



def downgrade() -> None:
    with op.batch_alter_table('study', schema=None) as batch_op:
        batch_op.drop_index('ix_study_claimed_at')

    with op.batch_alter_table('reconciliation', schema=None) as batch_op:
        batch_op.drop_column('reported_at')

    with op.batch_alter_table('stored_content', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_stored_content_series_id'))
        batch_op.drop_index(batch_op.f('ix_stored_content_read_at'))

    op.drop_table('stored_content')
    with op.batch_alter_table('file_damage', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_file_damage_study_id'))
        batch_op.drop_index(batch_op.f('ix_file_damage_repaired_at'))

    op.drop_table('file_damage')
    op.drop_table('study_completeness')
    op.drop_table('sent_content')
    op.drop_table('scrub_round')
    op.drop_table('proxy_report')
    with op.batch_alter_table('commitment_request', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_commitment_request_state'))

    op.drop_table('commitment_request')
