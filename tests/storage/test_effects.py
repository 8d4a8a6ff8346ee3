"""What follows from a few dozen activities at once, on both engines: one takes none along."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest

from federation.activity import Activity
from federation.vocabulary import PUBLIC
from inbox import create, dispatch, effects
from inbox.dispatch import Handler
from inbox.effects import Ends, OneFailed, Work
from storage import actors, blocks, follows, notifications, objects, peers, received, tables
from storage.actors import Actor
from storage.received import Incoming, Received
from storage.transaction import Transaction
from tests.storage.people import colleague, person
from tests.storage.test_inbox_verbs import act, home, note
from tests.storage.test_received import claim

MODE = "open"


def arrived(tx: Transaction, *activities: Activity, owner_id: int = 0) -> list[Work]:
    """These came to an inbox, one after the other, and are in the worker's hands."""
    rows = [
        Incoming(one.id, one.actor, owner_id, one.type, orjson.dumps(one.json))
        for one in activities
    ]
    assert all(received.add_all(tx, rows))
    known = {one.id: replace(one, owner_id=owner_id) for one in activities}
    return [Work(row, known[row.uri], (known[row.uri],)) for row in claim(tx)]


def said(author: Actor, text: str = "Trip to the museum", **more: Any) -> Activity:
    subject = note(author, f"<p>{text}</p>", **more)
    return act(author, "Create", subject, to=subject["to"], cc=subject["cc"])


def together(tx: Transaction, works: list[Work], *, careful: bool = False) -> Ends:
    """All of them, however slow this machine is."""
    return effects.together(tx, MODE, works, careful=careful, seconds=60)


def how(ends: Ends) -> list[tuple[str, str | None]]:
    return [(row.uri, reason) for row, reason in ends.ended]


def state(tx: Transaction, row: Received) -> tuple[str, str | None]:
    table = tables.received
    found = tx.execute(table.select().where(table.c.id == row.id)).one()
    return found.state, found.reason


@contextmanager
def breaking(where: Callable[[Activity], bool]) -> Iterator[None]:
    """Inside, a Create breaks us after it wrote something, where `where` says so."""

    def receive(tx: Transaction, activity: Activity) -> None:
        create.receive(tx, activity)
        if where(activity):
            raise ZeroDivisionError("a mistake of ours")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "HANDLERS", {**dispatch.HANDLERS, "Create": Handler(receive)})
        yield


def test_what_many_sent_is_worked_on_in_one_transaction_in_the_order_it_came(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    cy = colleague(tx, "cy", "hill.example")
    for writer in (bob, cy):
        follows.request(tx, alice.id, writer.id, f"{alice.uri}/follows/{writer.id}")
        follows.accept(tx, alice.id, writer.id)
    sent = [said(writer, f"Lesson {number}") for number in range(3) for writer in (bob, cy)]
    works = arrived(tx, *sent)
    ends = together(tx, works)
    assert how(ends) == [(one.id, None) for one in sent]
    assert home(tx, alice) == [one.json["object"]["id"] for one in reversed(sent)]
    assert {state(tx, work.row) for work in works} == {("done", None)}


def test_what_is_refused_ends_with_its_reason_and_the_others_have_their_effect(
    tx: Transaction, bob: Actor
) -> None:
    cy = colleague(tx, "cy", "hill.example")
    forged = said(cy, attributedTo=bob.uri)
    sent = [said(bob), forged, said(cy)]
    works = arrived(tx, *sent)
    ends = together(tx, works)
    why = "nobody writes in another's name"
    assert how(ends) == [(sent[0].id, None), (forged.id, why), (sent[2].id, None)]
    assert state(tx, works[1].row) == ("done", why)
    assert objects.by_uri(tx, sent[0].json["object"]["id"]) is not None
    assert objects.by_uri(tx, forged.json["object"]["id"]) is None


def test_one_that_breaks_us_leaves_nothing_and_holds_up_its_own_sender_only(
    tx: Transaction, bob: Actor
) -> None:
    cy = colleague(tx, "cy", "hill.example")
    bad = said(cy, "Poison")
    sent = [said(bob), bad, said(bob), said(cy)]
    works = arrived(tx, *sent)
    with breaking(lambda one: one.id == bad.id):
        with pytest.raises(OneFailed), tx.part():
            together(tx, works)
        ends = together(tx, works, careful=True)
    assert how(ends) == [(sent[0].id, None), (sent[2].id, None)]
    assert ends.doubtful == {cy.uri}
    assert objects.by_uri(tx, bad.json["object"]["id"]) is None
    assert [state(tx, work.row)[0] for work in works] == ["done", "new", "done", "new"]


def test_who_was_blocked_meanwhile_has_no_effect_any_more(tx: Transaction, bob: Actor) -> None:
    works = arrived(tx, said(bob), said(bob))
    peers.set_policy(tx, bob.host, "blocked")
    tx.topics.clear()
    ends = together(tx, works)
    assert [reason for _, reason in how(ends)] == ["riverside.example is blocked"] * 2


def test_two_copies_among_the_same_many_have_one_effect(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    asked = said(bob, to=[alice.uri], cc=[])
    body = orjson.dumps(asked.json)
    received.add_all(
        tx, [Incoming(asked.id, bob.uri, owner, "Create", body) for owner in (0, alice.id)]
    )
    works = [
        Work(row, replace(asked, owner_id=row.owner_id), (replace(asked, owner_id=row.owner_id),))
        for row in claim(tx)
    ]
    times: list[str] = []

    def once(one: Activity) -> bool:
        times.append(one.id)
        return False

    with breaking(once):
        ends = together(tx, works)
    assert [reason for _, reason in how(ends)] == [None, None]
    assert times == [asked.id]
    told = notifications.recent(tx, alice.id, before=None, limit=20)
    assert [one.kind for one in told] == ["mention"]


def test_what_one_changes_the_next_one_sees(tx: Transaction, alice: Actor, bob: Actor) -> None:
    """What was looked up for one is not taken for true after it was changed."""
    profile = {"id": bob.uri, "type": "Person", "preferredUsername": "bob", "inbox": bob.inbox}
    changed = act(bob, "Update", {**profile, "followers": f"{bob.uri}/friends"})
    friends = said(bob, to=[f"{bob.uri}/friends"], cc=[])
    gone = act(bob, "Delete", bob.uri)
    late = said(bob)
    ends = together(tx, arrived(tx, said(bob), changed, friends, gone, late))
    assert [reason for _, reason in how(ends)] == [None] * 4 + ["this actor was deleted"]
    kept = objects.by_uri(tx, friends.json["object"]["id"])
    assert kept is not None
    assert kept.audience == "followers"


def test_a_part_that_is_undone_wakes_nobody_and_is_not_remembered(tx: Transaction) -> None:
    tx.remember()

    def arrive_and_fail() -> None:
        with tx.part():
            ada = person(tx, "ada")
            assert actors.by_uri(tx, ada.uri) is not None
            tx.wake("received")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        arrive_and_fail()
    assert tx.topics == set()
    assert actors.by_uri(tx, f"{tx.school.url}/users/ada") is None
    with tx.part():
        kept = person(tx, "ada")
    assert actors.by_uri(tx, kept.uri) == kept


def test_what_is_remembered_is_asked_once(tx: Transaction, alice: Actor, bob: Actor) -> None:
    tx.remember()
    first = actors.by_uri(tx, bob.uri)
    assert actors.by_uri(tx, bob.uri) is first
    assert actors.by_uris(tx, [bob.uri, alice.uri, "https://nobody.example/"]) == {
        bob.uri: bob,
        alice.uri: alice,
    }
    assert actors.by_uri(tx, "https://nobody.example/") is None
    blocks.add(tx, uri="urn:block", actor_id=alice.id, target_id=bob.id)
    assert actors.by_uri(tx, bob.uri) is first
    actors.bury(tx, bob.id)
    found = actors.by_uri(tx, bob.uri)
    assert found is not None
    assert found.state == "deleted"
    assert PUBLIC not in actors.by_uris(tx, [PUBLIC])
