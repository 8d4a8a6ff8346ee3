"""Whether the word that somebody moved has come to whom it concerns, and whom else it is for."""

from sqlalchemy import select

from storage import blocks, deliveries, farewells, moved_things, moves, tables
from storage.actors import Actor
from storage.deliveries import Ending
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, later
from tests.storage.teachers import does, inboxes, teacher


def _gone(tx: Transaction, *hosts: str) -> tuple[Actor, str, int]:
    """A teacher with a follower at each of these hosts moves; they, the Move, and its row."""
    alice = teacher(tx, "alice")
    new = colleague(
        tx, "alice", "hillside.example", document='{"alsoKnownAs":["' + alice.uri + '"]}'
    )
    for host in hosts:
        follow(tx, colleague(tx, "fan", host), alice)
    sent = does(tx, alice, type="Move", object=alice.uri, target=new.uri)
    return alice, sent, moves.of_actor(tx, alice.id)[0].id


def _end(tx: Transaction, inbox: str, state: str, reason: str | None = None) -> None:
    found = tables.deliveries.c.inbox == inbox
    ids = tx.execute(select(tables.deliveries.c.id).where(found)).scalars().all()
    deliveries.ended(tx, [Ending(one, state, reason) for one in ids])  # type: ignore[arg-type]


def test_each_follower_has_the_outcome_of_the_delivery_to_their_server(tx: Transaction) -> None:
    hosts = ("took.example", "refused.example", "away.example", "next.example")
    alice, sent, move_id = _gone(tx, *hosts)
    assert moved_things.totals(tx, move_id) == {"follower": {"waiting": 4}}
    took, refused, away, _ = (f"https://{host}/inbox" for host in hosts)
    assert {took, refused, away} <= set(inboxes(tx, sent))
    _end(tx, took, "done")
    _end(tx, refused, "over", "answered 410")
    tx.execute(
        tables.peers.update()
        .where(tables.peers.c.host == "away.example")
        .values(failures=1, last_error="no answer")
    )
    later(tx, seconds=5)
    for _ in range(2):
        farewells.look(tx, move_id, alice.id)
    things = moved_things.things(tx, move_id, limit=9)
    found = {thing.uri.split("/")[2]: (thing.outcome, thing.reason) for thing in things}
    assert found == {
        "took.example": ("asked", None),
        "refused.example": ("refused", "answered 410"),
        "away.example": ("unreachable", "no answer"),
        "next.example": ("waiting", None),
    }
    _end(tx, away, "done")
    farewells.look(tx, move_id, alice.id)
    assert moved_things.totals(tx, move_id)["follower"] == {"asked": 2, "refused": 1, "waiting": 1}
    assert farewells.give_up(tx, move_id, "follower", "too late") == 3
    assert moved_things.totals(tx, move_id)["follower"] == {"refused": 4}


def test_the_word_goes_to_whoever_keeps_apart_from_them_and_names_nobody_of_these(
    tx: Transaction,
) -> None:
    alice = teacher(tx, "alice")
    new = colleague(
        tx, "alice", "hillside.example", document='{"alsoKnownAs":["' + alice.uri + '"]}'
    )
    hugo = colleague(tx, "hugo", "far.example")
    blocks.add(tx, uri="https://far.example/b", actor_id=hugo.id, target_id=alice.id)
    sent = does(tx, alice, type="Move", object=alice.uri, target=new.uri)
    assert inboxes(tx, sent) == ["https://far.example/inbox", "https://hillside.example/inbox"]
    body = tx.execute(
        select(tables.published.c.document).where(tables.published.c.uri == sent)
    ).scalar_one()
    assert b"far.example" not in body
    # Again, to the same account: it is the same move.
    assert does(tx, alice, type="Move", object=alice.uri, target=new.uri) == sent
