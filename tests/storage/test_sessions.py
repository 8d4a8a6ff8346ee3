"""Browsers that our people are signed in with."""

from datetime import timedelta

from sqlalchemy import func, select

from storage import accounts, actors, sessions, tables
from storage.actors import Actor
from storage.transaction import Transaction
from tests.storage.people import colleague, later, person


def member(tx: Transaction, username: str) -> Actor:
    actor = person(tx, username)
    accounts.add(tx, actor.id, "admin" if username == "ada" else "staff")
    return actor


def kept(tx: Transaction) -> int:
    return tx.execute(select(func.count()).select_from(tables.sessions)).scalar_one()


def test_a_session_is_its_owners_until_it_expires(tx: Transaction) -> None:
    ada, ben = member(tx, "ada"), member(tx, "ben")
    began = tx.now
    sessions.add(tx, ada.id, b"one", tx.now + timedelta(days=14))
    sessions.add(tx, ben.id, b"two", tx.now + timedelta(days=1))
    found = sessions.by_hash(tx, b"one")
    assert found is not None
    assert (found.actor, found.role) == (ada, "admin")
    assert (found.created_at, found.seen_at) == (began, began)
    assert sessions.by_hash(tx, b"nobody's") is None

    later(tx, days=1)
    assert sessions.by_hash(tx, b"two") is None
    sessions.seen(tx, found.id, tx.now + timedelta(days=14))
    later(tx, days=13, hours=23)
    again = sessions.by_hash(tx, b"one")
    assert again is not None
    assert again.seen_at == began + timedelta(days=1)
    later(tx, hours=1)
    assert sessions.by_hash(tx, b"one") is None


def test_who_signs_out_is_out_here_or_everywhere_else(tx: Transaction) -> None:
    ada, ben = member(tx, "ada"), member(tx, "ben")
    for actor, hash_ in ((ada, b"one"), (ada, b"two"), (ada, b"three"), (ben, b"four")):
        sessions.add(tx, actor.id, hash_, tx.now + timedelta(days=14))
    first = sessions.by_hash(tx, b"one")
    assert first is not None
    sessions.end(tx, b"one")
    assert sessions.by_hash(tx, b"one") is None
    # A request that came at the same moment does not bring it back.
    sessions.seen(tx, first.id, tx.now + timedelta(days=14))
    assert sessions.by_hash(tx, b"one") is None
    assert len(sessions.of_actor(tx, ada.id)) == 2
    assert sessions.end_all(tx, ada.id, but=b"three") == 1
    assert [one.actor for one in sessions.of_actor(tx, ada.id)] == [ada]
    assert sessions.end_all(tx, ada.id) == 1
    assert sessions.by_hash(tx, b"four") is not None


def test_the_session_of_who_may_not_be_here_opens_nothing(tx: Transaction) -> None:
    ada, ben, bob = member(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    for actor, hash_ in ((ada, b"one"), (ben, b"two"), (bob, b"three")):
        sessions.add(tx, actor.id, hash_, tx.now + timedelta(days=14))
    accounts.add(tx, bob.id, "staff")
    assert sessions.by_hash(tx, b"two") is None  # has no account
    assert sessions.by_hash(tx, b"three") is None  # is not of this school
    actors.update_local(tx, ada.id, state="suspended")
    assert sessions.by_hash(tx, b"one") is None
    assert sessions.of_actor(tx, ada.id) == []


def test_what_is_over_is_forgotten_a_few_at_a_time(tx: Transaction) -> None:
    ada = member(tx, "ada")
    for number in range(5):
        sessions.add(tx, ada.id, b"%d" % number, tx.now + timedelta(days=number))
    later(tx, days=3)
    assert [sessions.prune(tx, 3), sessions.prune(tx, 3), kept(tx)] == [3, 1, 1]
    assert sessions.by_hash(tx, b"4") is not None
