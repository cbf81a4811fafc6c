"""Who may sign in, and who has."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, Text, false

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime


def _of_account() -> Column[str]:
    return Column("login", String(64), ForeignKey("account.login", ondelete="CASCADE"), nullable=False, index=True)


#: People and machines that may sign in (`cami.people.accounts`).
account = Table(
    "account",
    metadata,
    Column("login", String(64), primary_key=True, comment="lower case"),
    Column("name", String(200), nullable=False),
    Column("role", String(32), nullable=False),
    Column("mo", String(16), nullable=False, server_default="", comment="empty: of the region"),
    Column("password_hash", Text, nullable=False, comment="argon2id; an exclamation mark: no password"),
    Column("disabled", Boolean, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0", comment="wrong passwords or codes in a row"),
    Column("locked_until", UtcDateTime),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("password_at", UtcDateTime, comment="when the password was set; empty: with the account"),
    Column("must_change", Boolean, nullable=False, server_default=false(), comment="somebody else made the password"),
    Column("unlocked_at", UtcDateTime, comment="when an administrator last lifted the lock"),
    Column("signed_in_at", UtcDateTime),
    Column("totp_secret", Text, comment="encrypted (cami.people.vault)"),
    Column("totp_at", UtcDateTime, comment="when it was confirmed; empty: not in force"),
    Column("totp_step", BigInteger, comment="the last step of 30 s whose code was used"),
    Column("issuer", String(300), comment="the identity provider that vouches for this account"),
    Column("subject", String(64), comment="SHA-256 of the subject there"),
)

#: What somebody is besides, in another МО (`cami.people.places`).
account_place = Table(
    "account_place",
    metadata,
    Column("login", String(64), ForeignKey("account.login", ondelete="CASCADE"), primary_key=True),
    Column("mo", String(16), primary_key=True),
    Column("role", String(32), nullable=False),
)

#: Passwords that may not come again.
former_password = Table(
    "former_password",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _of_account(),
    Column("password_hash", Text, nullable=False),
    Column("replaced_at", UtcDateTime, nullable=False),
)

#: Codes that stand in for a lost authenticator, each once (`cami.people.second_factor`).
recovery_code = Table(
    "recovery_code",
    metadata,
    Column("code_hash", String(64), primary_key=True, comment="HMAC-SHA-256"),
    _of_account(),
    Column("used_at", UtcDateTime),
)

#: Passwords of programs that use HTTP Basic for somebody (`cami.people.program_passwords`).
program_password = Table(
    "program_password",
    metadata,
    Column("password_hash", String(64), primary_key=True, comment="SHA-256 of 160 random bits"),
    _of_account(),
    Column("name", String(100), nullable=False, comment="what it is for"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

#: Signed-in browsers (`cami.people.sessions`).
session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="SHA-256 of the cookie"),
    _of_account(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("address", String(64), nullable=False, server_default=""),
    Column("browser", String(200), nullable=False, server_default=""),
    Column("factor", Boolean, nullable=False, server_default=false(), comment="a second factor was shown"),
    Column("provider", Boolean, nullable=False, server_default=false(), comment="an identity provider vouched"),
    Column("mo", String(16), comment="of the place that was chosen; empty text: the account's own; null: none yet"),
    Column("provider_session", String(64), index=True, comment="SHA-256 of the sid there, if the provider names one"),
)

#: Sign-ins that are at the identity provider (`cami.people.openid`).
provider_visit = Table(
    "provider_visit",
    metadata,
    Column("state_hash", String(64), primary_key=True, comment="SHA-256"),
    Column("browser_hash", String(64), nullable=False, comment="SHA-256 of the cookie of the browser that went there"),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("return_to", String(300), nullable=False),
    Column("next", String(2000), nullable=False),
    Column("login", String(64), nullable=False, server_default="", comment="who is asked again, to sign; else empty"),
    Column("began_at", UtcDateTime, nullable=False),
)

#: When a proxy last had its МО's accounts from the centre (`cami.people.copies`); one row.
accounts_copy = Table(
    "accounts_copy",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("fetched_at", UtcDateTime, nullable=False),
)
