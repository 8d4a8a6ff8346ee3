"""Activities as they came, first kept, then worked on."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from storage import peers, received, tables
from storage.received import Incoming, Received
from storage.transaction import Transaction
from tests.storage.meeting import meet
from tests.storage.people import arriving, colleague, later

BOB = "https://riverside.example/users/bob"
CY = "https://hill.example/users/cy"
LEASE = timedelta(minutes=5)


def claim(tx: Transaction, limit: int = 100) -> list[Received]:
    return received.claim(tx, limit=limit, lease=LEASE)


def ids(rows: list[Received]) -> list[int]:
    return [row.id for row in rows]


def test_an_activity_is_kept_once_per_inbox_and_sender(tx: Transaction) -> None:
    first = arriving(1, BOB)
    assert received.add_all(tx, [first]) == [True]
    assert "received" in tx.topics
    personal = Incoming(first.uri, first.actor_uri, 7, first.type, first.body)
    other_sender = Incoming(first.uri, CY, 0, first.type, first.body)
    assert received.add_all(tx, [first, personal, other_sender]) == [False, True, True]
    assert received.pending(tx) == 3
    assert received.add_all(tx, []) == []


def test_doubles_in_one_batch_are_kept_once(tx: Transaction) -> None:
    first, second = arriving(1, BOB), arriving(2, BOB)
    assert received.add_all(tx, [first, second, first, first]) == [True, True, False, False]
    assert received.pending(tx) == 2


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(batches=st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=4))
def test_whatever_comes_however_often_each_is_new_exactly_once(
    tx: Transaction, batches: list[list[int]]
) -> None:
    tx.execute(tables.received.delete())
    new: list[int] = []
    for batch in batches:
        told = received.add_all(tx, [arriving(number, BOB) for number in batch])
        assert len(told) == len(batch)
        new += [number for number, is_new in zip(batch, told, strict=True) if is_new]
    assert sorted(new) == sorted({number for batch in batches for number in batch})


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b'{"object": "urn:post"}', "urn:post"),
        (b'{"object": {"id": "urn:post"}}', "urn:post"),
        (b'{"object": [{"id": "urn:post"}, "urn:other"]}', "urn:post"),
        (b'{"object": []}', None),
        (b'{"object": {"id": 7}}', None),
        (b'["object"]', None),
        (b"{", None),
    ],
)
def test_what_an_activity_is_about_is_read_however_it_is_written(
    tx: Transaction, body: bytes, about: str | None
) -> None:
    received.add_all(tx, [Incoming("urn:1", BOB, 0, "Create", body)])
    assert tx.execute(select(tables.received.c.object_uri)).scalar_one() == about


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b'{"object": "urn:post"}', "urn:post"),
        (b'{"object": {"id": "urn:create", "object": "urn:post"}}', "urn:post"),
        (b'{"object": {"id": "urn:create", "object": {"id": "urn:post"}}}', "urn:post"),
        (b'{"object": [{"id": "urn:undo", "object": [{"object": "urn:post"}]}]}', "urn:post"),
        (b'{"object": {"id": "urn:leave", "object": null}}', "urn:leave"),
    ],
)
def test_what_is_passed_on_is_about_the_innermost_post(
    tx: Transaction, body: bytes, about: str
) -> None:
    """So that it is seen by whoever may see that post, and by nobody else."""
    received.add_all(tx, [Incoming("urn:1", BOB, 0, "Announce", body)])
    assert tx.execute(select(tables.received.c.object_uri)).scalar_one() == about


def test_what_is_taken_back_is_still_known_by_the_id_of_what_was_done(tx: Transaction) -> None:
    undo = b'{"object": {"id": "urn:like", "object": "urn:post"}}'
    received.add_all(tx, [Incoming("urn:1", BOB, 0, "Undo", undo)])
    assert received.earlier(tx, "urn:1", BOB) == ("Undo", "urn:like")


def test_what_was_refused_or_not_yet_looked_at_has_its_effect_when_it_is_passed_on(
    tx: Transaction,
) -> None:
    inside = arriving(1, BOB)
    assert received.came_inside(tx, inside)
    assert not received.came_inside(tx, inside)
    received.add_all(tx, [arriving(2, BOB)])
    (refused,) = claim(tx)
    assert not received.came_inside(tx, arriving(2, BOB)), "it is being worked on"
    received.done(tx, [refused.id], "it has to come from its project")
    assert received.came_inside(tx, arriving(2, BOB))
    assert not received.came_inside(tx, arriving(2, BOB))
    received.add_all(tx, [arriving(3, BOB, owner_id=7)])
    assert received.came_inside(tx, arriving(3, BOB)), "what lies there joins it"
    (waiting,) = claim(tx)
    assert received.Copies(tx, [waiting.uri]).first(tx, waiting) is not None


def test_rows_are_claimed_in_the_order_they_came(tx: Transaction) -> None:
    for number in range(5):
        received.add_all(tx, [arriving(number, BOB)])
        later(tx, seconds=1)
    first = claim(tx, limit=2)
    assert [row.uri[-1] for row in first] == ["0", "1"]
    assert (first[0].owner_id, first[0].type, first[0].tries) == (0, "Create", 0)
    received.done(tx, ids(first))
    assert [row.uri[-1] for row in claim(tx)] == ["2", "3", "4"]


def test_no_two_workers_have_rows_of_one_sender(tx: Transaction) -> None:
    received.add_all(tx, [arriving(number, BOB) for number in range(3)])
    received.add_all(tx, [arriving(1, CY)])
    assert len(claim(tx, limit=2)) == 2
    assert [row.actor_uri for row in claim(tx)] == [CY]
    assert claim(tx) == []


def test_what_is_given_back_or_left_by_a_dead_worker_is_claimed_again(tx: Transaction) -> None:
    received.add_all(tx, [arriving(1, BOB)])
    rows = claim(tx)
    received.release(tx, ids(rows))
    assert claim(tx) == rows
    later(tx, minutes=5)
    assert claim(tx) == rows
    received.release_all(tx)
    assert claim(tx) == rows
    received.done(tx, ids(rows))
    received.release(tx, ids(rows))
    later(tx, days=1)
    assert claim(tx) == []


def test_a_row_put_off_does_not_hold_up_what_came_after_it(tx: Transaction) -> None:
    received.add_all(tx, [arriving(number, BOB) for number in range(2)])
    first, second = claim(tx)
    received.again(
        tx, first.id, due_at=tx.now + timedelta(minutes=30), reason="hill.example is away"
    )
    received.done(tx, [second.id])
    received.add_all(tx, [arriving(3, BOB)])
    (third,) = claim(tx)
    assert third.uri.endswith("3")
    received.done(tx, [third.id])
    assert received.pending(tx) == 1
    later(tx, minutes=30)
    (again,) = claim(tx)
    assert (again.id, again.tries) == (first.id, 1)


def put_off(tx: Transaction, *rows: Received, host: str = "hill.example") -> None:
    for row in rows:
        due_at = tx.now + timedelta(hours=6)
        received.again(tx, row.id, due_at=due_at, reason="it is away", waits_for=host)


def test_what_waits_for_a_school_is_looked_at_as_soon_as_that_is_heard(tx: Transaction) -> None:
    received.add_all(tx, [arriving(1, BOB)])
    put_off(tx, *claim(tx))
    later(tx, minutes=2)
    peers.heard(tx, "dale.example")
    assert claim(tx) == []
    tx.topics.clear()
    peers.heard(tx, "hill.example")
    assert "received" in tx.topics
    (row,) = claim(tx)
    assert (row.uri[-1], row.tries) == ("1", 1)


def test_a_talkative_school_that_gives_nothing_is_asked_a_few_times_and_not_at_every_word(
    tx: Transaction,
) -> None:
    received.add_all(tx, [arriving(1, BOB)])
    put_off(tx, *claim(tx))
    start = tx.now
    tried = []
    for second in range(200):
        tx.now = start + timedelta(seconds=second)
        peers.heard(tx, "hill.example")
        for row in claim(tx):
            tried.append(second)
            put_off(tx, row)
    assert tried == [0, 20]
    assert received.pending(tx) == 1
    later(tx, hours=6)
    assert len(claim(tx)) == 1


def test_of_what_waits_for_a_school_only_so_much_is_hurried_at_once(
    tx: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    received.add_all(tx, [arriving(number, BOB) for number in range(received.HURRIED_AT_ONCE + 1)])
    put_off(tx, *claim(tx, limit=1000))
    peers.heard(tx, "hill.example")
    assert len(claim(tx, limit=1000)) == received.HURRIED_AT_ONCE
    later(tx, seconds=30)
    peers.heard(tx, "hill.example")
    received.release_all(tx)
    assert len(claim(tx, limit=1000)) == received.HURRIED_AT_ONCE + 1


def test_what_is_done_waits_for_nobody(tx: Transaction) -> None:
    received.add_all(tx, [arriving(1, BOB)])
    put_off(tx, *claim(tx))
    later(tx, hours=6)
    received.done(tx, ids(claim(tx)))
    assert tx.execute(select(tables.received.c.waits_for)).scalars().all() == [None]


def test_a_row_set_aside_waits_for_a_person_with_its_reason(tx: Transaction) -> None:
    received.add_all(tx, [arriving(1, BOB)])
    (row,) = claim(tx)
    received.aside(tx, row.id, "the handler raised KeyError")
    later(tx, days=1)
    assert claim(tx) == []
    assert received.pending(tx) == 0
    kept = tx.execute(select(tables.received.c.state, tables.received.c.reason)).one()
    assert tuple(kept) == ("aside", "the handler raised KeyError")


def test_a_second_copy_knows_the_first_only_if_that_had_its_effect(tx: Transaction) -> None:
    shared = arriving(1, BOB)
    personal = Incoming(shared.uri, shared.actor_uri, 7, shared.type, shared.body)
    received.add_all(tx, [shared, personal])
    one, two = claim(tx)
    assert received.Copies(tx, [two.uri]).first(tx, two) is None
    received.done(tx, [one.id], reason="refused: not the author")
    assert received.Copies(tx, [two.uri]).first(tx, two) is None
    received.done(tx, [one.id])
    assert received.Copies(tx, [two.uri]).first(tx, two) == one.id
    assert received.Copies(tx, [one.uri]).first(tx, one) is None


def test_two_processes_claiming_at_once_never_share_a_sender(
    fresh_postgresql: Callable[[], str],
) -> None:
    with meet(fresh_postgresql()) as meeting:
        received.add_all(meeting.one, [arriving(number, BOB) for number in range(4)])
        meeting.one.connection.commit()
        mine = claim(meeting.one, limit=2)  # not committed yet
        theirs: list[Received] = []
        claiming = meeting.start(lambda: theirs.extend(claim(meeting.other)))
        meeting.one.connection.commit()
        claiming.end()
    assert len(mine) == 2
    assert theirs == []


def test_no_more_is_claimed_than_can_be_held_and_nothing_of_who_keeps_us_waiting(
    tx: Transaction,
) -> None:
    bob = colleague(tx, "bob", "riverside.example")
    cy = colleague(tx, "cy", "hill.example")
    bodies = [b'{"a":"' + b"x" * 90 + b'"}'] * 4
    for number, (who, body) in enumerate(zip((bob, bob, cy, cy), bodies, strict=True)):
        received.add_all(tx, [Incoming(f"{who.uri}/{number}", who.uri, 0, "Create", body)])
    again = partial(received.claim, tx, limit=100, lease=timedelta(0))
    assert len(again(octets=250)) == 2
    assert len(again(octets=1)) == 1
    others = again(but={"riverside.example", "moor.example"})
    assert [row.actor_uri for row in others] == [cy.uri, cy.uri]
