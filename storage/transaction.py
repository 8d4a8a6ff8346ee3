"""What a function that reads or writes is given: the transaction it runs in.

A function gets a `Transaction`, asks and changes what it needs through it, and returns. It runs
whole, on a thread, and nothing in it can wait for the network. It has no effect outside the
transaction, so it may be run again after a deadlock.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVarTuple, overload

from sqlalchemy import Connection, CursorResult, Engine, event
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import TypedReturnsRows

from storage import prepared
from storage.ids import Ids, NoTag
from storage.prepared import Answer, Parameters

Ts = TypeVarTuple("Ts")
# Set in `Connection.info` while a function runs.
RUNNING = "a function is running"
ENDING = re.compile(
    r"\s*(?:COMMIT|END|ROLLBACK(?!\s+TO)|ABORT|BEGIN|START|PREPARE)\b", re.IGNORECASE
)


class Busy(Exception):
    """Too much is waiting already; ask again in a moment. Nothing was done."""


class Unavailable(Exception):
    """The database cannot be read or written now: disk full, locked, gone or closed.

    What was asked for is not known to be done. `__cause__` holds the driver's error, for the log.
    """


@dataclass(frozen=True)
class School:
    """What every transaction may know about the house it is in."""

    host: str  # name[:port]
    url: str  # https://host, without a slash at the end
    name: str
    secret: bytes = field(repr=False)  # 32 bytes; private keys in rows are encrypted with it
    # How long whoever moved to another account stays there, before anybody is led on.
    between_moves: timedelta = timedelta(days=7)


def utcnow() -> datetime:
    return datetime.now(UTC)


class Transaction:
    """One function's view of the database, from its start to COMMIT."""

    __slots__ = ("_ids", "_known", "changes", "connection", "now", "school", "topics")

    def __init__(self, connection: Connection, now: datetime, school: School, ids: Ids) -> None:
        self.connection = connection
        self.now = now  # aware UTC, the same all through the transaction
        self.school = school
        self.topics: set[str] = set()  # whom to wake once this is on disk
        self.changes = 0  # statements that were to change something
        self._ids = ids
        self._known: dict[str, dict[Any, Any]] | None = None

    @overload
    def execute(
        self, statement: TypedReturnsRows[*Ts], parameters: Parameters | None = None
    ) -> Answer[*Ts] | CursorResult[*Ts]: ...

    @overload
    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Answer[*tuple[Any, ...]] | CursorResult[*tuple[Any, ...]]: ...

    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Answer[*tuple[Any, ...]] | CursorResult[*tuple[Any, ...]]:
        """Run one statement built with SQLAlchemy Core; text with values in it is not accepted.

        With a list of dictionaries it runs once for each of them. After a failed statement the
        function must end: PostgreSQL refuses whatever follows. Where a conflict is expected, say
        ON CONFLICT.
        """
        if isinstance(statement, UpdateBase):
            self.changes += 1
            if self._known:
                self._known.pop(str(statement.table), None)
        return prepared.run(self.connection, statement, parameters)

    @contextmanager
    def part(self) -> Iterator[None]:
        """What is done inside stays or goes as a whole: if it raises, it is undone, and the
        function may go on. Raises Unavailable where the transaction is lost as a whole: whatever
        SQLite is told after that, it keeps by itself."""
        topics = set(self.topics)
        prepared.say(self.connection, "SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            self.topics = topics
            if self._known:
                self._known.clear()
            try:
                prepared.say(self.connection, "ROLLBACK TO SAVEPOINT part")
                prepared.say(self.connection, "RELEASE SAVEPOINT part")
            except Exception:  # the transaction is lost; why, says what came first
                raise unavailable(error) from error
            raise
        prepared.say(self.connection, "RELEASE SAVEPOINT part")

    def remember(self) -> None:
        """From here on, what queries find in a table and put into `known` is as good as asking
        again, until something is written to that table: for who asks the same many times."""
        self._known = {}

    def known(self, table: str) -> dict[Any, Any] | None:
        """What is remembered of a table; None where nothing is to be remembered."""
        return None if self._known is None else self._known.setdefault(table, {})

    def new_id(self) -> int:
        """A new id: 63 bits, larger than all before, unique among all processes of this school.

        Raises Unavailable while this process has no tag (PostgreSQL went away a moment ago).
        """
        try:
            return self._ids.next(self.now)
        except NoTag as error:
            raise Unavailable("no id can be given until PostgreSQL answers") from error

    @property
    def tag(self) -> int:
        """What tells this process from all others that have this database open now.

        Raises Unavailable while it has none.
        """
        if self._ids.tag is None:
            raise Unavailable("this process is nobody until PostgreSQL answers")
        return self._ids.tag

    def wake(self, topic: str) -> None:
        """After COMMIT, and only then, wake who waits for `topic`, in all processes."""
        self.topics.add(topic)


def forbid_ending(engine: Engine) -> None:
    """See to it that a function cannot end the transaction it runs in, by method or by text:
    others may share it, and what it holds must stay or go as a whole."""

    def refuse(connection: Connection) -> None:
        if not connection.invalidated and connection.info.get(RUNNING):
            raise RuntimeError("a function cannot end the transaction it runs in")

    def read(
        connection: Connection,
        _cursor: Any,
        statement: str,
        _values: Any,
        _context: Any,
        _many: bool,
    ) -> None:
        if ENDING.match(statement):
            refuse(connection)

    event.listen(engine, "commit", refuse)
    event.listen(engine, "rollback", refuse)
    event.listen(engine, "before_cursor_execute", read)


def unavailable(error: BaseException) -> Unavailable:
    """A new Unavailable for each caller: a shared one would gather all their tracebacks."""
    told = Unavailable(_in_words(error))
    told.__cause__ = error
    return told


def _in_words(error: BaseException) -> str:
    """What the driver itself says, in one line: "database or disk is full"."""
    if isinstance(error, Unavailable):
        return str(error)
    said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    return f"the database cannot be used now: {said}"
