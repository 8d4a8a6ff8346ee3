"""Posts, ours and copies of others'."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from storage import announces, audience, featured, likes, notifications, objects, tables, timelines
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, later, person, post

URI = "https://riverside.example/objects/7"


def bring(
    tx: Transaction, author: Actor, *, to: tuple[tuple[int, bool], ...] = (), **changes: Any
) -> tuple[Post, bool]:
    fields: dict[str, Any] = {
        "uri": URI,
        "type": "Note",
        "audience": "direct",
        "name": None,
        "summary": None,
        "content": "<p>Cover for period 3?</p>",
        "url": URI,
        "in_reply_to": None,
        "document": {"id": URI},
        "published_at": tx.now,
    }
    return objects.add(tx, author_id=author.id, recipients=to, **(fields | changes))


def edit(tx: Transaction, written: Post, content: str, edited_at: datetime) -> bool:
    return objects.edit(
        tx,
        written.id,
        name=None,
        summary=None,
        content=content,
        url=written.url,
        document={"id": written.uri, "content": content},
        edited_at=edited_at,
    )


def content(tx: Transaction, written: Post) -> str:
    found = objects.by_uri(tx, written.uri)
    assert found is not None
    return found.content


def test_a_post_that_comes_twice_is_one_post_and_its_recipients_are_joined(
    tx: Transaction,
) -> None:
    bob, ada, ben = colleague(tx, "bob"), person(tx, "ada"), person(tx, "ben")
    first, new = bring(tx, bob, to=((ada.id, False),))
    assert new
    again, new = bring(tx, bob, to=((ben.id, True), (ada.id, True)), content="<p>changed</p>")
    assert (again, new) == (first, False)
    assert objects.recipients_of(tx, first.id) == [ada, ben]
    rows = tx.execute(select(tables.recipients.c.actor_id, tables.recipients.c.hidden))
    assert {row.actor_id: row.hidden for row in rows} == {ada.id: False, ben.id: True}
    objects.join_recipients(tx, first.id, [ben.id], hidden=False)
    objects.join_recipients(tx, first.id, [], hidden=True)
    hidden = tx.execute(select(tables.recipients.c.hidden)).scalars().all()
    assert not any(hidden)


def test_nobody_takes_the_id_of_another_author_s_post(tx: Transaction) -> None:
    bob, mallory, ada = colleague(tx, "bob"), colleague(tx, "mallory"), person(tx, "ada")
    first, _ = bring(tx, bob)
    with pytest.raises(objects.Clash):
        bring(tx, mallory, to=((mallory.id, False),))
    assert objects.by_uri(tx, URI) == first
    assert not audience.can_see(tx, Viewer(mallory.id, False), first.id)
    assert not audience.can_see(tx, Viewer(ada.id, True), first.id)


def test_a_deleted_post_does_not_come_back(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    first, _ = bring(tx, bob)
    objects.bury(tx, first.id, {"type": "Tombstone"})
    with pytest.raises(objects.Clash):
        bring(tx, bob)


def test_a_post_deleted_before_it_came_is_refused_but_only_from_its_author(
    tx: Transaction,
) -> None:
    bob, mallory = colleague(tx, "bob"), colleague(tx, "mallory")
    objects.bury_unknown(tx, URI, mallory.uri)
    objects.bury_unknown(tx, URI, mallory.uri)
    assert objects.is_buried(tx, URI, mallory.uri)
    assert not objects.is_buried(tx, URI, bob.uri)
    bring(tx, bob)
    objects.bury_unknown(tx, URI + "8", bob.uri)
    with pytest.raises(objects.Clash):
        bring(tx, bob, uri=URI + "8")


def test_the_latest_edit_wins_in_whatever_order_they_come(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    written, _ = bring(tx, bob)
    assert edit(tx, written, "second", tx.now + timedelta(minutes=2))
    assert not edit(tx, written, "first", tx.now + timedelta(minutes=1))
    assert content(tx, written) == "second"
    assert edit(tx, written, "third", tx.now + timedelta(minutes=3))
    assert content(tx, written) == "third"


def test_an_edit_within_the_second_of_the_post_counts(tx: Transaction) -> None:
    """Documents carry whole seconds, our rows finer ones."""
    tx.now += timedelta(microseconds=700_000)
    ada = person(tx, "ada")
    written = post(tx, ada)
    whole = tx.now.replace(microsecond=0)
    assert edit(tx, written, "at once", whole)
    assert edit(tx, written, "and again", whole)
    assert content(tx, written) == "and again"
    assert not edit(tx, written, "from before", whole - timedelta(seconds=1))


def test_a_deleted_post_is_not_edited(tx: Transaction) -> None:
    ada = person(tx, "ada")
    written = post(tx, ada)
    objects.bury(tx, written.id, {"type": "Tombstone"})
    assert not edit(tx, written, "I am back", tx.now + timedelta(hours=1))
    assert content(tx, written) == ""


def test_a_deleted_post_is_empty_and_nothing_hangs_on_it(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    follow(tx, ben, ada)
    written = post(tx, ada, to=[bob])
    timelines.place(tx, written.id, ada.id)
    likes.add(tx, uri="urn:like", actor_id=bob.id, object_id=written.id)
    announces.add(tx, uri="urn:announce", actor_id=bob.id, object_id=written.id, audience="public")
    notifications.add(tx, owner_id=ada.id, kind="like", actor_id=bob.id, object_id=written.id)
    featured.add(tx, ada.id, written.id)
    stone = {"type": "Tombstone", "id": written.uri}

    objects.bury(tx, written.id, stone)

    seen = objects.seen_by_uri(tx, NOBODY, written.uri)
    assert seen is not None
    assert (seen.deleted_at, seen.content, json.loads(seen.document)) == (tx.now, "", stone)
    for table in (
        tables.likes,
        tables.announces,
        tables.timelines,
        tables.notifications,
        tables.featured,
    ):
        assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 0
    assert objects.by_author(tx, NOBODY, ada.id, before=None, limit=20) == []


def test_only_who_could_see_a_deleted_post_learns_that_it_was_there(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    written = post(tx, ada, audience="direct", to=[bob])
    objects.bury(tx, written.id, {"type": "Tombstone"})
    assert objects.seen_by_uri(tx, NOBODY, written.uri) is None
    assert objects.seen_by_uri(tx, Viewer(bob.id, False), written.uri) is not None


def test_a_page_of_posts_goes_on_where_the_last_one_ended(tx: Transaction) -> None:
    ada = person(tx, "ada")
    written = [post(tx, ada).id for _ in range(5)]
    first = objects.by_author(tx, NOBODY, ada.id, before=None, limit=2)
    second = objects.by_author(tx, NOBODY, ada.id, before=first[-1].id, limit=80)
    assert [found.id for found in first + second] == written[::-1]


def test_a_public_page_shows_a_follower_no_more_than_anybody(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    for kind in ("public", "unlisted", "followers", "school"):
        post(tx, ada, audience=kind)
    viewer = Viewer(ada.id, True)
    public = objects.by_author(tx, viewer, ada.id, before=None, limit=20, public_only=True)
    assert [found.audience for found in public] == ["unlisted", "public"]
    assert ben.local


def test_private_answers_are_neither_listed_nor_counted(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    question = post(tx, ada)
    openly = post(tx, bob, reply_to=question)
    secretly = post(tx, bob, audience="direct", to=[ada], reply_to=question)
    objects.bury(tx, post(tx, bob, reply_to=question).id, {"type": "Tombstone"})
    assert objects.replies(tx, NOBODY, question.uri, before=None, limit=20) == [openly]
    assert objects.count_replies(tx, NOBODY, question.uri) == 1
    mine = objects.replies(tx, Viewer(ada.id, True), question.uri, before=None, limit=20)
    assert mine == [secretly, openly]
    assert objects.count_replies(tx, Viewer(ada.id, True), question.uri) == 2


def test_a_fetch_is_noted_once(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    written = post(tx, ada)
    objects.note_fetch(tx, written.id, bob.id)
    later(tx, hours=1)
    objects.note_fetch(tx, written.id, bob.id)
    assert tx.execute(select(func.count()).select_from(tables.fetched)).scalar_one() == 1
