"""Who may see what: every audience before every kind of viewer."""

from dataclasses import dataclass
from itertools import product

import pytest
from sqlalchemy import insert, select

from storage import actors, audience, follows, notifications, objects, peers, tables, timelines
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person, post

AUDIENCES = ("public", "unlisted", "followers", "school", "direct")

# Written down independently of the code: who sees what Ada, a teacher at Oakfield, wrote.
SEEN = {
    "public": {
        "a passer-by",
        "the author",
        "a teacher of the same school",
        "a teacher of the same school who follows",
        "a teacher of the same school who is named",
        "someone of the school without an actor",
        "a colleague elsewhere",
        "a colleague elsewhere who follows",
        "a colleague elsewhere who asked to follow",
        "a colleague elsewhere who was sent away",
        "a colleague elsewhere who is named",
        "a colleague elsewhere who is named in secret",
        "a colleague whom the author follows",
    },
    "followers": {
        "the author",
        "a teacher of the same school who follows",
        "a teacher of the same school who is named",
        "a colleague elsewhere who follows",
        "a colleague elsewhere who is named",
        "a colleague elsewhere who is named in secret",
    },
    "school": {
        "the author",
        "a teacher of the same school",
        "a teacher of the same school who follows",
        "a teacher of the same school who is named",
        "someone of the school without an actor",
    },
    "direct": {
        "the author",
        "a teacher of the same school who is named",
        "a colleague elsewhere who is named",
        "a colleague elsewhere who is named in secret",
    },
}
SEEN["unlisted"] = SEEN["public"]
VIEWERS = sorted(SEEN["public"])


@dataclass
class Staffroom:
    author: Actor
    posts: dict[str, Post]
    viewers: dict[str, Viewer]


def furnish(tx: Transaction) -> Staffroom:
    """Ada writes one post for each audience, and everybody who could look stands around."""
    ada = person(tx, "ada")
    names = [name for name in VIEWERS if name not in ("the author", "a passer-by")]
    people: dict[str, Actor] = {}
    for number, name in enumerate(names):
        if "without an actor" in name:
            continue
        make = person if "same school" in name else colleague
        people[name] = make(tx, f"viewer{number}")
    for name, actor in people.items():
        if name.endswith("follows") and "author" not in name:
            follow(tx, actor, ada)
    follow(tx, people["a colleague elsewhere who asked to follow"], ada, accepted=False)
    sent_away = people["a colleague elsewhere who was sent away"]
    follow(tx, sent_away, ada)
    follows.reject(tx, sent_away.id, ada.id)
    follow(tx, ada, people["a colleague whom the author follows"])
    posts = {
        kind: post(
            tx,
            ada,
            audience=kind,
            to=[actor for name, actor in people.items() if name.endswith("is named")],
            hidden=[people["a colleague elsewhere who is named in secret"]],
        )
        for kind in AUDIENCES
    }
    viewers = {name: Viewer(actor.id, actor.local) for name, actor in people.items()}
    viewers["the author"] = Viewer(ada.id, True)
    viewers["a passer-by"] = NOBODY
    viewers["someone of the school without an actor"] = Viewer(None, True)
    assert sorted(viewers) == VIEWERS
    return Staffroom(ada, posts, viewers)


def test_every_audience_is_seen_by_exactly_those_it_is_for(tx: Transaction) -> None:
    room = furnish(tx)
    for kind, name in product(AUDIENCES, VIEWERS):
        shown = room.posts[kind]
        viewer = room.viewers[name]
        expected = name in SEEN[kind]
        assert audience.can_see(tx, viewer, shown.id) is expected, (kind, name)
        seen = objects.seen_by_uri(tx, viewer, shown.uri)
        assert (seen is not None) is expected, (kind, name)


def test_every_list_of_posts_holds_exactly_what_its_viewer_may_see(tx: Transaction) -> None:
    room = furnish(tx)
    for name, viewer in room.viewers.items():
        expected = {room.posts[kind].id for kind in AUDIENCES if name in SEEN[kind]}
        by_author = objects.by_author(tx, viewer, room.author.id, before=None, limit=80)
        assert {found.id for found in by_author} == expected, name


def test_home_is_decided_for_all_readers_at_once_as_for_each_alone(tx: Transaction) -> None:
    room = furnish(tx)
    for shown in room.posts.values():
        timelines.place(tx, shown.id, room.author.id)
    rows = tx.execute(select(tables.timelines.c.reader_id, tables.timelines.c.object_id)).all()
    # What is for the school everybody there finds at home, the rest who follows.
    at_home = {"the author", "a teacher of the same school who follows"}
    assert {(row.reader_id, row.object_id) for row in rows} == {
        (viewer.actor_id, room.posts[kind].id)
        for name, viewer in room.viewers.items()
        for kind in AUDIENCES
        if name in SEEN[kind] and viewer.local and viewer.actor_id is not None
        and (name in at_home or kind == "school")
    }  # fmt: skip


@pytest.mark.parametrize("state", ["suspended", "deleted"])
def test_nobody_sees_posts_of_who_was_suspended_or_removed(tx: Transaction, state: str) -> None:
    room = furnish(tx)
    tx.execute(
        tables.actors.update().where(tables.actors.c.id == room.author.id).values(state=state)
    )
    for kind, name in product(AUDIENCES, VIEWERS):
        assert not audience.can_see(tx, room.viewers[name], room.posts[kind].id), (kind, name)


@pytest.mark.parametrize("block", ["riverside.example", "example"])
def test_a_blocked_school_is_seen_by_nobody_its_old_posts_included(
    tx: Transaction, block: str
) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, ada, bob)
    old = post(tx, bob)
    timelines.place(tx, old.id, bob.id)
    notifications.add(tx, owner_id=ada.id, kind="mention", actor_id=bob.id, object_id=old.id)
    viewer = Viewer(ada.id, True)
    assert audience.can_see(tx, viewer, old.id)
    peers.set_policy(tx, block, "blocked")
    assert not audience.can_see(tx, viewer, old.id)
    assert timelines.home(tx, ada.id, before=None, limit=20) == []
    assert notifications.recent(tx, ada.id, before=None, limit=20) == []
    assert follows.following(tx, ada.id, before=None, limit=20) == []
    assert follows.count_following(tx, ada.id) == 0
    peers.set_policy(tx, block, "unlisted")
    assert audience.can_see(tx, viewer, old.id)


def test_a_follow_in_the_sender_s_words_opens_nothing(tx: Transaction) -> None:
    """Followers-only posts of others are for those whom our own records hold as accepted."""
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    secret = post(tx, bob, audience="followers")
    assert not audience.can_see(tx, Viewer(ada.id, True), secret.id)
    follow(tx, ada, bob, accepted=False)
    assert not audience.can_see(tx, Viewer(ada.id, True), secret.id)
    follows.accept(tx, ada.id, bob.id)
    assert audience.can_see(tx, Viewer(ada.id, True), secret.id)


def test_an_audience_nobody_knows_is_for_the_author_alone(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    follow(tx, ben, ada)
    odd = post(tx, ada, audience="project", to=[ben])
    assert audience.can_see(tx, Viewer(ada.id, True), odd.id)
    assert not audience.can_see(tx, Viewer(ben.id, True), odd.id)
    assert not audience.can_see(tx, NOBODY, odd.id)


def test_a_recipient_joined_to_a_school_post_from_outside_sees_nothing(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    notice = post(tx, ada, audience="school")
    tx.execute(insert(tables.recipients).values(object_id=notice.id, actor_id=bob.id))
    assert not audience.can_see(tx, Viewer(bob.id, False), notice.id)
    assert actors.by_id(tx, bob.id) is not None
