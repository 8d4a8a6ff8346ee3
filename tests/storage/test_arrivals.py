"""What each of our people finds in their inbox."""

import json

from storage import actors, arrivals, follows, objects
from storage.actors import Actor
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import arrived, arriving, colleague, follow, person, post


def bring(
    tx: Transaction, sender: Actor, about: Post | None, *owners: Actor, kind: str = "Create"
) -> int:
    id_ = arrived(
        tx,
        arriving(tx.new_id(), sender.uri, about=None if about is None else about.uri, kind=kind),
    )
    arrivals.note(tx, id_, owners=[owner.id for owner in owners], followers_of=None, everyone=False)
    return id_


def test_an_activity_is_found_once_by_each_it_is_for(tx: Transaction) -> None:
    ada, ben, cy, bob = (
        person(tx, "ada"),
        person(tx, "ben"),
        person(tx, "cy"),
        colleague(tx, "bob"),
    )
    follow(tx, ben, bob)
    follow(tx, cy, bob, accepted=False)
    plan = post(tx, bob)
    id_ = bring(tx, bob, plan, ada)
    for _ in range(2):
        arrivals.note(tx, id_, owners=[ada.id], followers_of=bob.id, everyone=False)
    for reader in (ada, ben):
        (found,) = arrivals.inbox(tx, reader.id, before=None, limit=20)
        assert (found.received_id, found.type, found.post) == (id_, "Create", plan)
        assert arrivals.count(tx, reader.id) == 1
    assert arrivals.inbox(tx, cy.id, before=None, limit=20) == []


def test_what_is_for_the_whole_school_is_for_its_people(tx: Transaction) -> None:
    ada, school = person(tx, "ada"), person(tx, "school", kind="Organization")
    bob = colleague(tx, "bob")
    id_ = bring(tx, bob, post(tx, bob))
    arrivals.note(tx, id_, owners=[], followers_of=None, everyone=False)
    arrivals.note(tx, id_, owners=[], followers_of=None, everyone=True)
    counts = [arrivals.count(tx, reader.id) for reader in (ada, school, bob)]
    assert counts == [1, 0, 0]


def test_nobody_elsewhere_has_an_inbox_here(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    bring(tx, bob, None, bob)
    assert arrivals.count(tx, bob.id) == 0


def test_an_inbox_shows_each_post_as_it_stands_now(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    edited, deleted = post(tx, bob), post(tx, bob)
    first, second = bring(tx, bob, edited, ada), bring(tx, bob, deleted, ada)
    objects.edit(
        tx,
        edited.id,
        name=None,
        summary=None,
        content="<p>edited</p>",
        url=edited.url,
        document={},
        edited_at=tx.now,
    )
    objects.bury(tx, deleted.id, {"type": "Tombstone"})
    shown = arrivals.inbox(tx, ada.id, before=None, limit=20)
    assert [found.received_id for found in shown] == [second, first]
    assert shown[0].post is not None
    assert json.loads(shown[0].post.document) == {"type": "Tombstone"}
    assert shown[1].post is not None
    assert shown[1].post.content == "<p>edited</p>"
    assert arrivals.inbox(tx, ada.id, before=second, limit=20) == shown[1:]


def test_an_activity_about_nothing_we_keep_is_shown_as_it_came(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    bring(tx, bob, None, ada, kind="Follow")
    (found,) = arrivals.inbox(tx, ada.id, before=None, limit=20)
    assert found.post is None
    assert json.loads(found.body)["type"] == "Follow"


def test_what_the_owner_may_not_see_any_more_is_left_out(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, ada, bob)
    private = post(tx, bob, audience="followers")
    bring(tx, bob, private, ada)
    assert len(arrivals.inbox(tx, ada.id, before=None, limit=20)) == 1
    follows.remove(tx, ada.id, bob.id)
    assert arrivals.inbox(tx, ada.id, before=None, limit=20) == []


def test_what_came_from_who_was_suspended_is_left_out(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    bring(tx, ben, None, ada, kind="Follow")
    actors.update_local(tx, ben.id, state="suspended")
    assert arrivals.inbox(tx, ada.id, before=None, limit=20) == []
