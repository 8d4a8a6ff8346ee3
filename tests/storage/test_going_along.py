"""Somebody whom a whole school follows moves: all go along, and nobody waits for that to write."""

from datetime import timedelta

from outbox import going_along
from storage import actors, follows, moves
from storage.actors import Actor
from storage.moves import Move
from storage.transaction import Transaction
from tests.storage.people import follow, later
from tests.storage.teachers import teacher
from tests.storage.test_moves import NEW
from tests.storage.test_moves import moves as moves_away

MINUTE = timedelta(minutes=1)


def left(tx: Transaction, old: Actor) -> int:
    """How many of ours follow the old account still."""
    return len(follows.our_followers(tx, old.id))


def due(tx: Transaction) -> list[Move]:
    return moves.claim(tx, 10, MINUTE)


def test_a_whole_school_goes_along_with_a_teacher_a_few_in_each_commit(
    tx: Transaction, bob: Actor
) -> None:
    some = going_along.TOGETHER
    school = [teacher(tx, f"teacher{number}") for number in range(2 * some + 3)]
    for one in school:
        follow(tx, one, bob)
    moves_away(tx, bob)
    new = actors.by_uri(tx, NEW)
    assert new is not None
    assert left(tx, bob) == len(school) - some
    assert moves.of_actor(tx, bob.id) == []  # nobody came from or went to our school

    (move,) = due(tx)
    assert move.direction == "along"
    going_along.go_on(tx, move, bob, new)
    assert left(tx, bob) == len(school) - 2 * some

    # The power goes before the next few: the claim ends, and it goes on.
    assert len(due(tx)) == 1
    assert due(tx) == []
    later(tx, minutes=2)
    (again,) = due(tx)
    going_along.go_on(tx, again, bob, new)
    assert left(tx, bob) == 0
    later(tx, minutes=2)
    assert due(tx) == []
    for one in school:
        asked = follows.get(tx, one.id, new.id)
        assert asked is not None
        assert asked.state == "requested"


def test_a_few_who_follow_a_teacher_go_along_at_once(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    moves_away(tx, bob)
    assert left(tx, bob) == 0
    assert due(tx) == []
