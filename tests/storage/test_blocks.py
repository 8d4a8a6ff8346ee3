"""Whoever blocks somebody, and whoever is blocked, sees and hears nothing of the other."""

from collections.abc import Callable

import pytest

from storage import (
    actors,
    announces,
    arrivals,
    audience,
    blocks,
    featured,
    follows,
    likes,
    notifications,
    objects,
    timelines,
)
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import arrived, arriving, colleague, follow, later, person, post

AUDIENCES = ("public", "unlisted", "followers", "school", "direct")
Set = Callable[[Transaction, Actor, Actor], None]


def block(tx: Transaction, actor: Actor, target: Actor) -> None:
    uri = f"{actor.uri}/blocks/{target.id}"
    assert blocks.add(tx, uri=uri, actor_id=actor.id, target_id=target.id)


def blocked_by(tx: Transaction, actor: Actor, target: Actor) -> None:
    block(tx, target, actor)


def at_home(tx: Transaction, reader: Actor) -> list[Post]:
    return [row.post for row in timelines.home(tx, reader.id, before=None, limit=20)]


def told(tx: Transaction, owner: Actor) -> list[str]:
    return [one.kind for one in notifications.recent(tx, owner.id, before=None, limit=20)]


def test_a_block_is_kept_once_and_holds_until_the_one_who_set_it_takes_it_back(
    tx: Transaction,
) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), person(tx, "cy")
    assert not blocks.between(tx, ada.id, bob.id)
    assert blocks.add(tx, uri="https://oakfield.example/1", actor_id=ada.id, target_id=bob.id)
    assert not blocks.add(tx, uri="https://oakfield.example/2", actor_id=ada.id, target_id=bob.id)
    assert not blocks.add(tx, uri="https://oakfield.example/1", actor_id=ada.id, target_id=cy.id)
    assert blocks.between(tx, ada.id, bob.id)
    assert blocks.between(tx, bob.id, ada.id)
    assert blocks.get(tx, bob.id, ada.id) is None
    kept = blocks.by_uri(tx, "https://oakfield.example/1")
    assert kept is not None
    assert kept == blocks.get(tx, ada.id, bob.id)
    block(tx, cy, ada)
    assert blocks.apart(tx, ada.id, [bob.id, cy.id, ada.id]) == {bob.id, cy.id}
    assert blocks.apart(tx, bob.id, [cy.id]) == blocks.apart(tx, ada.id, []) == set()
    assert [target for _, target in blocks.of_actor(tx, ada.id, before=None, limit=9)] == [bob]
    assert not blocks.remove(tx, bob.id, ada.id)
    assert blocks.remove(tx, ada.id, bob.id)
    assert not blocks.between(tx, ada.id, bob.id)


@pytest.mark.parametrize("way", [block, blocked_by])
def test_neither_sees_a_post_of_the_other_of_whatever_audience(tx: Transaction, way: Set) -> None:
    ada, ben, cy = person(tx, "ada"), person(tx, "ben"), person(tx, "cy")
    follow(tx, ben, ada)
    written = [post(tx, ada, audience=kind, to=[ben, cy]) for kind in AUDIENCES]
    reader = Viewer(ben.id, local=True)
    assert all(audience.can_see(tx, reader, one.id) for one in written)
    way(tx, ada, ben)
    for one in written:
        assert not audience.can_see(tx, reader, one.id), one.audience
        assert objects.seen_by_uri(tx, reader, one.uri) is None, one.audience
        assert audience.can_see(tx, Viewer(cy.id, local=True), one.id) or one.audience not in (
            "public", "unlisted", "school", "direct",
        )  # fmt: skip
    assert objects.by_author(tx, reader, ada.id, before=None, limit=20) == []
    assert len(objects.by_author(tx, NOBODY, ada.id, before=None, limit=20)) == 2
    # What was written for them they may still report.
    assert all(audience.is_for(tx, reader, one.id) for one in written)


@pytest.mark.parametrize("way", [block, blocked_by])
def test_what_is_old_hides_while_the_block_stands_and_shows_again(
    tx: Transaction, way: Set
) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    follow(tx, ada, bob)
    mine, theirs, third = post(tx, ada), post(tx, bob), post(tx, cy)
    answer = post(tx, bob, reply_to=mine)
    timelines.place(tx, theirs.id, bob.id)
    timelines.place(tx, third.id, cy.id, announced_by=bob.id)
    for kind, about in (("follow", None), ("like", mine.id), ("reply", answer.id)):
        notifications.add(tx, owner_id=ada.id, kind=kind, actor_id=bob.id, object_id=about)  # type: ignore[arg-type]
    row = arrived(tx, arriving("hello", sender=bob.uri))
    arrivals.note(tx, row, owners=[ada.id], followers_of=None, everyone=False)

    def shown() -> tuple[int, ...]:
        reader = Viewer(ada.id, local=True)
        return (
            len(at_home(tx, ada)),
            len(told(tx, ada)),
            notifications.unread(tx, ada.id),
            len(objects.replies(tx, reader, mine.uri, before=None, limit=9)),
            objects.count_replies(tx, reader, mine.uri),
            len(arrivals.inbox(tx, ada.id, before=None, limit=9)),
        )

    before = shown()
    assert before == (2, 3, 3, 1, 1, 1)
    way(tx, ada, bob)
    assert shown() == (0, 0, 0, 0, 0, 0)
    blocks.remove(tx, ada.id, bob.id)
    blocks.remove(tx, bob.id, ada.id)
    assert shown() == before


def test_what_comes_later_is_not_placed_before_whom_it_is_hidden_from(tx: Transaction) -> None:
    ada, ben, cy = person(tx, "ada"), person(tx, "ben"), person(tx, "cy")
    block(tx, ada, ben)
    notice = post(tx, ben, audience="school")
    timelines.place(tx, notice.id, ben.id)
    assert at_home(tx, ada) == []
    assert at_home(tx, cy) == [notice]
    # They follow each other's announcements no more, whatever is left over from before.
    follow(tx, ada, ben)
    third = post(tx, cy)
    timelines.place(tx, third.id, cy.id, announced_by=ben.id)
    blocks.remove(tx, ada.id, ben.id)
    assert at_home(tx, ada) == []


def test_what_somebody_likes_or_features_is_hidden_where_its_author_is(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), person(tx, "cy")
    theirs = post(tx, bob)
    likes.add(tx, uri="https://oakfield.example/l", actor_id=cy.id, object_id=theirs.id)
    own = post(tx, ada)
    featured.add(tx, ada.id, own.id)
    block(tx, bob, ada)
    reader = Viewer(ada.id, local=True)
    assert likes.by_actor(tx, reader, cy.id, before=None, limit=9) == []
    assert likes.count_by_actor(tx, reader, cy.id) == 0
    assert featured.of_actor(tx, Viewer(bob.id, local=False), ada.id) == []
    assert featured.of_actor(tx, NOBODY, ada.id) == [own]


def test_follows_are_cut_both_ways_and_nobody_else_s(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), person(tx, "cy")
    for one, other in ((ada, bob), (bob, ada), (cy, bob), (ada, cy)):
        follow(tx, one, other)
    follows.cut(tx, bob.id, ada.id)
    assert follows.get(tx, ada.id, bob.id) is follows.get(tx, bob.id, ada.id) is None
    assert follows.get(tx, cy.id, bob.id) is not None
    assert follows.get(tx, ada.id, cy.id) is not None
    follows.remove_all(tx, ada.id)
    assert follows.get(tx, ada.id, cy.id) is None
    assert follows.get(tx, cy.id, bob.id) is not None


def test_notifications_are_new_until_their_owner_looked(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    first, second = colleague(tx, "bob"), colleague(tx, "cy")
    for actor in (first, second):
        notifications.add(tx, owner_id=ada.id, kind="follow", actor_id=actor.id)
        notifications.add(tx, owner_id=ben.id, kind="follow", actor_id=actor.id)
    newest, oldest = notifications.recent(tx, ada.id, before=None, limit=9)
    assert notifications.unread(tx, ada.id) == 2
    later(tx, minutes=5)
    notifications.mark_read(tx, ada.id, oldest.id)
    assert notifications.unread(tx, ada.id) == 1
    notifications.mark_read(tx, ada.id, newest.id)
    assert notifications.unread(tx, ada.id) == 0
    assert notifications.unread(tx, ben.id) == 2
    read_at = [one.read_at for one in notifications.recent(tx, ada.id, before=None, limit=9)]
    assert read_at == [tx.now, tx.now]


def test_requests_are_counted_as_they_are_listed(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    follow(tx, bob, ada, accepted=False)
    follow(tx, cy, ada)
    assert [actor for _, actor in follows.requests(tx, ada.id)] == [bob]
    assert follows.count_requests(tx, ada.id) == 1
    assert announces.count(tx, post(tx, ada).id) == 0


def test_who_of_us_blocks_somebody_and_whom_they_block_goes_along_when_they_move(
    tx: Transaction,
) -> None:
    ada, ben, gone = (person(tx, name) for name in ("ada", "ben", "gone"))
    bob, cy = colleague(tx, "bob"), colleague(tx, "cy")
    for blocker in (ben, gone, cy, ada):
        block(tx, blocker, bob)
    block(tx, bob, cy)
    block(tx, bob, ada)
    actors.bury(tx, gone.id)
    assert [actor.id for actor in blocks.blockers_of(tx, bob.id)] == [ada.id, ben.id]
    assert blocks.count_of_actor(tx, bob.id) == 2
    assert blocks.blockers_of(tx, cy.id) == []
    assert blocks.count_of_actor(tx, gone.id) == 0
