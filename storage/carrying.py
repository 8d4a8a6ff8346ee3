"""A school moves from its SQLite file to PostgreSQL, with everything it keeps.

Nobody writes to the file meanwhile, and the file stays as it was: there is a way back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect

from storage import backup, copying, schema, snapshot
from storage.backup import NotEmpty
from storage.copying import Progress


@dataclass(frozen=True, slots=True)
class Carried:
    """How many rows a table has on both sides."""

    table: str
    before: int
    after: int


@contextmanager
def carried(source: str, target: str, progress: Progress) -> Iterator[list[Carried]]:
    """Bring everything from the SQLite file at `source` to PostgreSQL at `target`, which is empty.

    While the body runs, everything is there and nobody has written to the file since. If the
    copy fails, `target` is empty again. Raises NotEmpty, Incomplete, NewerSchema, OlderSchema,
    Unavailable.
    """
    schema.require_current(source)
    _require_empty(target)
    address = schema.parse(source)
    with schema.connected(address, writing=True) as connection, connection.begin():
        before = copying.count(connection)
        backup.give_to_postgresql(Path(address.database or ""), target, progress)
        with snapshot.of(target) as tx:
            after = copying.count(tx.connection)
        yield [Carried(name, rows, after[name]) for name, rows in before.items()]


def _require_empty(url: str) -> None:
    """Raises NotEmpty. Tables without rows are what an attempt leaves that was broken off."""
    address = schema.parse(url)
    with schema.connected(address) as connection:
        if not inspect(connection).get_table_names():
            return
        ours = schema.state_of(connection) == "current"
        if not ours or any(copying.count(connection).values()):
            raise NotEmpty(f"the database {address.database} is in use already: give an empty one")
