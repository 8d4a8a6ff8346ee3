"""The clock is set back: what waits for a later time does not wait for as much longer."""

from datetime import timedelta

from sqlalchemy import select

from storage import clock, peers, received
from storage.actors import Actor
from storage.received import Incoming
from storage.tables import peers as peers_table
from storage.transaction import Transaction
from tests.storage.conftest import MORNING

WRONG = timedelta(days=3)


def test_what_was_put_off_is_due_at_once(tx: Transaction, bob: Actor, alice: Actor) -> None:
    tx.now = MORNING + WRONG
    received.add_all(tx, [knock_of(bob, alice)])
    lane = peers.by_host(tx, bob.host)
    assert lane is not None
    later = tx.now + timedelta(hours=6)
    tx.execute(peers_table.update().where(peers_table.c.id == lane.id).values(due_at=later))

    tx.now = MORNING
    assert received.claim(tx, limit=10, lease=timedelta(minutes=10)) == []
    assert clock.was_ahead(tx)
    assert clock.set_back(tx) == 2
    (row,) = received.claim(tx, limit=10, lease=timedelta(minutes=10))
    assert row.type == "Like"
    due = tx.execute(select(peers_table.c.due_at).where(peers_table.c.id == lane.id)).scalar_one()
    assert due == MORNING
    assert clock.set_back(tx) == 0
    assert {"deliveries", "received"} <= tx.topics


def test_a_clock_that_goes_on_was_never_ahead(tx: Transaction, bob: Actor, alice: Actor) -> None:
    received.add_all(tx, [knock_of(bob, alice)])
    assert not clock.was_ahead(tx)


def test_a_sign_of_life_counts_although_the_last_one_is_still_to_come(
    tx: Transaction, bob: Actor
) -> None:
    tx.now = MORNING + WRONG
    peers.heard(tx, bob.host)
    tx.now = MORNING
    peers.heard(tx, bob.host)
    lane = peers.by_host(tx, bob.host)
    assert lane is not None
    assert lane.heard_at == MORNING


def knock_of(sender: Actor, owner: Actor) -> Incoming:
    """Something that arrived."""
    return Incoming(
        uri=f"{sender.uri}/likes/1",
        actor_uri=sender.uri,
        owner_id=owner.id,
        type="Like",
        body=b"{}",
    )
