"""Posts that people keep at the top of their page."""

from storage import featured, objects
from storage.audience import NOBODY, Viewer
from storage.transaction import Transaction
from tests.storage.people import later, person, post


def test_what_is_featured_is_shown_the_latest_first_to_who_may_see_it(tx: Transaction) -> None:
    ada = person(tx, "ada")
    private, old, new = post(tx, ada, audience="followers"), post(tx, ada), post(tx, ada)
    for kept in (new, old, private):
        assert featured.add(tx, ada.id, kept.id)
        assert not featured.add(tx, ada.id, kept.id)
        later(tx, hours=1)
    assert featured.of_actor(tx, NOBODY, ada.id) == [old, new]
    assert featured.of_actor(tx, Viewer(ada.id, True), ada.id) == [private, old, new]
    assert featured.remove(tx, ada.id, old.id)
    assert not featured.remove(tx, ada.id, old.id)
    objects.bury(tx, new.id, {"type": "Tombstone"})
    assert featured.of_actor(tx, NOBODY, ada.id) == []
