"""What stands below a post counts only what its reader may see."""

from storage import announces, blocks, featured, likes, marks
from storage.marks import Marks
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person, post


def test_a_post_shows_what_was_done_with_it_and_what_the_reader_did(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    plan, rota = post(tx, ada), post(tx, ada)
    for number, actor in enumerate((ben, bob)):
        likes.add(tx, uri=f"urn:like:{number}", actor_id=actor.id, object_id=plan.id)
    announces.add(tx, uri="urn:a", actor_id=bob.id, object_id=plan.id, audience="public")
    post(tx, bob, reply_to=plan)
    featured.add(tx, ada.id, rota.id)

    assert marks.of_posts(tx, ben.id, [plan.id, rota.id]) == {
        plan.id: Marks(likes=2, announces=1, replies=1, liked=True),
        rota.id: Marks(),
    }
    assert marks.of_posts(tx, ada.id, [rota.id]) == {rota.id: Marks(pinned=True)}
    assert marks.of_posts(tx, ada.id, []) == {}


def test_numbers_tell_nobody_of_what_is_not_for_them(tx: Transaction) -> None:
    ada, ben, cat = person(tx, "ada"), person(tx, "ben"), person(tx, "cat")
    bob = colleague(tx, "bob")
    follow(tx, ben, bob)
    plan = post(tx, ada)
    post(tx, ada, audience="direct", to=[ben], reply_to=plan)
    post(tx, bob, audience="followers", reply_to=plan)
    announces.add(tx, uri="urn:a", actor_id=bob.id, object_id=plan.id, audience="followers")
    announces.add(tx, uri="urn:b", actor_id=ben.id, object_id=plan.id, audience="followers")
    secret = post(tx, ada, audience="direct", to=[ben])
    likes.add(tx, uri="urn:like", actor_id=ben.id, object_id=secret.id)
    post(tx, ben, reply_to=secret)

    found = marks.of_posts(tx, cat.id, [plan.id, secret.id])
    assert found == {plan.id: Marks(), secret.id: Marks()}
    found = marks.of_posts(tx, ben.id, [plan.id, secret.id])
    assert found[plan.id] == Marks(announces=1, replies=2, announced=True)
    assert found[secret.id] == Marks(likes=1, replies=1, liked=True)


def test_whom_one_blocks_counts_for_nothing(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    plan = post(tx, ada)
    likes.add(tx, uri="urn:like", actor_id=bob.id, object_id=plan.id)
    announces.add(tx, uri="urn:a", actor_id=bob.id, object_id=plan.id, audience="public")
    post(tx, bob, reply_to=plan)
    blocks.add(tx, uri="urn:block", actor_id=bob.id, target_id=ben.id)

    assert marks.of_posts(tx, ben.id, [plan.id])[plan.id] == Marks()
    assert marks.of_posts(tx, ada.id, [plan.id])[plan.id] == Marks(likes=1, announces=1, replies=1)
