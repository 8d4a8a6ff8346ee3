"""Copies of what others wrote: what stands beside the words is kept with them, and changes too."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from federation.vocabulary import rfc3339
from storage import hashtags, likes, objects, polls, tables
from storage.audience import Viewer
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, later, person, post
from tests.storage.test_inbox_verbs import act, arrive, create, home, note, told

QUOTED = "https://hilltop.example/notes/1"


def known(tx: Transaction, kept: Post) -> Post:
    found = objects.by_uri(tx, kept.uri)
    assert found is not None
    return found


def tags(*names: str) -> list[dict[str, Any]]:
    return [{"type": "Hashtag", "name": f"#{name}"} for name in names]


def test_hashtags_and_quotes_are_kept_and_change_with_an_edit(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    subject = note(bob, "<p>Look</p>", tag=tags("Maths", "PE"), quoteUrl=QUOTED)
    kept = create(tx, bob, subject)
    assert hashtags.of_post(tx, kept.id) == ["maths", "pe"]
    assert known(tx, kept).quotes == QUOTED
    viewer = Viewer(ada.id, True)
    filed = hashtags.posts(tx, viewer, "maths", before=None, limit=9)
    assert [one.id for one in filed] == [kept.id]
    later(tx, hours=1)
    edited = note(bob, "<p>Looked</p>", tag=tags("art"), updated=rfc3339(tx.now))
    arrive(tx, act(bob, "Update", edited | {"id": subject["id"]}))
    assert hashtags.of_post(tx, kept.id) == ["art"]
    assert known(tx, kept).quotes is None
    older = note(bob, "<p>Old</p>", tag=tags("old"), updated=rfc3339(tx.now - timedelta(hours=2)))
    arrive(tx, act(bob, "Update", older | {"id": subject["id"]}))
    assert hashtags.of_post(tx, kept.id) == ["art"]
    arrive(tx, act(bob, "Delete", subject["id"]))
    assert hashtags.of_post(tx, kept.id) == []
    assert known(tx, kept).quotes is None


def test_what_says_on_its_first_day_that_it_was_changed_is_not_called_edited(
    tx: Transaction,
) -> None:
    bob = colleague(tx, "bob")
    written = rfc3339(tx.now - timedelta(days=3))
    fresh = create(tx, bob, note(bob, published=written, updated=written))
    assert known(tx, fresh).edited_at is None
    changed = rfc3339(tx.now - timedelta(days=2))
    old = create(tx, bob, note(bob, published=written, updated=changed))
    assert known(tx, old).edited_at == tx.now - timedelta(days=2)


def test_a_poll_is_kept_with_its_post_and_one_that_becomes_a_poll_gets_one(
    tx: Transaction,
) -> None:
    bob = colleague(tx, "bob")
    choices = [{"name": "Monday", "replies": {"totalItems": 2}}, {"name": "Friday"}]
    subject = note(bob, "<p>When?</p>")
    kept = create(tx, bob, subject)
    assert polls.of_post(tx, None, kept.id) is None
    later(tx, hours=1)
    arrive(tx, act(bob, "Update", subject | {"type": "Question", "oneOf": choices}))
    found = polls.of_post(tx, None, kept.id)
    assert found is not None
    assert [(one.name, one.votes) for one in found.options] == [("Monday", 2), ("Friday", 0)]
    assert known(tx, kept).type == "Question"


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Like", {"content": ":blobcat:", "_misskey_reaction": ":blobcat:"}),
        ("EmojiReact", {"content": "🎉"}),
        ("EmojiReact", {"content": ":party:", "tag": {"type": "Emoji", "name": "party"}}),
        (["EmojiReact", "Like"], {"content": "🎉"}),
    ],
)
def test_a_reaction_in_any_shape_is_a_like(
    tx: Transaction, kind: Any, more: dict[str, Any]
) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    liked = post(tx, ada)
    arrive(tx, act(bob, kind, liked.uri, **more))
    arrive(tx, act(bob, "EmojiReact", {"id": liked.uri, "type": "Note"}, content="👍"))
    assert likes.count(tx, liked.id) == 1
    assert told(tx, ada) == [("like", "bob")]


def test_what_a_group_passes_on_is_read_like_anything_else(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    club = colleague(tx, "club", type="Group")
    follow(tx, ada, club)
    subject = note(bob, "", type="Page", name="Good news", url="https://news.example/story")
    activity = act(club, "Announce", subject["id"])
    arrive(tx, activity, fetched={subject["id"]: subject})
    kept = objects.by_uri(tx, subject["id"])
    assert kept is not None
    assert (kept.name, kept.url, kept.author_id) == ("Good news", subject["id"], bob.id)
    assert home(tx, ada) == [subject["id"]]


def test_what_is_no_post_is_not_kept(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    count = len(tx.execute(select(tables.objects.c.id)).all())
    for kind in ("EmojiReact", "CryptographicKey", "Person", "Emoji"):
        with pytest.raises(Exception, match="is not a post"):
            arrive(tx, act(bob, "Create", note(bob, "x", type=kind)))
    assert len(tx.execute(select(tables.objects.c.id)).all()) == count
