"""Bring the database of a server to this release: ``python3 -m cami.db.migrate URL``.

Runs in a process of its own (`cami.boot` starts it), because importing Alembic takes a second and 40 MB that a DICOM
server should not pay. One transaction: a migration that fails leaves the database as it was.
"""

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from cami.db.engine import open_engine


def alembic_config() -> Config:
    """Return Alembic's configuration, made in code: there is no ini file to keep in step."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def migrate(url: str) -> None:
    """Create or upgrade the database at a SQLAlchemy `url` to the newest revision."""
    config = alembic_config()
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2 and "CAMI_DATABASE" not in os.environ:
        sys.exit("usage: python3 -m cami.db.migrate URL")
    migrate(sys.argv[1] if len(sys.argv) == 2 else os.environ["CAMI_DATABASE"])
