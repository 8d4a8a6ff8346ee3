"""Two processes of one school at one PostgreSQL, stopped where they wait for each other."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, text

from storage import postgresql, schema
from storage.ids import Ids
from storage.transaction import Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING

LONG = 30.0  # seconds, in which everything here must be over


@dataclass
class Meeting:
    engine: Engine
    one: Transaction
    other: Transaction

    def start(self, step: Callable[[], object]) -> "Step":
        """Run `step` beside us, up to its end or to where it waits for a lock."""
        running = Step(step)
        running.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with self.engine.connect() as watch:
            while running.is_alive() and not watch.execute(waiting).scalar_one():
                watch.rollback()
                running.join(timeout=0.01)
        return running


class Step(threading.Thread):
    """What one process does while we look on."""

    def __init__(self, step: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._step = step
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._step()
        except Exception as error:
            self._error = error

    def end(self) -> None:
        """Wait for its end. Raises what it raised."""
        self.join(timeout=LONG)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error


@contextmanager
def meet(url: str) -> Iterator[Meeting]:
    engine = postgresql.connect_engine(schema.parse(url), size=3)
    with engine.connect() as one, engine.connect() as other:
        yield Meeting(
            engine,
            Transaction(one, MORNING, OAKFIELD, Ids(tag=1)),
            Transaction(other, MORNING, OAKFIELD, Ids(tag=2)),
        )
        one.rollback()
        other.rollback()
    engine.dispose()
