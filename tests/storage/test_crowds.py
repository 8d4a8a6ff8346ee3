"""Crowds for the bench: what is measured there is what a real school would have."""

from typing import Any

from sqlalchemy import func, select

from storage import actors, bare, crowds, tables, timelines
from storage.actors import Actor
from storage.database import Database, Transaction
from tests.conftest import OAKFIELD
from tests.storage.teachers import latest, says, teacher

SERVERS = [f"far{number}.example" for number in range(4)]


def read_by_alice(tx: Transaction) -> int:
    """Alice follows ten of twenty people who write 400 posts."""
    crowds.people(tx, SERVERS, 5)
    alice = teacher(tx, "alice")
    crowds.follow(tx, [(alice.id, crowds.person_id(number)) for number in range(10)])
    crowds.posts(tx, 0, 400, 20)
    crowds.at_home(tx, alice.id, 0, 400, 20, 10)
    return alice.id


async def test_the_bare_query_finds_the_page_that_the_reader_sees(database_url: str) -> None:
    database = await Database.open(database_url, OAKFIELD)
    reader = await database.write(read_by_alice)
    before = crowds.position(300)
    page = await database.read(timelines.home, reader, before=before, limit=40)
    await database.close()
    with bare.home(database_url, 40) as ask:
        rows = ask(reader, before)
    assert [row.position for row in page] == [row[0] for row in rows]
    assert [row.post.uri for row in page] == [row[2] for row in rows]
    assert len(page) == 40
    assert {row.post.audience for row in page} == {"public", "unlisted", "followers"}
    assert any(row.announced_by for row in page)


def test_of_a_crowd_everybody_has_a_server_and_shares_its_inbox(tx: Transaction) -> None:
    crowds.people(tx, SERVERS, 3)
    people = [actors.by_id(tx, crowds.person_id(number)) for number in range(12)]
    assert {person.shared_inbox for person in people if person} == {
        f"http://{host}/inbox" for host in SERVERS
    }
    assert len({person.uri for person in people if person}) == 12


def test_the_rows_of_a_post_are_written_again_all_of_them(tx: Transaction, alice: Actor) -> None:
    crowds.people(tx, SERVERS, 3)
    crowds.follow(tx, [(crowds.person_id(number), alice.id) for number in range(12)])
    says(tx, alice)
    rows = crowds.rows_of(tx, latest(tx, alice, "Create"))
    written = ("objects", "published", "deliveries", "received")
    before = {name: count(tx, tables.metadata.tables[name]) for name in written}
    assert before == {"objects": 1, "published": 1, "deliveries": 4, "received": 1}
    crowds.write_again(tx, rows, alice.id)
    assert all(count(tx, tables.metadata.tables[name]) == 2 * before[name] for name in written)
    due = select(func.count()).where(tables.peers.c.due_at.is_not(None))
    assert tx.execute(due).scalar() == 4


def count(tx: Transaction, table: Any) -> int:
    return tx.execute(select(func.count()).select_from(table)).scalar_one()
