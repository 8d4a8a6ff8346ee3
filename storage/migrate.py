"""Bring a school's database to the tables that this version of Staffroom needs.

Everything happens in one transaction: a migration that is interrupted leaves the database as it
was, and can be run again. A database made by a newer Staffroom is left alone.
"""

import logging
import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from storage import schema
from storage.transaction import unavailable

MIGRATION_LOCK = 0x53544D47  # PostgreSQL: one process migrates, others wait


def upgrade(url: str) -> None:
    """Make the tables, or bring them up to date. Raises NewerSchema, Unavailable."""
    address = schema.parse(url)
    if address.get_backend_name() == "sqlite":
        _create_file(Path(address.database or ""))
    with schema.connected(address, writing=True) as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            # With foreign keys on, rebuilding a table deletes every row that points to it.
            # Only before BEGIN does SQLite take this.
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            if not sqlite:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
                )
            if schema.state_of(connection) == "newer":
                raise schema.newer()
            _run(connection)
            if sqlite:
                _check_references(connection)


def _run(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.WARNING)  # it tells each step to whoever listens
    try:
        command.upgrade(config, "head")
    finally:
        logger.setLevel(level)


def _check_references(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).fetchmany(5)
    if broken:
        raise RuntimeError(f"the migration would leave rows that point nowhere: {broken}")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS).replace("%", "%%"))
    return config


def _create_file(path: Path) -> None:
    """Make the file if need be, for our eyes only; its log files take after it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise unavailable(error) from error
