"""Somebody moves school: what goes along is written down once, with what became of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from storage import actors, memberships, moved_things, moves, standing
from storage.actors import Actor
from storage.moved_things import Kind, Thing
from storage.moves import Move
from storage.transaction import Transaction
from tests.storage.conftest import MORNING
from tests.storage.people import colleague, follow, later, project

CAROL = "https://hillside.example/users/carol"
DAVE = "https://oakfield.example/users/dave"
LEASE = timedelta(minutes=1)


@pytest.fixture
def move(tx: Transaction, alice: Actor, bob: Actor) -> Move:
    """Bob of Riverside is Alice of Oakfield now."""
    begun, new = moves.begin(tx, alice.id, "in", bob.id, due_at=tx.now)
    assert new
    return begun


def thing(tx: Transaction, move: Move, uri: str, kind: Kind = "following") -> Thing:
    (found,) = (
        one for one in moved_things.things(tx, move.id, kind=kind, limit=99) if one.uri == uri
    )
    return found


def test_a_move_that_is_under_way_is_not_begun_twice(tx: Transaction, move: Move) -> None:
    assert (move.list, move.next_page, move.pages, move.due_at) == ("following", None, 0, tx.now)
    assert "moves" in tx.topics
    moved_things.expect(tx, move.id, "following", [CAROL])
    moves.read_on(tx, move.id, None, None)
    later(tx, hours=1)
    same, new = moves.begin(tx, move.actor_id, "in", move.other_id, due_at=tx.now)
    assert not new
    assert (same.list, same.pages, same.due_at) == (None, 0, MORNING)
    assert same == moves.by_id(tx, move.id)
    assert moved_things.totals(tx, move.id) == {"following": {"waiting": 1}}
    other, new = moves.begin(tx, move.actor_id, "out", move.other_id, due_at=tx.now)
    assert new
    assert moves.of_actor(tx, move.actor_id) == [other, same]


def test_a_move_that_ended_begins_anew(tx: Transaction, move: Move) -> None:
    moved_things.expect(tx, move.id, "following", [CAROL])
    moves.end(tx, move.id)
    ended = moves.by_id(tx, move.id)
    assert ended is not None
    assert (ended.due_at, ended.ended_at) == (None, tx.now)
    # A step that was still under way changes nothing more.
    moves.put_off(tx, move.id, tx.now)
    moves.read_on(tx, move.id, "blocked", None)
    assert moves.by_id(tx, move.id) == ended
    later(tx, days=400)
    again, new = moves.begin(tx, move.actor_id, "in", move.other_id, due_at=tx.now)
    assert new
    assert again == moves.by_id(tx, move.id)
    assert (again.ended_at, again.created_at, again.due_at) == (None, tx.now, tx.now)
    assert moved_things.totals(tx, move.id) == {}


def test_moves_are_taken_when_their_step_is_due_and_by_one_at_a_time(
    tx: Transaction, move: Move, head: Actor
) -> None:
    second, _ = moves.begin(tx, head.id, "in", move.other_id, due_at=tx.now + timedelta(hours=1))
    (taken,) = moves.claim(tx, 9, LEASE)
    assert taken.id == move.id
    assert moves.claim(tx, 9, LEASE) == []
    # As after a crash: nobody gave it back.
    later(tx, minutes=1)
    assert [one.id for one in moves.claim(tx, 9, LEASE)] == [move.id]
    moves.put_off(tx, move.id, tx.now + timedelta(minutes=30), "the old school does not answer")
    later(tx, minutes=1)
    assert moves.claim(tx, 9, LEASE) == []
    moves.put_off(tx, move.id, tx.now + timedelta(minutes=68), "the old school does not answer")
    later(tx, minutes=75)
    assert [one.id for one in moves.claim(tx, 1, LEASE)] == [second.id]
    assert [one.id for one in moves.claim(tx, 9, LEASE)] == [move.id]
    found = moves.by_id(tx, move.id)
    assert found is not None
    assert (found.failures, found.last_error) == (2, "the old school does not answer")
    moves.read_on(tx, move.id, "following", f"{CAROL}/following?page=2")
    moves.put_off(tx, move.id, tx.now)
    found = moves.by_id(tx, move.id)
    assert found is not None
    assert (found.next_page, found.pages) == (f"{CAROL}/following?page=2", 1)
    assert (found.failures, found.last_error, found.due_at) == (0, None, tx.now)


def test_who_goes_along_is_written_down_once(tx: Transaction, move: Move) -> None:
    assert moved_things.expect(tx, move.id, "following", [CAROL, DAVE, CAROL]) == 2
    moved_things.settle(tx, move.id, "following", CAROL, "moved")
    more = [f"{CAROL}{number}" for number in range(1500)]
    assert (
        moved_things.expect(tx, move.id, "following", [CAROL, DAVE, *more], due_at=tx.now) == 1500
    )
    assert moved_things.expect(tx, move.id, "following", []) == 0
    # The same person may be more than one thing to them.
    assert moved_things.expect(tx, move.id, "block", [CAROL]) == 1
    assert moved_things.totals(tx, move.id) == {
        "following": {"waiting": 1501, "moved": 1},
        "block": {"waiting": 1},
    }


def test_what_has_moved_or_was_refused_stays_so(tx: Transaction, move: Move) -> None:
    moved_things.expect(tx, move.id, "following", [CAROL, DAVE], due_at=tx.now)
    assert moved_things.settle(tx, move.id, "following", CAROL, "asked")
    # Two who did the same at once: the second is told so.
    assert not moved_things.settle(tx, move.id, "following", CAROL, "asked")
    assert moved_things.settle(tx, move.id, "following", CAROL, "unreachable", "no answer")
    assert moved_things.settle(tx, move.id, "following", CAROL, "moved")
    assert moved_things.settle(tx, move.id, "following", DAVE, "refused", "they said no")
    later(tx, hours=1)
    for uri in (CAROL, DAVE):
        assert not moved_things.settle(tx, move.id, "following", uri, "asked")
        assert not moved_things.settle(tx, move.id, "following", uri, "refused", "never")
        assert not moved_things.again(tx, move.id, "following", uri, tx.now, "unreachable")
    assert not moved_things.settle(tx, move.id, "block", CAROL, "moved")
    assert not moved_things.settle(tx, move.id, "following", f"{DAVE}0", "moved")
    assert thing(tx, move, CAROL) == Thing("following", CAROL, "moved", None, 0, None, MORNING)
    assert thing(tx, move, DAVE).reason == "they said no"
    assert moved_things.due_things(tx, move.id, 9) == []


def test_what_cannot_be_reached_is_tried_again_the_longest_waiting_first(
    tx: Transaction, move: Move
) -> None:
    moved_things.expect(tx, move.id, "following", [CAROL, DAVE], due_at=tx.now)
    moved_things.expect(tx, move.id, "block", [CAROL])
    soon, late = tx.now + timedelta(minutes=5), tx.now + timedelta(minutes=10)
    assert [one.uri for one in moved_things.due_things(tx, move.id, 1)] == [CAROL]
    assert moved_things.again(tx, move.id, "following", CAROL, late, "unreachable", "no answer")
    assert moved_things.again(tx, move.id, "following", DAVE, soon, "unreachable")
    assert moved_things.due_things(tx, move.id, 9) == []
    assert moved_things.next_due(tx, move.id) == soon
    later(tx, minutes=10)
    assert [one.uri for one in moved_things.due_things(tx, move.id, 9)] == [DAVE, CAROL]
    tried = thing(tx, move, CAROL)
    assert (tried.outcome, tried.reason, tried.tries) == ("unreachable", "no answer", 1)
    moved_things.settle(tx, move.id, "following", CAROL, "asked")
    moved_things.settle(tx, move.id, "following", DAVE, "moved")
    assert moved_things.next_due(tx, move.id) is None


def test_an_answer_is_noted_in_every_move_that_awaits_it(
    tx: Transaction, move: Move, head: Actor
) -> None:
    second, _ = moves.begin(tx, move.actor_id, "in", colleague(tx, "al").id, due_at=tx.now)
    out, _ = moves.begin(tx, move.actor_id, "out", colleague(tx, "ali").id, due_at=tx.now)
    other, _ = moves.begin(tx, head.id, "in", move.other_id, due_at=tx.now)
    for one in (move, second, out, other):
        moved_things.expect(tx, one.id, "following", [CAROL], outcome="asked")
    moves.end(tx, second.id)
    assert moved_things.settle_for(
        tx, move.actor_id, "in", "following", CAROL, "refused", "they said no"
    )
    assert not moved_things.settle_for(tx, move.actor_id, "in", "following", CAROL, "moved")
    assert not moved_things.settle_for(tx, move.actor_id, "in", "following", DAVE, "moved")
    assert [thing(tx, one, CAROL).outcome for one in (move, second, out, other)] == [
        "refused",
        "refused",
        "asked",
        "asked",
    ]


def test_of_who_leaves_followers_followed_people_and_projects_go_along(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    carol, gone = colleague(tx, "carol"), colleague(tx, "gone")
    for follower in (head, bob, gone):
        follow(tx, follower, alice)
    follow(tx, carol, alice, accepted=False)
    for followee in (head, carol):
        follow(tx, alice, followee)
    follow(tx, alice, bob, accepted=False)
    actors.bury(tx, gone.id)
    bridge = project(tx, "bridge", alice, head)
    orchard = project(tx, "orchard", alice, host="hillside.example", private=True)
    left = project(tx, "left", alice)
    memberships.end(tx, left.id, alice.id)
    memberships.ask(tx, project(tx, "asked").id, alice.id, "editor", "urn:join")
    move, _ = moves.begin(tx, alice.id, "out", colleague(tx, "ali").id, due_at=tx.now)
    for new in (2, 0):
        assert moved_things.expect_followers(tx, move.id, alice.id) == new
        assert moved_things.expect_following(tx, move.id, alice.id) == new
        assert moved_things.expect_projects(tx, move.id, alice.id) == new
    along = [(one.kind, one.uri) for one in moved_things.things(tx, move.id, limit=99)]
    assert along == sorted(
        [
            *(("follower", actor.uri) for actor in (head, bob)),
            *(("following", actor.uri) for actor in (head, carol)),
            *(("project", actor.uri) for actor in (bridge, orchard)),
        ]
    )


def test_what_did_not_move_is_read_page_by_page(tx: Transaction, move: Move) -> None:
    uris = [f"{CAROL}{number}" for number in range(4)]
    moved_things.expect(tx, move.id, "following", uris)
    moved_things.expect(tx, move.id, "block", uris)
    moved_things.settle(tx, move.id, "following", uris[0], "moved")
    moved_things.settle(tx, move.id, "following", uris[2], "refused", "they said no")
    left: list[Thing] = []
    while page := moved_things.things(
        tx,
        move.id,
        outcomes=("waiting", "refused"),
        after=left[-1] if left else None,
        limit=2,
    ):
        left += page
    assert [(one.kind, one.uri, one.reason) for one in left] == [
        *(("block", uri, None) for uri in uris),
        ("following", uris[1], None),
        ("following", uris[2], "they said no"),
        ("following", uris[3], None),
    ]


@pytest.mark.parametrize("days", [7, 30, 0])
def test_how_long_whoever_moved_stays_is_a_setting(tx: Transaction, bob: Actor, days: int) -> None:
    tx.school = replace(tx.school, between_moves=timedelta(days=days))
    carol = colleague(tx, "carol", "hillside.example")
    assert standing.move(tx, bob.id, carol.uri)
    if days:
        later(tx, days=days, seconds=-1)
        for moved in (bob, carol):
            assert not standing.move(tx, moved.id, DAVE)
        later(tx, seconds=1)
    assert standing.move(tx, bob.id, DAVE)
    assert standing.move(tx, carol.id, DAVE)
    found = actors.by_id(tx, bob.id)
    assert found is not None
    assert (found.moved_to, found.moved_at) == (DAVE, tx.now)


def test_a_school_that_opens_takes_up_every_move_that_is_not_over(
    tx: Transaction, move: Move, head: Actor
) -> None:
    over, _ = moves.begin(tx, head.id, "in", move.other_id, due_at=tx.now)
    moves.end(tx, over.id)
    moves.claim(tx, 9, timedelta(hours=1))
    moves.take_up(tx)
    assert [one.id for one in moves.claim(tx, 9, LEASE)] == [move.id]
