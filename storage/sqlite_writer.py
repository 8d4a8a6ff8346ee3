"""The one thread that writes to a school's SQLite file.

It takes what has queued up, gives each function a savepoint, commits once, and answers everyone:
a promise is on disk before it is made, and many share the cost of one fsync. A function that
raises is undone alone. A full disk may end the whole transaction behind our back, and a failing
COMMIT always does: then everyone in the group is told that nothing was kept. From then on only
what is vital is written, in the place of the reserve, until there is room again.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import SQLAlchemyError

from storage.calls import (
    LARGEST_GROUP,
    Answers,
    Call,
    Committed,
    Queue,
    Vital,
    by_function,
    run_rows,
    told,
)
from storage.ids import Ids, highest_id, limit
from storage.reserve import Reserve
from storage.sqlite_file import connect_engine, driver_of, explained, for_want_of_room, roll_back
from storage.transaction import RUNNING, School, Transaction, Unavailable, unavailable

log = logging.getLogger(__name__)

LONGEST_GROUP = 0.020  # seconds; a function not started by then goes with the next group
HIGHEST_ID = str(highest_id())

Trouble = (SQLAlchemyError, sqlite3.Error)


class GroupEnded(Exception):
    """The transaction of the group is gone before its COMMIT. `__cause__` says why."""


class Writer:
    """Owns the connection that writes. All its methods run on one thread."""

    def __init__(
        self,
        path: str,
        school: School,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        answers: Answers,
        written_elsewhere: Callable[[], None],
        committed: Committed | None = None,
    ) -> None:
        self.queue = Queue()
        self.reserve: Reserve | None = None  # set by whoever serves the school
        self._engine: Engine = connect_engine(path, begin="BEGIN IMMEDIATE")
        self._school = school
        self._now = now
        self._clock = clock
        self._answers = answers
        self._written_elsewhere = written_elsewhere
        self._committed = committed
        self._in_hand: list[Call] = []  # of the group that is being written, or was last
        self._ids = Ids(tag=0)  # one tag will do: see _look
        self._connection: Connection | None = None
        self._looked = False
        self._file_version: int | None = None

    def run(self, ready: Callable[[], None]) -> None:
        """Work until the queue is closed and empty. Whatever another process writes after
        `ready` was called is noticed."""
        self.work()
        ready()
        while self.queue.wait():
            self.work()
        self.close()

    def work(self) -> None:
        """Do one group of what is queued; without a queue, look whether someone else wrote."""
        self._refuse_if_full()
        waiting = len(self.queue)
        try:
            connection = self._connected()
            if not waiting:
                self._look(connection)
                return
            transaction = connection.begin()
        except Exception as error:
            # Nobody can write now, so nobody who waited through this goes on waiting.
            self._disconnect()
            self._fail(self._once_more(self.queue.take_oldest(waiting), error), error)
            return
        self._commit_group(connection, transaction)

    def refuse_all(self, error: BaseException) -> None:
        """Nothing is written any more: whoever waits is told, and so is whoever comes."""
        self.queue.close()
        self._fail([*self._in_hand, *self.queue.take_oldest(len(self.queue))], error)

    def close(self) -> None:
        if self.reserve is not None:
            self.reserve.remove()
        self._disconnect()
        self._engine.dispose()

    def _commit_group(self, connection: Connection, transaction: RootTransaction) -> None:
        calls = self._in_hand = []
        topics: set[str] = set()
        began = self._clock()
        try:
            self._look(connection)
            self._run_rows(connection, calls, topics)
            end = self._clock() + LONGEST_GROUP
            self._run_calls(connection, calls, topics, end)
            self._run_work(connection, calls, topics, end)
            transaction.commit()
        except Exception as error:
            log.warning("nothing of %d calls was written: %s", len(calls), error)
            self._roll_back(connection, transaction)
            self._fail(self._once_more(calls, error), error)
        else:
            self._answers.give(calls, topics)
            told(self._committed, len(calls), self._clock() - began)

    def _run_rows(self, connection: Connection, calls: list[Call], topics: set[str]) -> None:
        """Rows of one function are one call: a savepoint for each would halve the door's rate.
        If it fails, each row is tried alone, so that only the bad one is refused."""
        rows = self.queue.take_rows()
        calls.extend(rows)
        for part in by_function(rows):
            results, error = self._attempt(connection, partial(run_rows, rows=part), topics)
            if error is None:
                for row, result in zip(part, results, strict=True):
                    row.result = result
            elif len(part) == 1:
                part[0].error = error
            else:
                for row in part:
                    row.result, row.error = self._attempt(connection, row.run, topics)

    def _run_calls(
        self, connection: Connection, calls: list[Call], topics: set[str], end: float
    ) -> None:
        """At least one call in each group, however many rows there are."""
        for _ in range(LARGEST_GROUP):
            call = self.queue.take()
            if call is None:
                return
            calls.append(call)
            call.result, call.error = self._attempt(connection, call.run, topics)
            if self._clock() >= end:
                return

    def _run_work(
        self, connection: Connection, calls: list[Call], topics: set[str], end: float
    ) -> None:
        """At least one piece of work in each group, more while there is time and nobody waits."""
        for _ in range(LARGEST_GROUP):
            work = self.queue.take_work()
            if work is None:
                return
            calls.append(work)
            work.result, work.error = self._attempt(connection, work.run, topics)
            if self._clock() >= end or self.queue.somebody_waits():
                return

    def _attempt(
        self, connection: Connection, run: Callable[[Transaction], Any], topics: set[str]
    ) -> tuple[Any, BaseException | None]:
        """Run one function between savepoints: its result, or its error and no trace of it.

        Raises GroupEnded where the transaction is gone, whoever ended it.
        """
        driver = driver_of(connection)
        driver.execute("SAVEPOINT staffroom_call")
        tx = Transaction(connection, self._now(), self._school, self._ids)
        connection.info[RUNNING] = True
        result, error = None, None
        try:
            result = run(tx)
        except BaseException as raised:
            error = raised
        connection.info[RUNNING] = False
        transaction = connection.get_transaction()
        if not (driver.in_transaction and transaction is not None and transaction.is_active):
            raise GroupEnded("the transaction ended inside a function") from error
        if self._is_first_without_room(error):
            raise GroupEnded("the disk is full") from error
        try:
            if error is not None:
                driver.execute("ROLLBACK TO staffroom_call")
            driver.execute("RELEASE staffroom_call")
        except sqlite3.Error as lost:
            raise GroupEnded("the savepoint ended inside a function") from lost
        if error is not None:
            return None, explained(error)
        topics |= tx.topics
        return result, None

    def _refuse_if_full(self) -> None:
        """From when the disk was found full until there is room: nothing but what is vital."""
        if self.reserve is not None and self.reserve.spent and not self.reserve.regained():
            refused = self.queue.take_all_but_vital()
            if refused:
                self._fail(refused, Unavailable("the disk is full"))

    def _is_first_without_room(self, error: BaseException | None) -> bool:
        reserve = self.reserve
        if reserve is None or reserve.spent:
            return False
        return for_want_of_room(error, reserve.no_room)

    def _once_more(self, calls: list[Call], error: Exception) -> list[Call]:
        """If it was the disk that is full, give up the reserve and let the vital ones of `calls`
        have its room. Answers those who have to hear that it failed."""
        if self.reserve is None or not self._is_first_without_room(error):
            return calls
        self.reserve.give_up()
        self.queue.give_back(call for call in calls if isinstance(call, Vital))
        return [call for call in calls if not isinstance(call, Vital)]

    def _look(self, connection: Connection) -> None:
        """Has another process written? Then its ids are taken, and somebody here may wait for
        what it wrote. Inside a transaction of ours nobody can follow, so that one id tag does
        for all processes of a file: who writes next starts above whatever stands there."""
        driver = driver_of(connection)
        (version,) = driver.execute("PRAGMA data_version").fetchone()
        if version == self._file_version:
            return
        first, self._looked, self._file_version = not self._looked, True, version
        (highest,) = driver.execute(HIGHEST_ID, {"limit": limit(self._now())}).fetchone()
        self._ids.rise_above(highest)
        if not first:
            self._written_elsewhere()

    def _fail(self, calls: list[Call], error: BaseException) -> None:
        for call in calls:
            call.fail(unavailable(error))
        self._answers.give(calls, set())

    def _roll_back(self, connection: Connection, transaction: RootTransaction) -> None:
        try:
            roll_back(connection, transaction)
        except Exception:  # this thread must not end; a new connection starts clean
            self._disconnect()

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._file_version = None
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*Trouble):
                connection.close()
