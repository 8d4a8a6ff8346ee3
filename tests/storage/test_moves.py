"""Someone of another school moves, and our people who follow them come along."""

from typing import Any

import orjson
import pytest
from sqlalchemy import select

from federation.activity import Activity
from federation.errors import Gone
from inbox import missing
from storage import actors, blocks, follows, notifications, standing, tables
from storage.actors import Actor
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, later
from tests.storage.teachers import document, inboxes, latest, teacher
from tests.storage.test_inbox_verbs import act, arrive, refused, told

NEW = "https://hillside.example/users/bob"


def account(old: Actor, **changes: Any) -> dict[str, Any]:
    """What the new account says of itself, as its own server serves it."""
    return {
        "id": NEW,
        "type": "Person",
        "preferredUsername": "bob",
        "inbox": f"{NEW}/inbox",
        "alsoKnownAs": [old.uri],
        **changes,
    }


def moves(tx: Transaction, old: Actor, served: dict[str, Any] | None = None, **more: Any) -> None:
    move = act(old, "Move", old.uri, target=NEW, **more)
    arrive(tx, move, fetched={NEW: served or account(old)})


def stays(tx: Transaction, alice: Actor, bob: Actor, move: Activity, **how: Any) -> str:
    """The move is refused, and everything is as it was."""
    before = tx.execute(select(tables.published.c.id)).all()
    with tx.connection.begin_nested() as point:
        why = refused(tx, move, **how)
        point.rollback()  # as the worker does
    known = actors.by_uri(tx, bob.uri)
    assert known is not None
    assert (known.moved_to, known.moved_at) == (bob.moved_to, bob.moved_at)
    assert follows.get(tx, alice.id, bob.id) is not None
    assert told(tx, alice) == []
    assert tx.execute(select(tables.published.c.id)).all() == before
    return why


def test_followers_here_follow_the_new_account_and_leave_the_old(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    waiting = teacher(tx, "head")
    follow(tx, waiting, bob, accepted=False)
    moves(tx, bob)
    new, old = actors.by_uri(tx, NEW), actors.by_uri(tx, bob.uri)
    assert new is not None
    assert old is not None
    assert (old.moved_to, old.moved_at) == (NEW, tx.now)
    assert follows.get(tx, alice.id, bob.id) is None
    asked = follows.get(tx, alice.id, new.id)
    assert asked is not None
    assert asked.state == "requested"
    assert inboxes(tx, asked.uri) == [new.inbox]
    undone = latest(tx, alice, "Undo")
    assert inboxes(tx, undone) == [bob.inbox]
    assert document(tx, alice, undone)["object"]["object"] == bob.uri
    assert told(tx, alice) == [("move", "bob")]
    (notice,) = notifications.recent(tx, alice.id, before=None, limit=9)
    assert notice.actor.uri == NEW
    assert told(tx, waiting) == []
    assert follows.get(tx, waiting.id, new.id) is None


@pytest.mark.parametrize(
    ("served", "why"),
    [
        ({"alsoKnownAs": []}, "does not say"),
        ({"alsoKnownAs": ["https://riverside.example/users/bobby"]}, "does not say"),
        ({"alsoKnownAs": None}, "does not say"),
        ({"movedTo": "https://seaside.example/users/bob"}, "moved on"),
        ({"suspended": True}, "suspended"),
        ({"id": f"{NEW}2", "inbox": f"{NEW}2/inbox"}, "another id"),
    ],
)
def test_a_move_that_the_new_account_does_not_confirm_is_refused(
    tx: Transaction, alice: Actor, bob: Actor, served: dict[str, Any], why: str
) -> None:
    follow(tx, alice, bob)
    move = act(bob, "Move", bob.uri, target=NEW)
    fetched = {NEW: account(bob, **served)}
    assert why in stays(tx, alice, bob, move, fetched=fetched)


def test_only_what_its_own_server_serves_now_confirms_a_move(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    """Neither a copy in the activity nor our own copy of the account does."""
    follow(tx, alice, bob)
    colleague(tx, "bob", "hillside.example", document='{"alsoKnownAs":["' + bob.uri + '"]}')
    for target in (NEW, account(bob)):
        move = act(bob, "Move", bob.uri, target=target)
        assert not missing.complete(move)
        assert "could not be had" in stays(tx, alice, bob, move)
    near = account(bob, id=f"{bob.uri}2", inbox=f"{bob.uri}2/inbox")
    assert not missing.complete(act(bob, "Move", bob.uri, target=near))


def test_nobody_moves_anybody_else_or_to_where_they_are(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    eve = colleague(tx, "eve")
    for mover, target in ((eve, NEW), (bob, bob.uri)):
        move = act(mover, "Move", bob.uri, target=target)
        why = stays(tx, alice, bob, move, fetched={NEW: account(bob)})
        assert why in ("nobody moves anybody else", "they moved to where they were")
    tx.execute(tables.actors.update().where(tables.actors.c.id == bob.id).values(state="suspended"))
    assert "suspended" in refused(tx, act(bob, "Move", bob.uri, target=NEW))


def test_nobody_s_followers_are_carried_about_twice_in_a_week(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    moves(tx, bob)
    elsewhere = "https://seaside.example/users/bob"
    again = act(bob, "Move", bob.uri, target=elsewhere)
    served = {elsewhere: account(bob, id=elsewhere, inbox=f"{elsewhere}/inbox")}
    later(tx, days=6, hours=23)
    assert not standing.move(tx, bob.id, elsewhere)
    assert "a week" in refused(tx, again, fetched=served)
    known = actors.by_uri(tx, bob.uri)
    assert known is not None
    assert known.moved_to == NEW
    later(tx, hours=2)
    arrive(tx, again, fetched=served)
    known = actors.by_uri(tx, bob.uri)
    assert known is not None
    assert known.moved_to == elsewhere


def test_somebody_moves_to_our_school_and_our_own_record_confirms_it(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    here = teacher(tx, "bob")
    move = act(bob, "Move", bob.uri, target=here.uri)
    assert "does not say" in stays(tx, alice, bob, move, fetched={here.uri: account(bob)})
    said = {**orjson.loads(here.document), "aliases": [bob.uri]}
    actors.update_local(tx, here.id, document=said)
    arrive(tx, move)
    asked = follows.get(tx, alice.id, here.id)
    assert asked is not None
    assert told(tx, alice) == [("move", "bob")]


def test_who_blocks_the_new_account_or_is_it_only_leaves_the_old(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    head = teacher(tx, "head")
    follow(tx, alice, bob)
    follow(tx, head, bob)
    new = colleague(tx, "bob", "hillside.example")
    blocks.add(tx, uri="https://oakfield.example/b", actor_id=alice.id, target_id=new.id)
    moves(tx, bob)
    assert follows.get(tx, alice.id, bob.id) is follows.get(tx, alice.id, new.id) is None
    assert follows.get(tx, head.id, new.id) is not None
    blocks.remove(tx, alice.id, new.id)
    assert told(tx, alice) == []


def test_a_new_account_that_was_deleted_here_is_not_brought_back(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    new = colleague(tx, "bob", "hillside.example")
    tx.execute(tables.actors.update().where(tables.actors.c.id == new.id).values(state="deleted"))
    with pytest.raises(Gone):
        moves(tx, bob)
