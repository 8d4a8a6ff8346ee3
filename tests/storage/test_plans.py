"""What happens often goes by an index, however much a school has kept."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from storage import arrivals, deliveries, objects, published, received, timelines
from storage.audience import NOBODY
from storage.ids import Ids
from storage.transaction import Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING
from tests.storage.people import arriving, colleague, follow, person, post, send


@pytest.fixture
def sqlite_tx(sqlite_engine: Engine) -> Iterator[Transaction]:
    with sqlite_engine.connect() as connection:
        running = connection.begin()
        yield Transaction(connection, MORNING, OAKFIELD, Ids(tag=1))
        running.rollback()


def plans(tx: Transaction, ask: Callable[[Transaction], object]) -> list[str]:
    """The steps that SQLite takes for each statement of `ask`."""
    statements: list[tuple[str, Any]] = []

    def note(
        _connection: Connection, _cursor: Any, statement: str, values: Any, *_more: Any
    ) -> None:
        statements.append((statement, values))

    event.listen(tx.connection, "before_cursor_execute", note)
    ask(tx)
    event.remove(tx.connection, "before_cursor_execute", note)
    return [
        row.detail
        for statement, values in statements
        if not statement.startswith("INSERT INTO") or "SELECT" in statement
        for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    ]


def scans(steps: list[str]) -> list[str]:
    """The steps that read a whole table of the database."""
    small = ("candidate", "people", "sources", "found", "(", "CONSTANT")
    return [
        step
        for step in steps
        if step.startswith("SCAN ")
        and "USING INDEX" not in step
        and "USING COVERING INDEX" not in step
        and not step.removeprefix("SCAN ").startswith(small)
    ]


def test_home_is_read_from_its_index_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: timelines.home(tx, ada.id, before=7, limit=20))
    assert any("ix_timelines_reader (reader_id=? AND position<?)" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_an_inbox_is_read_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: arrivals.inbox(tx, ada.id, before=7, limit=20))
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_an_outbox_is_read_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: published.outbox(tx, NOBODY, ada.id, before=7, limit=20))
    assert any("ix_published_actor (actor_id=? AND id<?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_posts_of_an_author_and_answers_are_read_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: objects.by_author(tx, NOBODY, ada.id, before=7, limit=20))
    steps += plans(sqlite_tx, lambda tx: objects.replies(tx, NOBODY, "urn:1", before=7, limit=20))
    assert any("ix_objects_author" in step for step in steps), steps
    assert any("ix_objects_in_reply_to" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_rows_that_arrived_are_claimed_by_their_index(sqlite_tx: Transaction) -> None:
    received.add_all(sqlite_tx, [arriving(number) for number in range(3)])
    steps = plans(sqlite_tx, lambda tx: received.claim(tx, limit=2, lease=timedelta(minutes=1)))
    assert any("ix_received_new" in step for step in steps), steps
    assert any("ix_received_claimed (actor_uri=?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_what_waits_for_a_peer_is_found_by_its_index(sqlite_tx: Transaction) -> None:
    steps = plans(sqlite_tx, lambda tx: deliveries.batch(tx, 1, 100))
    assert any("ix_deliveries_waiting (peer_id=?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_lanes_are_claimed_and_released_by_their_indexes(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    send(
        sqlite_tx,
        ada,
        post(sqlite_tx, ada),
        deliveries.To(named=(colleague(sqlite_tx, "bob").id,)),
    )

    def visit(tx: Transaction) -> None:
        (lane,) = deliveries.claim(tx, limit=1, lease=timedelta(minutes=1))
        deliveries.release(tx, lane.peer_id, outcome="success")

    steps = plans(sqlite_tx, visit)
    assert any("ix_peers_due (due_at>? AND due_at<?)" in step for step in steps), steps
    assert any("ix_deliveries_waiting" in step for step in steps), steps
    assert scans(steps) == []


def test_publishing_looks_at_no_more_than_it_concerns(sqlite_tx: Transaction) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    follow(sqlite_tx, bob, ada)
    written = post(sqlite_tx, ada)

    def publish(tx: Transaction) -> None:
        to = deliveries.To(
            followers_of=ada.id, named=(bob.id,), shared=(bob.id,), reached_by=written.uri
        )
        send(tx, ada, written, to, kind="Update")
        timelines.place(tx, written.id, ada.id)

    assert scans(plans(sqlite_tx, publish)) == []


def test_deleting_looks_at_no_more_than_it_concerns(sqlite_tx: Transaction) -> None:
    written = post(sqlite_tx, person(sqlite_tx, "ada"))
    steps = plans(sqlite_tx, lambda tx: objects.bury(tx, written.id, {"type": "Tombstone"}))
    assert scans(steps) == []
