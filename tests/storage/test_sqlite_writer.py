"""The one writer of a school's SQLite file, and what it does when the file fails it.

Where a test says `group`, it works the writer by hand, so that it knows what shares a commit.
"""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage.calls import LARGEST_GROUP, Answers, Call, Row, Topics, Work
from storage.database import Busy, Database, Transaction, Unavailable
from storage.sqlite_file import connect_engine, require_durable
from storage.sqlite_writer import LONGEST_GROUP, Writer
from storage.tables import keys
from tests.conftest import OAKFIELD
from tests.storage.writing import (
    PATIENCE,
    among,
    queued,
    remember,
    remember_all,
    remembered,
    writers_busy,
)

MORNING = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)


class Desk:
    """A writer worked by hand."""

    def __init__(self, path: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.seconds = 0.0
        self.written_elsewhere = 0
        self.writer = Writer(
            path,
            OAKFIELD,
            now=lambda: MORNING,
            clock=lambda: self.seconds,
            answers=Answers(self.loop, Topics(self.loop)),
            written_elsewhere=self._note,
        )

    def _note(self) -> None:
        self.written_elsewhere += 1

    def ask(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        call = Call(function, args, {}, self.loop.create_future())
        self.writer.queue.put(call)
        return call.future

    def ask_work(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        work = Work(function, args, {}, self.loop.create_future())
        self.writer.queue.put(work)
        return work.future

    def ask_row(self, function: Callable[..., Any], row: Any) -> asyncio.Future[Any]:
        call = Row(function, (row,), {}, self.loop.create_future())
        self.writer.queue.put(call)
        return call.future

    async def group(self) -> None:
        """One commit, and its answers."""
        self.writer.work()
        await asyncio.sleep(0)


@pytest.fixture
def path(fresh_sqlite: Callable[[], str]) -> str:
    return fresh_sqlite().removeprefix("sqlite:///")


@pytest.fixture
async def desk(path: str) -> AsyncIterator[Desk]:
    made = Desk(path)
    yield made
    made.writer.close()


@pytest.fixture
async def school(path: str) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{path}", OAKFIELD)
    yield opened
    await opened.close()


def on_disk(path: str) -> set[str]:
    """What a program that knows nothing of us finds in the file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return {host for (host,) in connection.execute("SELECT host FROM peers")}
    finally:
        connection.close()


def commits(path: str) -> int:
    """How often the file was committed to since its log began: in a write-ahead log the last
    frame of a commit tells the size of the file. https://www.sqlite.org/fileformat.html#the_write_ahead_log
    """
    log = Path(f"{path}-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    salt = log[16:24]
    frames = [log[at : at + 24] for at in range(32, len(log), 24 + page)]
    return sum(frame[4:8] != bytes(4) and frame[8:16] == salt for frame in frames)


# --- a promise is on disk ----------------------------------------------------------------------


async def test_every_connection_syncs_each_commit_to_the_disk(school: Database) -> None:
    def settings(tx: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "fullfsync", "foreign_keys", "busy_timeout")
        return [tx.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    assert await school.write(settings) == ["wal", 2, 1, 1, 5000]
    assert await school.read(settings) == ["wal", 2, 1, 1, 5000]


@pytest.mark.parametrize(
    "weaker", ["journal_mode = DELETE", "synchronous = NORMAL", "foreign_keys = OFF"]
)
def test_a_file_that_could_lose_commits_is_refused(path: str, weaker: str) -> None:
    engine = connect_engine(path, begin="BEGIN")
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        require_durable(driver)
        driver.execute(f"PRAGMA {weaker}")
        with pytest.raises(Unavailable, match="SQLite must run with"):
            require_durable(driver)
    engine.dispose()


def test_a_database_in_memory_is_refused() -> None:
    engine = connect_engine(":memory:", begin="BEGIN")
    with pytest.raises(Unavailable, match="journal_mode=memory"):
        engine.connect()
    engine.dispose()


def test_a_school_whose_file_is_no_database_does_not_open(path: str) -> None:
    Path(path).write_bytes(b"this is a letter to parents, not a database" * 100)
    with pytest.raises(Unavailable):
        asyncio.run(Database.open(f"sqlite:///{path}", OAKFIELD))


WRITE_UNTIL_KILLED = """
import asyncio, sys
from storage.database import Database
from tests.conftest import OAKFIELD
from tests.storage.writing import remember

async def write_on() -> None:
    database = await Database.open(sys.argv[1], OAKFIELD)
    async def one(lane: int) -> None:
        for n in range(100_000):
            await database.write(remember, f"{lane}-{n}.example")
            print(f"{lane}-{n}.example", flush=True)
    await asyncio.gather(*(one(lane) for lane in range(20)))

asyncio.run(write_on())
"""


def test_what_was_promised_is_there_after_the_process_was_killed(path: str) -> None:
    writing = subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, f"sqlite:///{path}"], stdout=subprocess.PIPE
    )
    assert writing.stdout is not None
    promised = [writing.stdout.readline() for _ in range(300)]
    writing.send_signal(signal.SIGKILL)
    promised += writing.stdout.read().splitlines(keepends=True)
    writing.stdout.close()
    writing.wait()
    told = {line.decode().strip() for line in promised if line.endswith(b"\n")}
    assert len(told) >= 300
    assert told <= on_disk(path)


# --- one commit for many -----------------------------------------------------------------------


async def test_what_has_queued_up_shares_one_commit(desk: Desk, path: str) -> None:
    await desk.group()
    desk.ask(remember, "first.example")
    await desk.group()
    before = commits(path)
    asking = [desk.ask(remember, f"{n}.example") for n in range(50)]
    asking += [desk.ask_row(remember_all, f"row{n}.example") for n in range(50)]
    await desk.group()
    assert all(future.done() for future in asking)
    assert len(on_disk(path)) == 101
    assert commits(path) == before + 1


async def test_nobody_is_answered_before_the_commit(desk: Desk, path: str) -> None:
    seen: list[set[str]] = []

    def look(tx: Transaction) -> None:
        seen.append(on_disk(path))

    first = desk.ask(remember, "first.example")
    desk.ask(look)
    first.add_done_callback(lambda _: seen.append(on_disk(path)))
    await desk.group()
    await asyncio.sleep(0)
    assert seen == [set(), {"first.example"}]


async def test_many_answers_come_in_one_hop_to_the_loop(
    school: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    hops = 0
    hop = loop.call_soon_threadsafe

    def count(*args: Any, **kwargs: Any) -> asyncio.Handle:
        nonlocal hops
        hops += 1
        return hop(*args, **kwargs)

    async with writers_busy(school):
        asking = [asyncio.create_task(school.write(remember, f"{n}.example")) for n in range(200)]
        await queued(*asking)
        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    await asyncio.gather(*asking)
    assert hops < 20  # a group may end after 20 ms, so the number is not certain


async def test_a_function_that_raises_is_undone_alone_within_its_group(
    desk: Desk, path: str
) -> None:
    def stumble(tx: Transaction) -> None:
        remember(tx, "stumbled.example")
        raise LookupError("no such hall")

    asking = [desk.ask(remember, "a.example"), desk.ask(stumble), desk.ask(remember, "b.example")]
    await desk.group()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, LookupError, int]
    assert on_disk(path) == {"a.example", "b.example"}


async def test_the_door_cannot_keep_a_teacher_waiting(desk: Desk, path: str) -> None:
    for n in range(900):
        desk.ask_row(remember_all, f"row{n}.example")
    post = desk.ask(remember, "post.example")
    await desk.group()
    assert post.done()
    assert len(on_disk(path)) == LARGEST_GROUP + 1


async def test_the_teachers_cannot_keep_the_door_waiting(desk: Desk, path: str) -> None:
    for n in range(900):
        desk.ask(remember, f"{n}.example")
    row = desk.ask_row(remember_all, "row.example")
    await desk.group()
    assert row.done()
    assert len(on_disk(path)) == LARGEST_GROUP + 1


async def test_work_in_the_background_keeps_neither_a_teacher_nor_the_door_waiting(
    desk: Desk, path: str
) -> None:
    meanwhile: list[asyncio.Future[Any]] = []

    def work(tx: Transaction, number: int) -> None:
        remember(tx, f"work{number}.example")
        if number == 0:  # somebody comes while it is under way
            meanwhile.append(desk.ask(remember, "post.example"))
            meanwhile.append(desk.ask_row(remember_all, "row.example"))

    working = [desk.ask_work(work, number) for number in range(50)]
    await desk.group()
    assert [future.done() for future in working] == [True] + [False] * 49
    await desk.group()
    assert all(future.done() for future in meanwhile)


async def test_neither_teachers_nor_the_door_keep_the_work_in_the_background_waiting(
    desk: Desk, path: str
) -> None:
    def slowly(tx: Transaction, host: str) -> None:
        remember(tx, host)
        desk.seconds += LONGEST_GROUP

    for n in range(5):
        desk.ask(slowly, f"{n}.example")
        desk.ask_row(remember_all, f"row{n}.example")
    working = desk.ask_work(remember, "work.example")
    await desk.group()
    assert working.done()
    assert len(on_disk(path)) == 7  # all rows, one post, one piece of work


async def test_work_that_nobody_waits_behind_shares_a_commit(desk: Desk, path: str) -> None:
    working = [desk.ask_work(remember, f"{n}.example") for n in range(50)]
    await desk.group()
    assert all(future.done() for future in working)
    assert len(on_disk(path)) == 50


async def test_who_counts_commits_is_told_of_each_and_cannot_stop_the_writer(path: str) -> None:
    told: list[int] = []

    def count(calls: int, seconds: float) -> None:
        told.append(calls)
        raise OSError("the disk of the figures is full")

    school = await Database.open(f"sqlite:///{path}", OAKFIELD, committed=count)
    await school.write(remember, "first.example")
    await school.work(remember, "second.example")
    await school.close()
    assert told == [1, 1]


async def test_a_group_ends_after_twenty_milliseconds(desk: Desk, path: str) -> None:
    def slowly(tx: Transaction, host: str) -> None:
        remember(tx, host)
        desk.seconds += LONGEST_GROUP / 2

    asking = [desk.ask(slowly, f"{n}.example") for n in range(5)]
    await desk.group()
    assert [future.done() for future in asking] == [True, True, False, False, False]
    asking[2].cancel()  # it had not started
    await desk.group()
    assert on_disk(path) == {"0.example", "1.example", "3.example", "4.example"}


async def test_a_caller_cancelled_within_a_group_leaves_nobody_unanswered(
    desk: Desk, path: str
) -> None:
    asking: list[asyncio.Future[Any]] = []

    def cancel_the_first(tx: Transaction) -> None:
        asking[0].cancel()  # its function has run, its commit has not

    asking += [desk.ask(remember, "a.example"), desk.ask(cancel_the_first)]
    asking += [desk.ask(remember, f"{n}.example") for n in range(5)]
    await desk.group()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes[1:])
    assert len(on_disk(path)) == 6


# --- the file fails ----------------------------------------------------------------------------

# One large value ends the transaction behind our back, many small ones end their statement.
FILL_AT_ONCE = "INSERT INTO tombstones VALUES (hex(zeroblob(400000)), 'a', 0)"
FILL_SLOWLY = """
    INSERT INTO tombstones
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    SELECT hex(randomblob(50)), i, 0 FROM n
"""


def nearly_full(tx: Transaction) -> None:
    """Room for some small rows, not for more."""
    pages = tx.execute(text("PRAGMA page_count")).scalar_one()
    tx.execute(text(f"PRAGMA max_page_count = {pages + 20}"))


def room_again(tx: Transaction) -> None:
    tx.execute(text("PRAGMA max_page_count = 1000000"))


def fill(tx: Transaction, statement: str) -> bool:
    tx.execute(text(statement))
    return True


async def test_a_full_disk_that_ends_the_transaction_fails_its_whole_group(
    desk: Desk, path: str
) -> None:
    desk.ask(nearly_full)
    await desk.group()
    asking = [desk.ask_row(remember_all, f"row{n}.example") for n in range(5)]
    asking += [desk.ask(remember, f"{n}.example") for n in range(5)]
    asking += [desk.ask(fill, FILL_AT_ONCE)]
    later = [desk.ask(remember, f"later{n}.example") for n in range(5)]
    await desk.group()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 11
    assert not any(future.done() for future in later)
    assert on_disk(path) == set()
    assert len({id(outcome) for outcome in outcomes}) == 11

    await desk.group()  # the writer goes on
    await asyncio.gather(*later)
    assert on_disk(path) == {f"later{n}.example" for n in range(5)}


async def test_nothing_is_kept_of_what_follows_a_part_that_lost_the_transaction(
    desk: Desk, path: str
) -> None:
    """A savepoint outside of any transaction is one, and would be kept by itself."""

    def in_parts(tx: Transaction) -> None:
        for one in (remember, fill, remember):
            try:
                with tx.part():
                    one(tx, FILL_AT_ONCE if one is fill else f"{tx.new_id()}.example")
            except (Busy, Unavailable):
                raise
            except Exception:
                continue

    desk.ask(nearly_full)
    await desk.group()
    asking = desk.ask(in_parts)
    await desk.group()
    with pytest.raises(Unavailable):
        await asking
    assert on_disk(path) == set()


async def test_a_function_that_hides_a_full_disk_does_not_get_away_with_it(
    desk: Desk, path: str
) -> None:
    def hide(tx: Transaction) -> str:
        try:
            fill(tx, FILL_AT_ONCE)
        except Exception:
            return "all is well"
        return "there was room"

    desk.ask(nearly_full)
    await desk.group()
    asking = [desk.ask(remember, "a.example"), desk.ask(hide), desk.ask(remember, "b.example")]
    await desk.group()
    outcomes = await asyncio.gather(*asking[:2], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 2
    assert on_disk(path) == set()


async def test_a_full_disk_that_ends_one_statement_fails_its_function(
    desk: Desk, path: str
) -> None:
    desk.ask(nearly_full)
    await desk.group()
    asking = [
        desk.ask(remember, "a.example"),
        desk.ask(fill, FILL_SLOWLY),
        desk.ask(remember, "b.example"),
    ]
    await desk.group()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, Unavailable, int]
    assert on_disk(path) == {"a.example", "b.example"}

    desk.ask(room_again)
    again = desk.ask(fill, FILL_SLOWLY)
    await desk.group()
    assert await again


async def test_a_commit_that_fails_fails_everyone_and_the_next_succeeds(
    desk: Desk, path: str
) -> None:
    def promise_a_parent(tx: Transaction) -> None:
        tx.execute(text("PRAGMA defer_foreign_keys = ON"))
        tx.execute(
            keys.insert().values(
                id=1, uri="k", actor_id=404, algorithm="rsa", public=b"", created_at=tx.now
            )
        )

    asking = [
        desk.ask_row(remember_all, "row.example"),
        desk.ask(remember, "a.example"),
        desk.ask(promise_a_parent),
        desk.ask(remember, "b.example"),
    ]
    await desk.group()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4
    assert on_disk(path) == set()

    again = desk.ask(remember, "a.example")
    await desk.group()
    assert await again
    assert on_disk(path) == {"a.example"}


async def test_a_function_that_commits_behind_our_back_fails_its_group(
    desk: Desk, path: str
) -> None:
    def commit(tx: Transaction) -> None:
        tx.connection.connection.cursor().execute("COMMIT")

    def begin_anew(tx: Transaction) -> None:
        cursor = tx.connection.connection.cursor()
        cursor.execute("ROLLBACK")
        cursor.execute("BEGIN")

    for treason in (commit, begin_anew):
        asking = [desk.ask(treason), desk.ask(remember, "b.example")]
        await desk.group()
        with pytest.raises(Unavailable):
            await asking[0]
        assert not asking[1].done()
        await desk.group()
        assert await asking[1]
        assert on_disk(path) == {"b.example"}
        desk.ask(lambda tx: tx.execute(text("DELETE FROM peers")) and None)
        await desk.group()


@contextmanager
def no_room_for(path: str) -> Iterator[None]:
    """The system refuses to let any file of this process grow beyond the log's size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(f"{path}-wal"), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_with_no_room_on_the_disk_nothing_is_promised_and_reading_goes_on(
    school: Database, path: str
) -> None:
    await school.write(remember, "before.example")
    with no_room_for(path):
        asking = [school.write(remember, f"{n}.example") for n in range(20)]
        asking += [school.write_each(remember_all, f"row{n}.example") for n in range(20)]
        async with asyncio.timeout(2):
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
            assert await among(school) == {"before.example"}
    await school.write(remember, "after.example")
    assert on_disk(path) == {"before.example", "after.example"}


async def test_another_process_that_writes_is_waited_for(desk: Desk, path: str) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO peers (id, host, created_at) VALUES (1, 'theirs.example', 0)")
    asking = desk.ask(remember, "ours.example")
    desk.loop.call_later(0.05, other.execute, "COMMIT")
    # The writer blocks, as on its own thread it would, while this loop lets the other commit.
    await asyncio.to_thread(_work_elsewhere, desk, path)
    assert await asking
    assert on_disk(path) == {"theirs.example", "ours.example"}
    other.close()


def _work_elsewhere(desk: Desk, path: str) -> None:
    desk.writer.work()
    desk.writer.close()


async def test_another_process_that_writes_too_long_makes_the_file_unavailable(
    desk: Desk, path: str
) -> None:
    def impatient(tx: Transaction) -> None:
        tx.execute(text("PRAGMA busy_timeout = 20"))

    desk.ask(impatient)
    await desk.group()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asking = [desk.ask(remember, f"{n}.example") for n in range(400)]
    asking += [desk.ask_row(remember_all, f"row{n}.example") for n in range(400)]
    await desk.group()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    other.execute("ROLLBACK")
    other.close()
    again = desk.ask(remember, "again.example")
    await desk.group()
    assert await again
    assert on_disk(path) == {"again.example"}


# --- several processes -------------------------------------------------------------------------

WRITE_SOME = """
import asyncio, json, sys
from storage.database import Database
from tests.conftest import OAKFIELD
from tests.storage.writing import remember

async def write_some() -> list[int]:
    database = await Database.open(sys.argv[1], OAKFIELD)
    ids = [await database.write(remember, f"theirs{n}.example") for n in range(100)]
    await database.close()
    return ids

print(json.dumps(asyncio.run(write_some())))
"""


async def test_a_command_line_and_the_server_write_to_one_file(school: Database, path: str) -> None:
    waiting = asyncio.create_task(school.woken("received", PATIENCE))
    typing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE_SOME, f"sqlite:///{path}", stdout=asyncio.subprocess.PIPE
    )
    assert typing.stdout is not None
    ours = [await school.write(remember, f"ours{n}.example") for n in range(100)]
    theirs = json.loads(await typing.stdout.read())
    assert await typing.wait() == 0
    async with asyncio.timeout(PATIENCE / 2):
        await waiting
    assert len({*ours, *theirs}) == 200
    assert len(await school.read(remembered)) == 200


async def test_the_school_is_not_woken_by_what_it_writes_itself(desk: Desk, path: str) -> None:
    desk.ask(remember, "ours.example")
    await desk.group()
    await desk.group()  # as when the watch saw a change and nudged
    assert desk.written_elsewhere == 0
    other = sqlite3.connect(path)
    other.execute("INSERT INTO peers (id, host, created_at) VALUES (1, 'theirs.example', 0)")
    other.commit()
    other.close()
    await desk.group()
    assert desk.written_elsewhere == 1
    await desk.group()
    assert desk.written_elsewhere == 1


async def test_an_idle_school_is_woken_by_each_write_of_a_command_line(
    school: Database, path: str
) -> None:
    waiting = asyncio.create_task(school.woken("received", PATIENCE))
    other = sqlite3.connect(path)
    for n in range(3):
        other.execute("INSERT INTO peers (id, host, created_at) VALUES (?, ?, 0)", (n, str(n)))
        other.commit()
        async with asyncio.timeout(PATIENCE / 2):
            await waiting
        waiting = asyncio.create_task(school.woken("received", PATIENCE))
    waiting.cancel()
    other.close()


async def test_a_school_whose_writer_dies_of_our_mistake_ends_and_lets_nobody_wait(
    path: str,
) -> None:
    clock = iter([MORNING] * 3)

    def now() -> datetime:
        found = next(clock, None)
        if found is None:
            raise SystemExit("no such mistake is thought of")
        return found

    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
    database = await Database.open(f"sqlite:///{path}", OAKFIELD, now=now)
    try:
        writing = asyncio.gather(*(database.write(remembered) for _ in range(4)))
        with pytest.raises(Unavailable):
            await asyncio.wait_for(writing, PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await asked_to_end.wait()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        await database.close()
