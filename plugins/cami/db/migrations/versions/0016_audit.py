"""The journal."""

import sqlalchemy as sa
from alembic import op


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

#: What was recorded is neither changed nor removed, unless it was put away in a file before.
SQLITE = (
    """
    CREATE TRIGGER audit_record_never_changed BEFORE UPDATE ON audit_record
    BEGIN SELECT RAISE(ABORT, 'a record of the journal is never changed'); END
    """,
    """
    CREATE TRIGGER audit_record_never_removed BEFORE DELETE ON audit_record
    WHEN NOT EXISTS (SELECT 1 FROM audit_archive WHERE server = OLD.server AND last_seq >= OLD.seq)
    BEGIN SELECT RAISE(ABORT, 'a record of the journal is never removed'); END
    """,
)
POSTGRESQL = (
    """
    CREATE FUNCTION audit_record_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND EXISTS (
            SELECT 1 FROM audit_archive WHERE server = OLD.server AND last_seq >= OLD.seq
        ) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'a record of the journal is never changed or removed';
    END $$
    """,
    """
    CREATE TRIGGER audit_record_kept BEFORE UPDATE OR DELETE ON audit_record
    FOR EACH ROW EXECUTE FUNCTION audit_record_keep()
    """,
    """
    CREATE TRIGGER audit_record_not_emptied BEFORE TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION audit_record_keep()
    """,
)


def upgrade() -> None:
    op.create_table('audit_anchor',
    sa.Column('server', sa.String(length=32), nullable=False),
    sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.Column('noted_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('server', 'seq', name=op.f('pk_audit_anchor'))
    )
    op.create_table('audit_archive',
    sa.Column('server', sa.String(length=32), nullable=False),
    sa.Column('last_seq', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('first_seq', sa.BigInteger(), nullable=False),
    sa.Column('last_hash', sa.String(length=64), nullable=False),
    sa.Column('file', sa.String(length=200), nullable=False, comment='name within the folder of the journal'),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of the file'),
    sa.Column('archived_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('server', 'last_seq', name=op.f('pk_audit_archive'))
    )
    op.create_table('audit_cursor',
    sa.Column('reader', sa.String(length=32), nullable=False, comment='centre, collector'),
    sa.Column('server', sa.String(length=32), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('moved_at', sa.DateTime(), nullable=False),
    sa.PrimaryKeyConstraint('reader', 'server', name=op.f('pk_audit_cursor'))
    )
    op.create_table('audit_head',
    sa.Column('server', sa.String(length=32), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('server', name=op.f('pk_audit_head'))
    )
    op.create_table('audit_record',
    sa.Column('server', sa.String(length=32), nullable=False, comment='central, proxy-42001: whose chain'),
    sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False, comment='1, 2, 3 … in the chain'),
    sa.Column('at', sa.DateTime(), nullable=False),
    sa.Column('kind', sa.String(length=24), nullable=False, comment='cami.audit.Kind'),
    sa.Column('outcome', sa.String(length=16), nullable=False, comment='cami.audit.Outcome'),
    sa.Column('actor', sa.String(length=100), nullable=False, comment='login, or name of a machine; empty: a stranger'),
    sa.Column('mo', sa.String(length=16), nullable=False, comment='of the actor'),
    sa.Column('source', sa.String(length=64), nullable=False, comment='network address'),
    sa.Column('patient', sa.String(length=64), nullable=False, comment="Orthanc's key: SHA-1 of the Patient ID"),
    sa.Column('owner', sa.String(length=16), nullable=False, comment='code of the МО whose data it is'),
    sa.Column('subject', sa.String(length=200), nullable=False, comment='account, number of a grant, order, consultation'),
    sa.Column('content', sa.Text(), nullable=False, comment='JSON; what the hash covers (cami.audit.record)'),
    sa.Column('hash', sa.String(length=64), nullable=False, comment='SHA-256 of the content'),
    sa.PrimaryKeyConstraint('server', 'seq', name=op.f('pk_audit_record'))
    )
    op.create_index('ix_audit_record_actor_at', 'audit_record', ['actor', 'at'], unique=False)
    op.create_index('ix_audit_record_at', 'audit_record', ['at', 'server', 'seq'], unique=False)
    op.create_index('ix_audit_record_owner_at', 'audit_record', ['owner', 'at'], unique=False)
    op.create_index('ix_audit_record_patient_at', 'audit_record', ['patient', 'at'], unique=False)

    op.create_table('audit_study',
    sa.Column('study_uid', sa.String(length=64), nullable=False),
    sa.Column('server', sa.String(length=32), nullable=False),
    sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.PrimaryKeyConstraint('study_uid', 'server', 'seq', name=op.f('pk_audit_study'))
    )
    op.create_index('ix_audit_study_server_seq', 'audit_study', ['server', 'seq'], unique=False)
    for statement in {'sqlite': SQLITE, 'postgresql': POSTGRESQL}[op.get_bind().dialect.name]:
        op.execute(sa.text(statement))


def downgrade() -> None:
    op.drop_index('ix_audit_study_server_seq', table_name='audit_study')

    op.drop_table('audit_study')
    op.drop_index('ix_audit_record_patient_at', table_name='audit_record')
    op.drop_index('ix_audit_record_owner_at', table_name='audit_record')
    op.drop_index('ix_audit_record_at', table_name='audit_record')
    op.drop_index('ix_audit_record_actor_at', table_name='audit_record')

    op.drop_table('audit_record')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(sa.text('DROP FUNCTION audit_record_keep()'))
    op.drop_table('audit_head')
    op.drop_table('audit_cursor')
    op.drop_table('audit_archive')
    op.drop_table('audit_anchor')
