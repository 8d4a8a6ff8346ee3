"""Who passed on which post, and to whom."""

from storage import announces, objects, timelines
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person, post


def announce(tx: Transaction, actor: Actor, passed_on: Post, audience: str = "public") -> bool:
    return announces.add(
        tx,
        uri=f"{actor.uri}/announces/{passed_on.id}/{audience}",
        actor_id=actor.id,
        object_id=passed_on.id,
        audience=audience,
    )


def test_a_post_is_passed_on_once_by_each(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    plan = post(tx, ada)
    assert announce(tx, bob, plan)
    assert not announce(tx, bob, plan, "unlisted")
    assert announces.count(tx, plan.id) == 1
    assert [actor for _, actor in announces.of_object(tx, plan.id, before=None, limit=9)] == [bob]
    found = announces.by_uri(tx, f"{bob.uri}/announces/{plan.id}/public")
    assert found is not None
    assert (found.actor_id, found.object_id, found.audience) == (bob.id, plan.id, "public")


def test_what_is_taken_back_leaves_the_timelines_it_reached(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    follow(tx, ada, bob)
    plan = post(tx, cy)
    announce(tx, bob, plan)
    timelines.place(tx, plan.id, cy.id, announced_by=bob.id)
    assert len(timelines.home(tx, ada.id, before=None, limit=20)) == 1
    assert announces.remove(tx, bob.id, plan.id)
    assert not announces.remove(tx, bob.id, plan.id)
    assert timelines.home(tx, ada.id, before=None, limit=20) == []


def test_what_was_passed_on_to_followers_is_not_counted_in_public(tx: Transaction) -> None:
    plan = post(tx, person(tx, "ada"))
    announce(tx, colleague(tx, "bob"), plan, "followers")
    assert announces.count(tx, plan.id) == 0
    assert announces.of_object(tx, plan.id, before=None, limit=20) == []


def test_passing_on_a_private_post_opens_it_to_nobody(tx: Transaction) -> None:
    """An audience is the author's own word: no third party extends it."""
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    follow(tx, ben, bob)
    private = post(tx, ada, audience="direct", to=[bob])
    announce(tx, bob, private)
    timelines.place(tx, private.id, ada.id, announced_by=bob.id)
    assert timelines.home(tx, ben.id, before=None, limit=20) == []
    for viewer in (NOBODY, Viewer(ben.id, True)):
        assert objects.seen_by_uri(tx, viewer, private.uri) is None
