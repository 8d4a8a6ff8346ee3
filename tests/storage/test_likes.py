"""Who likes which post."""

from storage import actors, likes
from storage.audience import NOBODY, Viewer
from storage.transaction import Transaction
from tests.storage.people import colleague, person, post


def test_a_post_is_liked_once_by_each(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    plan = post(tx, ada)
    assert likes.add(tx, uri="urn:like:1", actor_id=bob.id, object_id=plan.id)
    assert not likes.add(tx, uri="urn:like:2", actor_id=bob.id, object_id=plan.id)
    assert not likes.add(tx, uri="urn:like:1", actor_id=ada.id, object_id=plan.id)
    assert likes.count(tx, plan.id) == 1
    ((cursor, someone),) = likes.of_object(tx, plan.id, before=None, limit=20)
    assert someone == bob
    assert likes.of_object(tx, plan.id, before=cursor, limit=20) == []
    found = likes.by_uri(tx, "urn:like:1")
    assert found is not None
    assert (found.actor_id, found.object_id) == (bob.id, plan.id)


def test_a_like_can_be_taken_back(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    plan = post(tx, ada)
    likes.add(tx, uri="urn:like:1", actor_id=bob.id, object_id=plan.id)
    assert not likes.remove(tx, ada.id, plan.id)
    assert likes.remove(tx, bob.id, plan.id)
    assert not likes.remove(tx, bob.id, plan.id)
    assert likes.by_uri(tx, "urn:like:1") is None
    assert likes.count(tx, plan.id) == 0


def test_what_someone_likes_shows_nobody_a_private_post(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    public, private = post(tx, ada), post(tx, ada, audience="direct", to=[bob])
    for number, liked in enumerate((public, private)):
        likes.add(tx, uri=f"urn:like:{number}", actor_id=bob.id, object_id=liked.id)
    shown = likes.by_actor(tx, NOBODY, bob.id, before=None, limit=20)
    assert [found for _, found in shown] == [public]
    assert likes.count_by_actor(tx, NOBODY, bob.id) == 1
    mine = likes.by_actor(tx, Viewer(ada.id, True), bob.id, before=None, limit=20)
    assert [found for _, found in mine] == [private, public]
    assert likes.count_by_actor(tx, Viewer(ada.id, True), bob.id) == 2


def test_the_likes_of_who_was_suspended_do_not_count(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    plan = post(tx, ada)
    likes.add(tx, uri="urn:like:1", actor_id=ben.id, object_id=plan.id)
    actors.update_local(tx, ben.id, state="suspended")
    assert likes.count(tx, plan.id) == 0
    assert likes.of_object(tx, plan.id, before=None, limit=20) == []
