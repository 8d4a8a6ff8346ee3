"""What our people are told about."""

from storage import actors, notifications, objects
from storage.transaction import Transaction
from tests.storage.people import colleague, person, post


def test_the_same_is_told_once(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    plan = post(tx, bob)
    assert notifications.add(tx, owner_id=ada.id, kind="follow", actor_id=bob.id)
    assert not notifications.add(tx, owner_id=ada.id, kind="follow", actor_id=bob.id)
    for kind in ("mention", "reply"):
        assert notifications.add(tx, owner_id=ada.id, kind=kind, actor_id=bob.id, object_id=plan.id)
    told = notifications.recent(tx, ada.id, before=None, limit=20)
    assert [(one.kind, one.actor, one.post) for one in told] == [
        ("reply", bob, plan),
        ("mention", bob, plan),
        ("follow", bob, None),
    ]
    assert notifications.recent(tx, ada.id, before=told[1].id, limit=20) == told[2:]


def test_nobody_is_told_of_a_post_they_may_not_see(tx: Transaction) -> None:
    """Mentioned, but not addressed."""
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    private = post(tx, bob, audience="direct")
    notifications.add(tx, owner_id=ada.id, kind="mention", actor_id=bob.id, object_id=private.id)
    assert notifications.recent(tx, ada.id, before=None, limit=20) == []


def test_what_is_deleted_or_from_who_was_suspended_is_told_no_more(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    plan = post(tx, bob)
    notifications.add(tx, owner_id=ada.id, kind="mention", actor_id=bob.id, object_id=plan.id)
    notifications.add(tx, owner_id=ada.id, kind="follow", actor_id=ben.id)
    objects.bury(tx, plan.id, {"type": "Tombstone"})
    actors.update_local(tx, ben.id, state="suspended")
    assert notifications.recent(tx, ada.id, before=None, limit=20) == []
