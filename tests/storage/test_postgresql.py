"""What only PostgreSQL does to us: deadlocks, lost connections, restarts, other processes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage.database import Database, Transaction, Unavailable
from storage.ids import TAG_LOCKS
from storage.postgresql import RERUNS
from tests.conftest import OAKFIELD, PostgresqlServer, started_postgresql
from tests.storage.writing import PATIENCE, among, remember, remember_all, remembered

MORNING = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)

TERMINATE_OTHERS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
TERMINATE_LISTENER = """
    SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid <> pg_backend_pid()
"""
TAKE_TAGS = "SELECT pg_advisory_lock(%s, tag) FROM generate_series(%s::int, %s::int) AS tag"
TAGS_IN_USE = """
    SELECT objid::int FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY objid
"""


@pytest.fixture
def url(fresh_postgresql: Callable[[], str]) -> str:
    return fresh_postgresql()


@pytest.fixture
async def school(url: str) -> AsyncIterator[Database]:
    opened = await Database.open(url, OAKFIELD)
    yield opened
    await opened.close()


@pytest.fixture
def outside(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection that is none of ours."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


async def patiently(action: Callable[[], Any]) -> Any:
    """What `action` gives once the database is back."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await action()
            except Unavailable:
                await asyncio.sleep(0)


# --- run again ---------------------------------------------------------------------------------


async def test_two_who_wait_for_each_other_both_get_their_way(school: Database) -> None:
    await school.write(remember, "a.example")
    await school.write(remember, "b.example")
    both_hold_one = threading.Barrier(2, timeout=PATIENCE)
    one_is_through = threading.Event()
    runs: list[str] = []

    def count(tx: Transaction, first: str, then: str) -> None:
        runs.append(first)
        if runs.count(first) == 2:
            assert one_is_through.wait(PATIENCE)
        failures = text("UPDATE peers SET failures = failures + 1 WHERE host = :host")
        tx.execute(failures, {"host": first})
        if runs.count(first) == 1:
            both_hold_one.wait()
        tx.execute(failures, {"host": then})

    async def want(first: str, then: str) -> None:
        await school.write(count, first, then)
        one_is_through.set()

    await asyncio.gather(want("a.example", "b.example"), want("b.example", "a.example"))
    counted = await school.read(
        lambda tx: tx.execute(text("SELECT failures FROM peers")).scalars().all()
    )
    assert list(counted) == [2, 2]
    assert len(runs) == 3


async def test_a_serialization_failure_is_run_again(school: Database) -> None:
    """Each looks whether the other is there before it comes: both at once cannot be true."""
    both_looked = threading.Barrier(2, timeout=PATIENCE)
    runs: list[str] = []

    def come_alone(tx: Transaction, host: str) -> bool:
        tx.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        runs.append(host)
        alone = not remembered(tx)
        if len(runs) <= 2:
            both_looked.wait()
        if alone:
            remember(tx, host)
        return alone

    came = await asyncio.gather(
        school.write(come_alone, "a.example"), school.write(come_alone, "b.example")
    )
    assert sorted(came) == [False, True]
    assert len(runs) == 3
    assert len(await among(school)) == 1


async def test_what_fails_each_time_is_given_up(school: Database) -> None:
    runs = 0

    def never(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        tx.execute(text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"))

    with pytest.raises(Unavailable):
        await school.write(never)
    assert runs == RERUNS + 1


async def test_only_the_run_that_stays_wakes_and_writes(school: Database) -> None:
    runs = 0

    def second_time(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        remember(tx, f"{runs}.example")
        tx.wake("received" if runs == 1 else "deliveries")
        if runs == 1:
            tx.execute(text("DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = '40P01'; END $$"))

    waiting = asyncio.create_task(school.woken("received", PATIENCE))
    await asyncio.sleep(0)
    await school.write(second_time)
    async with asyncio.timeout(PATIENCE / 2):
        await school.woken("deliveries", PATIENCE)
    assert not waiting.done()
    waiting.cancel()
    assert await among(school) == {"2.example"}


async def test_rows_that_meet_a_deadlock_are_run_again(school: Database) -> None:
    runs = 0

    def add(tx: Transaction, hosts: list[str]) -> list[int]:
        nonlocal runs
        runs += 1
        ids = remember_all(tx, hosts)
        if runs == 1:
            tx.execute(text("DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = '40P01'; END $$"))
        return ids

    await school.write_each(add, "a.example")
    assert await among(school) == {"a.example"}


# --- errors that are not ours to repeat --------------------------------------------------------


async def test_a_function_that_goes_on_after_a_failed_statement_is_an_error(
    school: Database,
) -> None:
    """COMMIT would answer ROLLBACK, and the caller would believe it is written."""

    def go_on(tx: Transaction) -> str:
        remember(tx, "a.example")
        with suppress(IntegrityError):
            remember(tx, "a.example")
        return "written"

    with pytest.raises(RuntimeError, match="failed statement"):
        await school.write(go_on)
    assert await among(school) == set()


async def test_a_lock_that_is_not_had_in_time_makes_the_database_unavailable(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    def impatient(tx: Transaction) -> None:
        tx.execute(text("SET LOCAL lock_timeout = '20ms'"))
        remember(tx, "a.example")

    patience = await school.read(lambda tx: tx.execute(text("SHOW lock_timeout")).scalar())
    assert patience == "5s"
    with outside.transaction():
        outside.execute("LOCK TABLE peers")
        with pytest.raises(Unavailable):
            await school.write(impatient)
    await school.write(impatient)


async def test_a_wrong_statement_is_told_as_it_is_and_without_its_values(
    school: Database,
) -> None:
    secret = text("INSERT INTO nowhere VALUES (:words)")
    with pytest.raises(DBAPIError) as caught:
        await school.write(lambda tx: tx.execute(secret, {"words": "between us"}) and None)
    assert "between us" not in str(caught.value)


# --- connections that break --------------------------------------------------------------------


async def test_a_connection_lost_before_commit_is_replaced_unseen(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    runs = 0

    def lose_it_once(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        remember(tx, f"{runs}.example")
        if runs == 1:
            pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
            outside.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
            tx.execute(text("SELECT 1"))

    await school.write(lose_it_once)
    assert await among(school) == {"2.example"}


async def test_idle_connections_that_broke_are_replaced_unseen(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    await asyncio.gather(*(school.write(remember, f"{n}.example") for n in range(8)))
    await asyncio.gather(*(school.read(remembered) for n in range(8)))
    outside.execute(TERMINATE_OTHERS)
    assert len(await among(school)) == 8
    await patiently(lambda: school.write(remember, "again.example"))
    assert len(await among(school)) == 9


async def test_a_connection_lost_during_commit_is_an_unknown_outcome_and_not_run_again(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    outside.execute("""
        CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$
    """)
    outside.execute("""
        CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON peers DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION cut()
    """)
    runs = 0

    def once(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        remember(tx, "a.example")

    with pytest.raises(Unavailable, match="COMMIT"):
        await school.write(once)
    assert runs == 1
    outside.execute("DROP TRIGGER cut ON peers")
    await school.write(once)


async def test_after_a_crash_of_postgresql_the_school_goes_on_by_itself() -> None:
    with started_postgresql() as server:
        url = server.create(template=server.template)
        school = await Database.open(url, OAKFIELD)
        kept = [school.write(remember, f"{n}.example") for n in range(10)]
        await asyncio.gather(*kept)

        server.crash()
        for verb in (school.write(remember, "down.example"), school.read(remembered)):
            with pytest.raises(Unavailable):
                await verb
        with pytest.raises(Unavailable):
            await school.write_each(remember_all, "down.example")
        with pytest.raises(Unavailable):
            await Database.open(url, OAKFIELD)

        server.restart()
        async with asyncio.timeout(10):
            await patiently(lambda: school.write(remember, "back.example"))
            await patiently(lambda: school.write_each(remember_all, "row.example"))
            assert len(await among(school)) == 12
        other = await Database.open(url, OAKFIELD)
        waiting = asyncio.create_task(school.woken("received", PATIENCE))
        async with asyncio.timeout(PATIENCE / 2):
            await patiently(lambda: other.write(lambda tx: tx.wake("received")))
            await waiting
        await other.close()
        await school.close()


# --- several processes -------------------------------------------------------------------------


async def test_each_process_has_a_tag_of_its_own_and_gives_it_back(
    url: str, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    def tags() -> list[int]:
        return [tag for (tag,) in outside.execute(TAGS_IN_USE, [TAG_LOCKS])]

    houses = [await Database.open(url, OAKFIELD, now=lambda: MORNING) for _ in range(3)]
    assert tags() == [0, 1, 2]
    given = [
        await house.write(remember, f"{n}-{m}.example")
        for n, house in enumerate(houses)
        for m in range(3)
    ]
    assert len(set(given)) == 9
    assert [id_ >> 12 & 0xFF for id_ in given] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    await houses[1].close()
    assert tags() == [0, 2]
    houses[1] = await Database.open(url, OAKFIELD)
    assert tags() == [0, 1, 2]
    for house in houses:
        await house.close()
    assert tags() == []


async def test_when_all_tags_are_taken_no_further_process_starts(
    url: str, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    outside.execute(TAKE_TAGS, [TAG_LOCKS, 0, 255])
    with pytest.raises(Unavailable, match="256 processes"):
        await Database.open(url, OAKFIELD)


async def test_who_loses_its_tag_to_another_takes_a_new_one_before_it_gives_ids(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    before = await school.write(remember, "before.example")
    assert before >> 12 & 0xFF == 0
    outside.execute(TAKE_TAGS, [TAG_LOCKS, 1, 255])
    outside.execute(TERMINATE_LISTENER, [TAG_LOCKS])
    outside.execute(TAKE_TAGS, [TAG_LOCKS, 0, 0])
    async with asyncio.timeout(PATIENCE):
        with suppress(Unavailable):
            while True:  # until the loss has come to our ears
                await school.write(Transaction.new_id)
    assert await among(school) == {"before.example"}  # what needs no id goes on

    outside.execute("SELECT pg_advisory_unlock(%s, 7)", [TAG_LOCKS])
    after = await patiently(lambda: school.write(remember, "after.example"))
    assert after >> 12 & 0xFF == 7
    assert after > before


async def test_many_wakes_are_one_notification(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    outside.execute("LISTEN staffroom")

    def wake(tx: Transaction, topic: str) -> None:
        tx.wake(topic)

    for n in range(50):
        await school.write(wake, "received" if n % 2 else "deliveries")

    def hear(stop_after: int | None, seconds: float) -> list[psycopg.Notify]:
        return list(outside.notifies(timeout=seconds, stop_after=stop_after))

    heard = await asyncio.to_thread(hear, 1, PATIENCE)
    heard += await asyncio.to_thread(hear, None, 0.2)
    assert {topic for note in heard for topic in note.payload.split()} == {"deliveries", "received"}
    assert len(heard) < 25


async def test_a_notification_from_elsewhere_wakes_those_who_wait_for_it(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    waiting = asyncio.create_task(school.woken("received", PATIENCE))
    other = asyncio.create_task(school.woken("deliveries", PATIENCE))
    await asyncio.sleep(0)
    outside.execute("SELECT pg_notify('staffroom', 'received')")
    async with asyncio.timeout(PATIENCE / 2):
        await waiting
    assert not other.done()
    other.cancel()


async def test_waking_goes_on_after_the_listening_session_was_lost(
    school: Database, outside: psycopg.Connection[tuple[Any, ...]]
) -> None:
    waiting = asyncio.create_task(school.woken("received", PATIENCE))
    await asyncio.sleep(0)
    outside.execute(TERMINATE_LISTENER, [TAG_LOCKS])
    async with asyncio.timeout(PATIENCE / 2):
        await waiting  # who knows what rang meanwhile
        waiting = asyncio.create_task(school.woken("received", PATIENCE))
        await asyncio.sleep(0)
        outside.execute("SELECT pg_notify('staffroom', 'received')")
        await waiting


async def test_one_of_two_servers_cannot_be_mistaken_for_the_other(
    pg_server: PostgresqlServer, fresh_postgresql: Callable[[], str], tmp_path: Path
) -> None:
    """Two schools in one PostgreSQL hear and see nothing of each other."""
    urls = [fresh_postgresql(), fresh_postgresql()]
    oakfield, riverside = [await Database.open(url, OAKFIELD) for url in urls]
    waiting = asyncio.create_task(riverside.woken("received", PATIENCE))
    await asyncio.sleep(0)
    await oakfield.write(lambda tx: tx.wake("received"))
    await oakfield.write(remember, "a.example")
    await oakfield.close()
    assert await among(riverside) == set()
    assert not waiting.done()
    waiting.cancel()
    await riverside.close()
