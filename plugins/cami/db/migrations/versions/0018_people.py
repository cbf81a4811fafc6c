"""Passwords that people choose, second factors, places in several МО, identity providers, the age of copied accounts."""

import sqlalchemy as sa
from alembic import op

import cami.db.types


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:

    with op.batch_alter_table('account', schema=None) as batch_op:
        batch_op.add_column(sa.Column('password_at', cami.db.types.UtcDateTime(), nullable=True, comment='when the password was set; empty: with the account'))
        batch_op.add_column(sa.Column('must_change', sa.Boolean(), server_default=sa.false(), nullable=False, comment='somebody else made the password'))
        batch_op.add_column(sa.Column('unlocked_at', cami.db.types.UtcDateTime(), nullable=True, comment='when an administrator last lifted the lock'))
        batch_op.add_column(sa.Column('signed_in_at', cami.db.types.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('totp_secret', sa.Text(), nullable=True, comment='encrypted (cami.people.vault)'))
        batch_op.add_column(sa.Column('totp_at', cami.db.types.UtcDateTime(), nullable=True, comment='when it was confirmed; empty: not in force'))
        batch_op.add_column(sa.Column('totp_step', sa.BigInteger(), nullable=True, comment='the last step of 30 s whose code was used'))
        batch_op.add_column(sa.Column('issuer', sa.String(length=300), nullable=True, comment='the identity provider that vouches for this account'))
        batch_op.add_column(sa.Column('subject', sa.String(length=64), nullable=True, comment='SHA-256 of the subject there'))

    op.execute('UPDATE account SET password_at = changed_at')

    # Who is signed in has shown no second factor and chosen no place: they sign in anew.
    op.execute('DELETE FROM session')
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.add_column(sa.Column('address', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('browser', sa.String(length=200), server_default='', nullable=False))
        batch_op.add_column(sa.Column('factor', sa.Boolean(), server_default=sa.false(), nullable=False, comment='a second factor was shown'))
        batch_op.add_column(sa.Column('provider', sa.Boolean(), server_default=sa.false(), nullable=False, comment='an identity provider vouched'))
        batch_op.add_column(sa.Column('mo', sa.String(length=16), nullable=True, comment="of the place that was chosen; empty text: the account's own; null: none yet"))

    op.create_table('account_place',
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('mo', sa.String(length=16), nullable=False),
    sa.Column('role', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['login'], ['account.login'], name=op.f('fk_account_place_login_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('login', 'mo', name=op.f('pk_account_place'))
    )
    op.create_table('accounts_copy',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('fetched_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_accounts_copy'))
    )
    op.create_table('former_password',
    sa.Column('number', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.Column('replaced_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['login'], ['account.login'], name=op.f('fk_former_password_login_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_former_password'))
    )
    op.create_index(op.f('ix_former_password_login'), 'former_password', ['login'], unique=False)
    op.create_table('program_password',
    sa.Column('password_hash', sa.String(length=64), nullable=False, comment='SHA-256 of 160 random bits'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False, comment='what it is for'),
    sa.Column('created_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('expires_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.Column('used_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['login'], ['account.login'], name=op.f('fk_program_password_login_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('password_hash', name=op.f('pk_program_password'))
    )
    op.create_index(op.f('ix_program_password_login'), 'program_password', ['login'], unique=False)
    op.create_table('provider_visit',
    sa.Column('state_hash', sa.String(length=64), nullable=False, comment='SHA-256'),
    sa.Column('browser_hash', sa.String(length=64), nullable=False, comment='SHA-256 of the cookie of the browser that went there'),
    sa.Column('nonce', sa.String(length=64), nullable=False),
    sa.Column('verifier', sa.String(length=128), nullable=False),
    sa.Column('return_to', sa.String(length=300), nullable=False),
    sa.Column('next', sa.String(length=2000), nullable=False),
    sa.Column('began_at', cami.db.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('state_hash', name=op.f('pk_provider_visit'))
    )
    op.create_table('recovery_code',
    sa.Column('code_hash', sa.String(length=64), nullable=False, comment='HMAC-SHA-256'),
    sa.Column('login', sa.String(length=64), nullable=False),
    sa.Column('used_at', cami.db.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['login'], ['account.login'], name=op.f('fk_recovery_code_login_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('code_hash', name=op.f('pk_recovery_code'))
    )
    op.create_index(op.f('ix_recovery_code_login'), 'recovery_code', ['login'], unique=False)


def downgrade() -> None:

    for table in ('recovery_code', 'program_password', 'former_password'):
        op.drop_index(op.f(f'ix_{table}_login'), table_name=table)
        op.drop_table(table)
    for table in ('provider_visit', 'accounts_copy', 'account_place'):
        op.drop_table(table)
    with op.batch_alter_table('session', schema=None) as batch_op:
        for column in ('mo', 'provider', 'factor', 'browser', 'address'):
            batch_op.drop_column(column)
    with op.batch_alter_table('account', schema=None) as batch_op:
        for column in ('subject', 'issuer', 'totp_step', 'totp_at', 'totp_secret', 'signed_in_at', 'unlocked_at', 'must_change', 'password_at'):
            batch_op.drop_column(column)
