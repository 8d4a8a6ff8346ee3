"""Reading and writing, as everyone in the house does it. Each test runs on both engines."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage.calls import LONGEST_QUEUE
from storage.database import Busy, Database, Transaction, Unavailable
from storage.ids import moment
from storage.tables import peers
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


class HallClosed(Exception):
    pass


def refuse(tx: Transaction, host: str) -> NoReturn:
    remember(tx, host)
    raise HallClosed(host)


def asked(calls: Iterable[Any]) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(call) for call in calls]


# --- what stays and what goes ------------------------------------------------------------------


async def test_what_is_written_is_read(database: Database) -> None:
    id_ = await database.write(remember, "hillview.example")
    found = await database.read(lambda tx: tx.execute(select(peers.c.id)).scalar_one())
    assert found == id_


async def test_arguments_reach_the_function_as_given(database: Database) -> None:
    def say(tx: Transaction, *words: str, loud: bool) -> tuple[tuple[str, ...], bool, str]:
        return words, loud, tx.school.host

    assert await database.read(say, "good", "morning", loud=True) == (
        ("good", "morning"),
        True,
        "oakfield.example",
    )
    assert await database.write(say, loud=False) == ((), False, "oakfield.example")


async def test_a_function_that_raises_leaves_nothing_and_the_others_stay(
    database: Database,
) -> None:
    async with writers_busy(database):
        good = asked(database.write(remember, f"{n}.example") for n in range(20))
        bad = asked(database.write(refuse, f"bad{n}.example") for n in range(20))
        await queued(*good, *bad)
    await asyncio.gather(*good)
    outcomes = await asyncio.gather(*bad, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [HallClosed] * 20
    assert await among(database) == {f"{n}.example" for n in range(20)}


async def test_a_name_taken_twice_is_refused_alone(database: Database) -> None:
    async with writers_busy(database):
        asking = asked(
            database.write(remember, host)
            for host in ("hillview.example", "meadow.example", "hillview.example")
        )
        await queued(*asking)
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "IntegrityError",
        "int",
        "int",
    ]
    assert await among(database) == {"hillview.example", "meadow.example"}


async def test_a_function_that_raises_stop_iteration_does_not_leave_its_caller_waiting(
    database: Database,
) -> None:
    def nobody(tx: Transaction) -> str:
        return next(iter(remembered(tx)))

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await database.write(nobody)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await database.read(nobody)


@pytest.mark.parametrize("word", ["commit", "rollback", "COMMIT", " end", "Rollback", "BEGIN"])
async def test_a_function_cannot_end_its_transaction(database: Database, word: str) -> None:
    def end(tx: Transaction, host: str) -> None:
        remember(tx, host)
        if word in ("commit", "rollback"):
            getattr(tx.connection, word)()
        else:
            tx.execute(text(word))

    with pytest.raises((RuntimeError, Unavailable)):
        await database.write(end, "half.example")

    def end_all(tx: Transaction, hosts: list[str]) -> list[None]:
        for host in hosts:
            end(tx, host)
        return [None] * len(hosts)

    with pytest.raises((RuntimeError, Unavailable)):
        await database.write_each(end_all, "row.example")
    for n in range(8):  # whichever connection serves them, it has no remains of the above
        await database.write(remember, f"whole{n}.example")
    assert await among(database) == {f"whole{n}.example" for n in range(8)}


async def test_a_function_that_hides_its_attempt_to_commit_writes_nothing(
    database: Database,
) -> None:
    def commit(tx: Transaction) -> None:
        remember(tx, "half.example")
        try:
            tx.connection.commit()
        except RuntimeError:
            return

    with pytest.raises(Unavailable):
        await database.write(commit)
    for n in range(8):
        await database.write(remember, f"whole{n}.example")
    assert "half.example" not in await among(database)


async def test_a_savepoint_inside_a_function_undoes_a_part(database: Database) -> None:
    def try_both(tx: Transaction) -> None:
        remember(tx, "meadow.example")
        try:
            with tx.connection.begin_nested():
                remember(tx, "hillview.example")
                remember(tx, "meadow.example")
        except IntegrityError:
            remember(tx, "brook.example")

    await database.write(try_both)
    assert await among(database) == {"meadow.example", "brook.example"}


# --- the door's rows ---------------------------------------------------------------------------


async def test_rows_that_wait_together_are_one_call_and_each_caller_has_its_own_answer(
    database: Database,
) -> None:
    runs: list[list[str]] = []

    def add(tx: Transaction, hosts: list[str]) -> list[str]:
        runs.append(hosts)
        remember_all(tx, hosts)
        return [host.upper() for host in hosts]

    async with writers_busy(database):
        asking = asked(database.write_each(add, f"{n}.example") for n in range(100))
        await queued(*asking)
    assert await asyncio.gather(*asking) == [f"{n}.EXAMPLE" for n in range(100)]
    assert [len(run) for run in runs] == [100]
    assert len(await among(database)) == 100


async def test_rows_for_different_functions_do_not_mix(database: Database) -> None:
    def lower(tx: Transaction, words: list[str]) -> list[str]:
        return [word.lower() for word in words]

    def length(tx: Transaction, words: list[str]) -> list[int]:
        return [len(word) for word in words]

    async with writers_busy(database):
        asking = asked(database.write_each(function, "HALL") for function in (lower, length, lower))
        await queued(*asking)
    assert await asyncio.gather(*asking) == ["hall", 4, "hall"]


async def test_one_bad_row_is_refused_and_the_rest_go_in(database: Database) -> None:
    await database.write(remember, "7.example")
    async with writers_busy(database):
        asking = asked(database.write_each(remember_all, f"{n}.example") for n in range(20))
        await queued(*asking)
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    wrong = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)]
    assert wrong == [7]
    assert isinstance(outcomes[7], IntegrityError)
    assert await among(database) == {f"{n}.example" for n in range(20)}


async def test_rows_with_too_few_answers_are_an_error_for_all(database: Database) -> None:
    def forget_one(tx: Transaction, hosts: list[str]) -> list[int]:
        return remember_all(tx, hosts)[1:]

    async with writers_busy(database):
        asking = asked(database.write_each(forget_one, f"{n}.example") for n in range(3))
        await queued(*asking)
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RuntimeError] * 3
    assert await among(database) == set()


# --- those who give up, and those who come too many --------------------------------------------


async def test_who_gives_up_before_the_start_has_written_nothing(database: Database) -> None:
    async with writers_busy(database):
        asking = asked(database.write(remember, f"{n}.example") for n in range(10))
        rows = asked(database.write_each(remember_all, f"row{n}.example") for n in range(10))
        await queued(*asking, *rows)
        asking[3].cancel()
        rows[5].cancel()
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*asking, *rows, return_exceptions=True)
    gone = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)]
    assert gone == [3, 15]
    assert all(isinstance(outcomes[n], asyncio.CancelledError) for n in gone)
    found = await among(database)
    assert len(found) == 18
    assert not found & {"3.example", "row5.example"}


async def test_who_gives_up_after_the_start_has_written(database: Database) -> None:
    loop = asyncio.get_running_loop()
    started, go_on = asyncio.Event(), threading.Event()

    def slowly(tx: Transaction) -> None:
        loop.call_soon_threadsafe(started.set)
        assert go_on.wait(PATIENCE)
        remember(tx, "meadow.example")

    asking = asyncio.create_task(database.write(slowly))
    await started.wait()
    others = asked(database.write(remember, f"{n}.example") for n in range(5))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go_on.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*others)
        while "meadow.example" not in await among(database):
            pass
    assert len(await among(database)) == 6


async def test_the_caller_after_a_full_queue_is_told_at_once(database: Database) -> None:
    def count(tx: Transaction, number: int) -> int:
        return number

    def count_all(tx: Transaction, numbers: list[int]) -> list[int]:
        return numbers

    async with writers_busy(database):
        asking = asked(database.write(count, n) for n in range(LONGEST_QUEUE))
        await queued(*asking)
        with pytest.raises(Busy):
            await database.write(count, -1)
        for task in asking[:10]:  # their places are free again
            task.cancel()
        await asyncio.sleep(0)
        late = asked([database.write(count, -2)])
        await queued(*late)
    assert await late[0] == -2
    answers = await asyncio.gather(*asking[10:])
    assert answers == list(range(10, LONGEST_QUEUE))

    async with writers_busy(database):
        rows = asked(database.write_each(count_all, n) for n in range(LONGEST_QUEUE))
        await queued(*rows)
        with pytest.raises(Busy):
            await database.write_each(count_all, -1)
    assert await asyncio.gather(*rows) == list(range(LONGEST_QUEUE))


async def test_a_queue_full_of_one_kind_leaves_room_for_the_others(database: Database) -> None:
    def count(tx: Transaction, number: int) -> int:
        return number

    def count_all(tx: Transaction, numbers: list[int]) -> list[int]:
        return numbers

    async with writers_busy(database):
        rows = asked(database.write_each(count_all, n) for n in range(LONGEST_QUEUE))
        working = asked(database.work(count, n) for n in range(LONGEST_QUEUE))
        post = asked([database.write(count, -1)])
        await queued(*rows, *working, *post)
        assert not post[0].done()
    assert await post[0] == -1
    await asyncio.gather(*rows, *working)


async def test_however_much_is_worked_on_a_post_is_written(database: Database) -> None:
    go_on = threading.Event()

    def work(tx: Transaction) -> bool:
        return go_on.wait(PATIENCE)

    postgresql = await database.read(lambda tx: tx.connection.dialect.name == "postgresql")
    working = asked(database.work(work) for _ in range(50 if postgresql else 0))
    async with asyncio.timeout(PATIENCE):
        await database.write(remember, "post.example")
    assert not any(task.done() for task in working)
    go_on.set()
    await asyncio.gather(*working)


async def test_too_many_readers_are_told_at_once(database: Database) -> None:
    go_on = threading.Event()

    def linger(tx: Transaction) -> bool:
        return go_on.wait(PATIENCE)

    # Four threads take theirs off the queue in their own time.
    lingering = asked(database.read(linger) for _ in range(LONGEST_QUEUE + 5))
    await queued(*lingering)
    refused = [task for task in lingering if task.done()]
    go_on.set()
    assert refused
    for task in refused:
        with pytest.raises(Busy):
            await task
    answered = await asyncio.gather(*lingering, return_exceptions=True)
    assert answered.count(True) >= LONGEST_QUEUE


# --- reading -----------------------------------------------------------------------------------


async def test_a_reader_sees_one_moment_and_does_not_hold_up_the_writer(
    database: Database,
) -> None:
    await database.write(remember, "before.example")
    loop = asyncio.get_running_loop()
    looked, go_on = asyncio.Event(), threading.Event()

    def look_twice(tx: Transaction) -> tuple[list[str], list[str]]:
        first = remembered(tx)
        loop.call_soon_threadsafe(looked.set)
        assert go_on.wait(PATIENCE)
        return first, remembered(tx)

    looking = asyncio.create_task(database.read(look_twice))
    async with asyncio.timeout(PATIENCE):
        await looked.wait()
        await database.write(remember, "meanwhile.example")
    go_on.set()
    assert await looking == (["before.example"], ["before.example"])
    assert await database.read(remembered) == ["before.example", "meanwhile.example"]


async def test_a_read_cannot_write(database: Database) -> None:
    insert = peers.insert().values(id=1, host="hillview.example", created_at=MORNING)
    with pytest.raises(DBAPIError):
        await database.read(lambda tx: tx.execute(insert))
    assert await among(database) == set()


async def test_a_read_that_raises_spoils_nothing_for_the_next(database: Database) -> None:
    def stumble(tx: Transaction) -> None:
        tx.execute(text("SELECT * FROM nowhere"))

    def end(tx: Transaction) -> None:
        tx.execute(select(func.count()).select_from(peers))
        tx.connection.rollback()

    for _ in range(8):
        with pytest.raises(DBAPIError):
            await database.read(stumble)
        with pytest.raises(RuntimeError):
            await database.read(end)
        assert await among(database) == set()


# --- time and ids ------------------------------------------------------------------------------


async def test_a_transaction_has_one_time_and_its_ids_tell_it(database_url: str) -> None:
    clock = iter(MORNING + timedelta(minutes=n) for n in range(1000))
    database = await Database.open(database_url, OAKFIELD, now=lambda: next(clock))

    def note(tx: Transaction) -> tuple[datetime, datetime, int]:
        return tx.now, tx.now, tx.new_id()

    first, again, id_ = await database.write(note)
    assert first == again
    assert moment(id_) == int(first.timestamp() * 1000)
    await database.close()


async def test_ids_grow_also_when_the_school_starts_anew_with_its_clock_set_back(
    database_url: str,
) -> None:
    given: list[int] = []
    for days in (3, 0, 1):
        now = MORNING + timedelta(days=days)
        database = await Database.open(database_url, OAKFIELD, now=lambda now=now: now)  # type: ignore[misc]
        given.append(await database.write(remember, f"{days}.example"))
        given.append(await database.write(remember, f"{days}b.example"))
        await database.close()
    assert given == sorted(set(given))


async def test_a_damaged_row_from_the_far_future_does_not_carry_the_ids_away(
    database_url: str,
) -> None:
    database = await Database.open(database_url, OAKFIELD)
    damaged = peers.insert().values(id=2**63 - 1, host="damaged.example", created_at=MORNING)
    await database.write(lambda tx: tx.execute(damaged) and None)
    await database.close()
    database = await Database.open(database_url, OAKFIELD, now=lambda: MORNING)
    id_ = await database.write(remember, "hillview.example")
    assert moment(id_) == int(MORNING.timestamp() * 1000)
    await database.close()


async def test_two_processes_with_stopped_clocks_never_give_the_same_id(
    database_url: str,
) -> None:
    houses = [await Database.open(database_url, OAKFIELD, now=lambda: MORNING) for _ in range(3)]
    given = await asyncio.gather(
        *(house.write(remember, f"{n}.example") for n in range(60) for house in [houses[n % 3]])
    )
    assert len(set(given)) == 60
    for house in houses:
        await house.close()


# --- waking ------------------------------------------------------------------------------------


def wake(tx: Transaction, *topics: str) -> None:
    for topic in topics:
        tx.wake(topic)


async def test_who_waits_is_woken_after_commit(database: Database) -> None:
    async def see() -> set[str]:
        await database.woken("deliveries", PATIENCE)
        return await among(database)

    def publish(tx: Transaction) -> None:
        tx.wake("deliveries")
        remember(tx, "hillview.example")

    seeing = asyncio.create_task(see())
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE / 2):
        await database.write(publish)
        assert await seeing == {"hillview.example"}


async def test_a_wake_between_looking_and_waiting_is_not_missed(database: Database) -> None:
    await database.write(wake, "received")
    async with asyncio.timeout(PATIENCE / 2):
        await database.woken("received", PATIENCE)


async def test_each_topic_wakes_its_own_and_a_failure_nobody(database: Database) -> None:
    def fail(tx: Transaction) -> None:
        tx.wake("received")
        raise HallClosed

    waiting = asyncio.create_task(database.woken("received", PATIENCE))
    await asyncio.sleep(0)
    with pytest.raises(HallClosed):
        await database.write(fail)
    await database.write(wake, "deliveries")
    await database.woken("deliveries", PATIENCE)
    assert not waiting.done()
    waiting.cancel()


async def test_rows_wake_too(database: Database) -> None:
    def add(tx: Transaction, hosts: list[str]) -> list[int]:
        tx.wake("received")
        return remember_all(tx, hosts)

    async with asyncio.timeout(PATIENCE / 2):
        await database.write_each(add, "hillview.example")
        await database.woken("received", PATIENCE)


async def test_waiting_ends_by_itself(database: Database) -> None:
    async with asyncio.timeout(PATIENCE):
        await database.woken("deliveries", 0.01)


async def test_all_who_wait_are_woken(database: Database) -> None:
    waiting = asked(database.woken("received", PATIENCE) for _ in range(5))
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE / 2):
        await database.write(wake, "received")
        await asyncio.gather(*waiting)


async def test_one_process_wakes_another(database_url: str) -> None:
    serving = await Database.open(database_url, OAKFIELD)
    typing = await Database.open(database_url, OAKFIELD)

    def publish(tx: Transaction) -> None:
        remember(tx, "hillview.example")
        tx.wake("deliveries")

    async with asyncio.timeout(PATIENCE / 2):
        while not await among(serving):  # so that both have written, in either order
            await serving.write(remember, "meadow.example")
        waiting = asked(serving.woken("deliveries", PATIENCE) for _ in range(2))
        await asyncio.sleep(0)
        await typing.write(publish)
        await typing.close()  # as a command line does, at once
        await asyncio.gather(*waiting)
    await serving.close()


# --- closing -----------------------------------------------------------------------------------


async def test_closing_answers_all_who_wait_and_nobody_after(database_url: str) -> None:
    database = await Database.open(database_url, OAKFIELD)
    async with writers_busy(database):
        writing = asked(database.write(remember, f"{n}.example") for n in range(300))
        rows = asked(database.write_each(remember_all, f"row{n}.example") for n in range(300))
        await queued(*writing, *rows)
        closing = asyncio.create_task(database.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await database.write(remember, "late.example")
        with pytest.raises(Unavailable):
            await database.read(remembered)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*writing, *rows)
        await closing
    again = await Database.open(database_url, OAKFIELD)
    assert len(await among(again)) == 600
    await again.close()


def at_work() -> set[threading.Thread]:
    """The threads of all databases that are open now; the event loop has others of its own."""
    return {
        thread
        for thread in threading.enumerate()
        if thread.name.startswith(("sqlite-", "postgresql_"))
    }


async def test_closing_leaves_no_thread_and_no_task(database_url: str) -> None:
    tasks, threads = asyncio.all_tasks(), at_work()
    database = await Database.open(database_url, OAKFIELD)
    await database.write(remember, "hillview.example")
    assert at_work() > threads
    await database.close()
    assert at_work() <= threads
    assert asyncio.all_tasks() == tasks


# --- without threads ---------------------------------------------------------------------------


@pytest.fixture
async def inline(database_url: str) -> Any:
    database = await Database.open(database_url, OAKFIELD, now=lambda: MORNING, threads=False)
    yield database
    await database.close()


async def test_without_threads_functions_run_on_the_loop(inline: Database) -> None:
    def where(tx: Transaction) -> int:
        return threading.get_ident()

    assert await inline.read(where) == threading.get_ident()
    assert await inline.write(where) == threading.get_ident()
    assert await inline.write_each(lambda tx, rows: [where(tx)] * len(rows), 1) == (
        threading.get_ident()
    )


async def test_without_threads_the_rules_are_the_same(inline: Database) -> None:
    good = asked(inline.write(remember, f"{n}.example") for n in range(10))
    bad = asked([inline.write(refuse, "bad.example")])
    rows = asked(inline.write_each(remember_all, f"row{n}.example") for n in range(10))
    gone = asked([inline.write(remember, "gone.example")])
    gone[0].cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*good, *rows)
        with pytest.raises(HallClosed):
            await bad[0]
        await inline.write(wake, "received")
        await inline.woken("received", PATIENCE)
        assert len(await inline.read(remembered)) == 20


async def test_without_threads_the_same_asking_gives_the_same_ids(
    fresh_database: Callable[[], str],
) -> None:
    runs = []
    for _ in range(2):
        database = await Database.open(
            fresh_database(), OAKFIELD, now=lambda: MORNING, threads=False
        )
        runs.append(
            await asyncio.gather(
                *(database.write(remember, f"{n}.example") for n in range(300)),
                *(database.write_each(remember_all, f"row{n}.example") for n in range(300)),
            )
        )
        await database.close()
    assert runs[0] == runs[1]
