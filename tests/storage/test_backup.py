"""A school's database is copied into one file, from either engine, and comes back on either."""

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from storage import backup, copying, deliveries, received, school, snapshot, tables
from storage.database import Database, Transaction
from storage.deliveries import To
from tests.conftest import OAKFIELD, PostgresqlServer
from tests.storage.people import arriving, colleague, follow, person, post, send


def nothing(_done: int, _of: int) -> None:
    """Nobody watches."""


def busy_school(tx: Transaction) -> None:
    """Something waits to be worked on, something to be delivered, and both are in hand."""
    school.create(tx, tx.school.host, tx.school.url, tx.school.name)
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    follow(tx, bob, alice)
    said = post(tx, alice, content="<p>ünïcode, a zero-width \u200b space, and 'quotes'</p>")
    send(tx, alice, said, To(followers_of=alice.id))
    received.add_all(tx, [arriving(number) for number in range(5)])
    received.claim(tx, limit=2, lease=timedelta(minutes=10))
    tx.execute(tables.peers.update().values(leased_until=tx.now + timedelta(seconds=90)))


def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, times as numbers, in the order of their keys."""
    with snapshot.of(url) as tx:
        return {
            table.name: sorted(
                (tuple(row) for row in tx.connection.execute(select(table))), key=repr
            )
            for table in copying.TABLES
        }


async def test_a_copy_is_one_private_file_with_every_row(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await database.write(busy_school)
    folder = tmp_path / "backups"
    await asyncio.to_thread(folder.mkdir)
    file = folder / "copy"
    rows = await asyncio.to_thread(backup.take, database_url, file, nothing)
    assert await asyncio.to_thread(lambda: [one.name for one in folder.iterdir()]) == ["copy"]
    assert rows["received"] == 5
    assert rows["deliveries"] == 1
    assert await asyncio.to_thread(everything, f"sqlite:///{file}") == await asyncio.to_thread(
        everything, database_url
    )


async def test_a_copy_is_of_one_moment_however_much_is_written_meanwhile(
    fresh_sqlite: Callable[[], str], tmp_path: Path
) -> None:
    url = fresh_sqlite()
    database = await Database.open(url, OAKFIELD)
    number = 0

    def fill(tx: Transaction, many: int) -> None:
        nonlocal number
        received.add_all(tx, [arriving(f"{number}-{one}") for one in range(many)])
        number += 1

    try:
        await database.write(fill, 8_000)  # more pages than are copied in one go
        seen: list[tuple[int, int]] = []

        def looked(done: int, of: int) -> None:
            seen.append((done, of))
            assert len(seen) < 100, "it begins again with every write"
            asyncio.run_coroutine_threadsafe(database.write(fill, 1), loop).result(10)

        loop = asyncio.get_running_loop()
        file = tmp_path / "copy"
        rows = await asyncio.to_thread(backup.take, url, file, looked)
    finally:
        await database.close()
    assert number > 2
    assert rows["received"] == 8_000
    done, of = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == of[-1]


async def test_what_comes_back_is_in_nobodys_hand_and_nobody_is_signed_in(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await database.write(busy_school)
    file = tmp_path / "copy"
    await asyncio.to_thread(backup.take, database_url, file, nothing)
    await asyncio.to_thread(backup.modernise, file)
    await asyncio.to_thread(backup.let_go, file)
    back = await Database.open(f"sqlite:///{file}", OAKFIELD)
    try:
        lease = timedelta(minutes=1)
        assert len(await back.write(received.claim, limit=10, lease=lease)) == 5
        assert len(await back.write(deliveries.claim, limit=10, lease=lease)) == 1
    finally:
        await back.close()


async def test_a_school_comes_back_on_postgresql_as_it_was(
    fresh_sqlite: Callable[[], str], pg_server: PostgresqlServer, tmp_path: Path
) -> None:
    url = fresh_sqlite()
    database = await Database.open(url, OAKFIELD)
    await database.write(busy_school)
    await database.close()
    file, there = tmp_path / "copy", pg_server.create()
    try:
        await asyncio.to_thread(backup.take, url, file, nothing)
        backup.require_empty(there)
        await asyncio.to_thread(backup.give_to_postgresql, file, there, nothing)
        assert everything(there) == everything(url)
        with pytest.raises(backup.NotEmpty):
            backup.require_empty(there)
        await goes_on_counting(there)
    finally:
        pg_server.drop(there)


async def goes_on_counting(url: str) -> None:
    """The next delivery gets a number that none has."""

    def another(tx: Transaction) -> int:
        old = dict(tx.execute(select(tables.deliveries)).first()._mapping)  # type: ignore[union-attr]
        new = {**old, "inbox": "https://riverside.example/other"}
        del new["id"]
        return int(
            tx.execute(insert(tables.deliveries).values(new).returning(tables.deliveries.c.id))
            .scalar_one()
        )  # fmt: skip

    database = await Database.open(url, OAKFIELD)
    try:
        assert await database.write(another) > 1
    finally:
        await database.close()


async def test_a_postgresql_that_does_not_take_everything_is_empty_again(
    fresh_sqlite: Callable[[], str], pg_server: PostgresqlServer, tmp_path: Path
) -> None:
    url = fresh_sqlite()
    database = await Database.open(url, OAKFIELD)
    await database.write(busy_school)
    await database.close()
    file, there = tmp_path / "copy", pg_server.create()
    try:
        await asyncio.to_thread(backup.take, url, file, nothing)
        with closing(sqlite3.connect(file)) as copy, copy:
            copy.execute("UPDATE objects SET content = 'a' || char(0)")  # which PostgreSQL refuses
        with pytest.raises(copying.Incomplete, match="objects"):
            await asyncio.to_thread(backup.give_to_postgresql, file, there, nothing)
        backup.require_empty(there)
    finally:
        pg_server.drop(there)


def test_a_copy_that_lacks_rows_is_none(database_url: str, fresh_sqlite: Callable[[], str]) -> None:
    with snapshot.of(database_url) as tx, snapshot.of(fresh_sqlite()) as other:
        whole = copying.count(tx.connection)
        assert whole == copying.count(other.connection)
        assert set(whole) == {table.name for table in tables.metadata.sorted_tables}


def test_nothing_can_be_written_through_a_snapshot(database_url: str) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only"), snapshot.of(database_url) as tx:
        tx.execute(text("DELETE FROM peers"))


async def test_a_snapshot_stays_as_it_is(database: Database, database_url: str) -> None:
    count = select(func.count()).select_from(tables.received)

    def look(tx: Transaction) -> int:
        return tx.execute(count).scalar_one()

    await database.write(received.add_all, [arriving(1)])
    with snapshot.of(database_url) as tx:
        await database.write(received.add_all, [arriving(2)])
        assert look(tx) == 1
    assert await database.read(look) == 2


def test_a_copy_is_for_its_owner_alone(fresh_sqlite: Callable[[], str], tmp_path: Path) -> None:
    file = tmp_path / "copy"
    backup.take(fresh_sqlite(), file, nothing)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
