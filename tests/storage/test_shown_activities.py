"""What is shown of activities: not what was edited away, no reports, nothing hidden in figures."""

import json

import pytest

from storage import arrivals, blocks, deliveries, likes, objects, published
from storage.audience import NOBODY, Viewer
from storage.transaction import Transaction
from tests.storage.people import activity, activity_uri, colleague, later, person, post, send
from tests.storage.test_arrivals import bring


def test_what_was_edited_away_comes_with_no_activity(tx: Transaction) -> None:
    ada = person(tx, "ada")
    plan = post(tx, ada)
    create = activity(tx, ada, plan)
    announce = activity(tx, ada, plan, kind="Announce")
    (sent, created) = published.outbox(tx, NOBODY, ada.id, before=None, limit=9)
    assert (sent.id, created.id) == (announce, create)
    assert (sent.post_now, created.post_now) == (None, None)

    later(tx, hours=1)
    assert objects.edit(
        tx,
        plan.id,
        name=None,
        summary=None,
        content="<p>New words</p>",
        url=plan.url,
        document={"id": plan.uri, "content": "<p>New words</p>"},
        edited_at=tx.now,
    )
    update = activity(tx, ada, plan, kind="Update")
    for id_ in (create, update):
        seen = published.seen_by_uri(tx, NOBODY, activity_uri(tx, id_))
        assert seen is not None
        assert json.loads(seen.post_now or "")["content"] == "<p>New words</p>"
    (sent, created) = published.outbox(tx, NOBODY, ada.id, before=None, limit=9)
    # Who passed it on said nothing of what stands in it.
    assert sent.post_now is None
    assert "New words" in (created.post_now or "")


@pytest.mark.parametrize("audience", ["direct", "public"])
def test_a_report_is_seen_by_who_wrote_it_alone(tx: Transaction, audience: str) -> None:
    """Also where it was brought to whom it is about, as the way to their administrator."""
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    to = deliveries.To(hidden=(bob.id,))
    id_ = send(tx, ada, bob.uri, to, kind="Flag", audience=audience)

    def sees(viewer: Viewer) -> bool:
        return published.seen_by_uri(tx, viewer, activity_uri(tx, id_)) is not None

    assert sees(Viewer(ada.id, True))
    assert not any(map(sees, (Viewer(bob.id, False), Viewer(ben.id, True), NOBODY)))


def test_an_inbox_counts_what_it_lists(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    bring(tx, bob, post(tx, bob), ada)
    bring(tx, cy, post(tx, cy), ada)
    bring(tx, cy, post(tx, cy, audience="direct"), ada)
    assert arrivals.count(tx, ada.id) == 2
    blocks.add(tx, uri="urn:block", actor_id=bob.id, target_id=ada.id)
    assert arrivals.count(tx, ada.id) == 1
    assert len(arrivals.inbox(tx, ada.id, before=None, limit=9)) == 1


def test_what_somebody_likes_is_nothing_to_whom_they_block(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), person(tx, "cy")
    likes.add(tx, uri="urn:like", actor_id=ada.id, object_id=post(tx, cy).id)
    there = Viewer(bob.id, False)
    assert likes.count_by_actor(tx, there, ada.id) == 1
    blocks.add(tx, uri="urn:block", actor_id=ada.id, target_id=bob.id)
    assert likes.count_by_actor(tx, there, ada.id) == 0
    assert likes.by_actor(tx, there, ada.id, before=None, limit=9) == []
    assert likes.count_by_actor(tx, Viewer(cy.id, True), ada.id) == 1
