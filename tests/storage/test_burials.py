"""Somebody is gone: seen by nobody at once, cleared away a few rows at a time."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import Table, func, select

from storage import (
    accounts,
    actors,
    announces,
    audience,
    blocks,
    burials,
    deliveries,
    follows,
    hashtags,
    keys,
    likes,
    memberships,
    moved_things,
    moves,
    notifications,
    objects,
    polls,
    published,
    sessions,
    tables,
    timelines,
    tokens,
)
from storage.actors import Actor
from storage.audience import NOBODY
from storage.deliveries import Ending, To
from storage.transaction import Transaction
from tests.storage.people import (
    activity,
    activity_uri,
    colleague,
    follow,
    later,
    person,
    post,
    project,
)


def rows(tx: Transaction, *listed: Table) -> dict[str, int]:
    return {
        table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
        for table in listed
    }


def clear_away(tx: Transaction, limit: int) -> list[int]:
    """All steps until there is nothing to do."""
    steps = [burials.step(tx, limit)]
    while steps[-1]:
        steps.append(burials.step(tx, limit))
    return steps[:-1]


def busy_poster(tx: Transaction) -> Actor:
    """Bob of Riverside said much, and had to do with everything."""
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    follow(tx, ada, bob)
    follow(tx, bob, ada)
    kept = post(tx, cy)
    for number in range(12):
        said = post(tx, bob, audience="public" if number % 2 else "followers", to=[ada])
        timelines.place(tx, said.id, bob.id)
        likes.add(tx, uri=f"{ada.uri}/likes/{number}", actor_id=ada.id, object_id=said.id)
        notifications.add(tx, owner_id=ada.id, kind="mention", actor_id=bob.id, object_id=said.id)
        hashtags.file(tx, said.id, ["optics", "year9"])
    options = [("Lab 1", 0), ("Lab 2", 0)]
    polls.keep(tx, said.id, several=False, ends_at=None, voters=0, options=options)
    asked = post(tx, ada)
    polls.keep(tx, asked.id, several=False, ends_at=None, voters=0, options=options)
    polls.vote(tx, asked.id, bob.id, 1, f"{bob.uri}/votes/1")
    likes.add(tx, uri=f"{bob.uri}/likes/1", actor_id=bob.id, object_id=kept.id)
    announces.add(tx, uri=f"{bob.uri}/a/1", actor_id=bob.id, object_id=kept.id, audience="public")
    timelines.place(tx, kept.id, cy.id, announced_by=bob.id)
    notifications.add(tx, owner_id=ada.id, kind="follow", actor_id=bob.id)
    blocks.add(tx, uri=f"{bob.uri}/blocks/1", actor_id=bob.id, target_id=cy.id)
    return bob


THEIRS = (
    tables.likes,
    tables.announces,
    tables.timelines,
    tables.notifications,
    tables.follows,
    tables.blocks,
    tables.hashtags,
    tables.votes,
    tables.recipients,
)


def test_somebody_who_did_little_is_cleared_away_at_once(tx: Transaction) -> None:
    bob = busy_poster(tx)
    actors.bury(tx, bob.id)
    assert set(rows(tx, *THEIRS, tables.burials).values()) == {0}
    assert burials.step(tx, 100) == 0


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_somebody_who_did_much_is_invisible_at_once_and_cleared_away_in_slices(
    tx: Transaction, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    bob = busy_poster(tx)
    said = list(
        tx.execute(
            select(tables.objects.c.id).where(tables.objects.c.author_id == bob.id)
        ).scalars()
    )
    ada = actors.local_by_username(tx, "ada")
    assert ada is not None
    assert len(timelines.home(tx, ada.id, before=None, limit=20)) == 13
    monkeypatch.setattr(burials, "FIRST", 1)
    gone_at = tx.now

    actors.bury(tx, bob.id)

    assert rows(tx, tables.burials) == {"burials": 1}
    assert not any(audience.can_see(tx, NOBODY, number) for number in said)
    assert timelines.home(tx, ada.id, before=None, limit=20) == []
    assert notifications.recent(tx, ada.id, before=None, limit=20) == []
    assert follows.count_followers(tx, ada.id) == 0
    later(tx, hours=1)
    steps = clear_away(tx, limit)
    # About the limit: a step ends with the posts whose rows it cleared away.
    assert max(steps) <= limit + burials.TOGETHER
    assert set(rows(tx, *THEIRS, tables.burials).values()) == {0}
    for number in said:
        stone = objects.by_id(tx, number)
        assert stone is not None
        assert (stone.content, stone.deleted_at is not None) == ("", True)
        assert json.loads(stone.document)["type"] == "Tombstone"
    left = actors.by_id(tx, bob.id)
    assert left is not None
    assert (left.state, left.updated_at) == ("deleted", gone_at)


def test_whoever_is_gone_is_in_no_project_and_what_was_stays_known(
    tx: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    groups = [project(tx, f"project{number}", ada, bob) for number in range(3)]
    memberships.invite(tx, project(tx, "trip", private=True).id, bob.id, "editor", "urn:invite")
    orchard = project(tx, "orchard", ada, cy, host="hillside.example")
    monkeypatch.setattr(burials, "FIRST", 1)
    later(tx, days=1)
    for gone in (bob, orchard):
        actors.bury(tx, gone.id)
    clear_away(tx, 2)
    assert memberships.of_actor(tx, bob.id) == memberships.of_actor(tx, cy.id) == []
    assert [row.project_id for row in memberships.of_actor(tx, ada.id)] == [
        group.id for group in groups
    ]
    was = memberships.history(tx, groups[0].id, limit=9)
    assert [(actor.id, row.ended_at) for row, actor in was] == [(bob.id, tx.now), (ada.id, None)]


def test_what_somebody_who_is_gone_took_along_when_they_moved_is_forgotten(
    tx: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), person(tx, "cy")
    for who in (ada, cy):
        move, _ = moves.begin(tx, who.id, "in", bob.id, due_at=tx.now)
        moved_things.expect(
            tx, move.id, "following", [f"https://{n}.example/users/x" for n in range(7)]
        )
    monkeypatch.setattr(burials, "FIRST", 1)
    # Where they came from, and are no more, is no reason to go on no further.
    for gone in (ada, bob):
        actors.bury(tx, gone.id)
    clear_away(tx, 2)
    assert moves.of_actor(tx, ada.id) == []
    assert moved_things.totals(tx, moves.of_actor(tx, cy.id)[0].id) == {"following": {"waiting": 7}}
    assert rows(tx, tables.moves, tables.moved_things) == {"moves": 1, "moved_things": 7}


def test_of_ours_the_key_stays_until_the_last_server_was_told(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    accounts.add(tx, ada.id, "staff", "argon2")
    tokens.add(tx, ada.id, b"token", ["read"])
    sessions.add(tx, ada.id, b"session", tx.now + timedelta(days=14))
    said = activity(tx, ada, post(tx, ada))
    last = activity(tx, ada, ada.uri, kind="Delete")
    for sent in (said, last):
        deliveries.enqueue(tx, sent, To(named=(bob.id,)))
    actors.bury(tx, ada.id)

    (lane,) = deliveries.claim(tx, limit=1, lease=timedelta(minutes=1))
    assert burials.step(tx, 100) == 0
    first, second = deliveries.batch(tx, lane.peer_id, 10)
    assert [first.activity_id, second.activity_id] == [said, last]
    # The last word arrived, another still waits: it too must be signed.
    deliveries.ended(tx, [Ending(second.id, "done")])
    assert burials.step(tx, 100) == 0
    assert all(key.private for key in keys.of_actor(tx, ada.id))
    deliveries.ended(tx, [Ending(first.id, "over", "answered 404")])

    assert burials.step(tx, 1) == 1  # what they sent is emptied in slices too
    assert burials.step(tx, 100) == 1
    assert not any(key.private for key in keys.of_actor(tx, ada.id))
    for number in (said, last):
        emptied = published.own(tx, ada.id, activity_uri(tx, number))
        assert emptied is not None
        assert emptied.document == b""
    assert set(
        rows(tx, tables.accounts, tables.tokens, tables.sessions, tables.burials).values()
    ) == {0}


def test_whose_last_words_wait_does_not_hold_up_the_others(
    tx: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(burials, "AT_ONCE", 1)
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    sent = activity(tx, ada, ada.uri, kind="Delete")
    deliveries.enqueue(tx, sent, To(named=(bob.id,)))
    actors.bury(tx, ada.id)
    monkeypatch.setattr(burials, "FIRST", 0)
    cy = colleague(tx, "cy")
    said = post(tx, cy)
    actors.bury(tx, cy.id)
    assert clear_away(tx, 100) == [1]
    stone = objects.by_id(tx, said.id)
    assert stone is not None
    assert stone.deleted_at == tx.now


def test_everyone_is_one_inbox_of_each_server_that_is_not_blocked(tx: Transaction) -> None:
    ada = person(tx, "ada")
    for name in ("bob", "cy"):
        colleague(tx, name)
        colleague(tx, name, "hill.example", shared=False)
    colleague(tx, "spam", "spam.example")
    tx.execute(
        tables.peers.update().where(tables.peers.c.host == "spam.example").values(blocked=True)
    )
    gone = colleague(tx, "gone", "gone.example")
    actors.bury(tx, gone.id)
    # One of them follows her: told once all the same.
    bob = actors.by_uri(tx, "https://riverside.example/users/bob")
    assert bob is not None
    follow(tx, bob, ada)
    sent = activity(tx, ada, ada.uri, kind="Delete")
    deliveries.enqueue(tx, sent, To(followers_of=ada.id))
    deliveries.enqueue(tx, sent, To(everyone=True))
    found = tx.execute(
        select(tables.deliveries.c.inbox).where(tables.deliveries.c.activity_id == sent)
    ).scalars()
    assert sorted(found) == [
        "https://hill.example/users/bob/inbox",
        "https://riverside.example/inbox",
    ]
