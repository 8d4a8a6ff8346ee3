"""What waits to be sent, whom it is for, and the lanes it waits in."""

from datetime import timedelta

from sqlalchemy import select

from storage import actors, announces, deliveries, follows, keys, likes, objects, peers, tables
from storage.deliveries import Ending, Lane, To
from storage.peers import Peer
from storage.transaction import Transaction
from tests.storage.people import activity, colleague, follow, later, person, post, send

LEASE = timedelta(minutes=2)
HOUR = timedelta(hours=1)


def inboxes(tx: Transaction, activity_id: int) -> list[str]:
    """Where an activity goes, without https://."""
    table = tables.deliveries
    found = tx.execute(select(table.c.inbox).where(table.c.activity_id == activity_id)).scalars()
    return sorted(inbox.removeprefix("https://") for inbox in found)


def claim(tx: Transaction, limit: int = 10) -> list[Lane]:
    return deliveries.claim(tx, limit=limit, lease=LEASE)


def peer(tx: Transaction, host: str) -> Peer:
    found = peers.by_host(tx, host)
    assert found is not None
    return found


# --- whom it is for ----------------------------------------------------------------------------


def test_a_school_with_many_followers_gets_one_copy(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    for number in range(5):
        follow(tx, colleague(tx, f"bob{number}"), ada)
    follow(tx, colleague(tx, "cy", "hill.example", shared=False), ada)
    follow(tx, colleague(tx, "dee", "hill.example", shared=False), ada)
    follow(tx, ben, ada)
    id_ = activity(tx, ada, post(tx, ada))
    assert deliveries.enqueue(tx, id_, To(followers_of=ada.id)) == 3
    assert inboxes(tx, id_) == [
        "hill.example/users/cy/inbox",
        "hill.example/users/dee/inbox",
        "riverside.example/inbox",
    ]
    assert deliveries.enqueue(tx, id_, To(followers_of=ada.id)) == 0
    assert deliveries.waiting(tx) == 3
    assert "deliveries" in tx.topics


def test_only_accepted_followers_get_a_copy(tx: Transaction) -> None:
    ada = person(tx, "ada")
    follow(tx, colleague(tx, "bob"), ada, accepted=False)
    cy = colleague(tx, "cy", "hill.example")
    follow(tx, cy, ada)
    follows.reject(tx, cy.id, ada.id)
    assert inboxes(tx, send(tx, ada, post(tx, ada), To(followers_of=ada.id))) == []


def test_a_direct_post_goes_to_the_personal_inbox(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    note = post(tx, ada, audience="direct", to=[bob, cy])
    id_ = send(tx, ada, note, To(named=(bob.id, cy.id)))
    assert inboxes(tx, id_) == [
        "riverside.example/users/bob/inbox",
        "riverside.example/users/cy/inbox",
    ]


def test_who_is_named_in_a_public_post_is_reached_by_the_shared_inbox(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy", shared=False)
    id_ = send(tx, ada, post(tx, ada, to=[bob, cy]), To(shared=(bob.id, cy.id)))
    assert inboxes(tx, id_) == ["riverside.example/inbox", "riverside.example/users/cy/inbox"]


def test_who_is_named_and_follows_gets_one_copy(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    dee = colleague(tx, "dee", "hill.example", shared=False)
    follow(tx, bob, ada)
    follow(tx, dee, ada)
    to = To(followers_of=ada.id, named=(bob.id, cy.id, dee.id))
    assert inboxes(tx, send(tx, ada, post(tx, ada), to)) == [
        "hill.example/users/dee/inbox",
        "riverside.example/inbox",
        "riverside.example/users/cy/inbox",
    ]


def test_who_is_named_in_secret_gets_it_to_the_personal_inbox_whatever_else(
    tx: Transaction,
) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada)
    to = To(followers_of=ada.id, hidden=(bob.id,))
    assert inboxes(tx, send(tx, ada, post(tx, ada, hidden=[bob]), to)) == [
        "riverside.example/inbox",
        "riverside.example/users/bob/inbox",
    ]


def test_our_own_people_and_who_is_not_active_get_nothing_by_wire(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    away = colleague(tx, "away", state="suspended")
    gone = colleague(tx, "gone")
    actors.bury(tx, gone.id)
    everyone = (ada.id, ben.id, away.id, gone.id)
    id_ = activity(tx, ada, post(tx, ada))
    for to in (To(named=everyone), To(shared=everyone), To(hidden=everyone), To()):
        assert deliveries.enqueue(tx, id_, to) == 0


def test_blocked_schools_and_what_is_below_them_get_nothing(tx: Transaction) -> None:
    ada = person(tx, "ada")
    for host in ("blocked.example", "lab.blocked.example", "blocked.example:8443", "fine.example"):
        follow(tx, colleague(tx, "bob", host), ada)
    peers.set_policy(tx, "blocked.example", "blocked")
    id_ = send(tx, ada, post(tx, ada), To(followers_of=ada.id))
    assert inboxes(tx, id_) == ["fine.example/inbox"]


def test_what_is_passed_on_does_not_go_back_where_it_came_from(tx: Transaction) -> None:
    ada = person(tx, "ada")
    for host in ("riverside.example", "hill.example"):
        follow(tx, colleague(tx, "bob", host), ada)
    id_ = activity(tx, ada, "https://riverside.example/objects/1", forwarded=True)
    to = To(followers_of=ada.id)
    assert deliveries.enqueue(tx, id_, to, except_host="riverside.example") == 1
    assert inboxes(tx, id_) == ["hill.example/inbox"]


def test_a_deletion_goes_to_all_who_got_fetched_answered_liked_or_passed_on(
    tx: Transaction,
) -> None:
    ada = person(tx, "ada")
    people = {
        name: colleague(tx, name, f"{name}.example")
        for name in ("follower", "fetcher", "replier", "liker", "booster", "refuser", "stranger")
    }
    follow(tx, people["follower"], ada)
    follow(tx, people["refuser"], ada)
    plan = post(tx, ada)
    create = send(tx, ada, plan, To(followers_of=ada.id))
    table = tables.deliveries
    refused = table.c.inbox == "https://refuser.example/inbox"
    tx.execute(table.update().where(refused).values(state="over"))
    for name in ("follower", "refuser"):
        follows.remove(tx, people[name].id, ada.id)
    objects.note_fetch(tx, plan.id, people["fetcher"].id)
    post(tx, people["replier"], reply_to=plan)
    likes.add(tx, uri="urn:like", actor_id=people["liker"].id, object_id=plan.id)
    announces.add(
        tx,
        uri="urn:announce",
        actor_id=people["booster"].id,
        object_id=plan.id,
        audience="public",
    )
    id_ = activity(tx, ada, plan, kind="Delete")
    assert deliveries.enqueue(tx, id_, To(reached_by=plan.uri)) == 5
    assert inboxes(tx, id_) == [
        "booster.example/inbox",
        "fetcher.example/inbox",
        "follower.example/inbox",
        "liker.example/inbox",
        "replier.example/inbox",
    ]
    assert inboxes(tx, create) == ["follower.example/inbox", "refuser.example/inbox"]


def test_an_edit_for_followers_is_not_sent_to_who_follows_no_more(tx: Transaction) -> None:
    ada = person(tx, "ada")
    stays, left = colleague(tx, "stays", "stays.example"), colleague(tx, "left", "left.example")
    for follower in (stays, left):
        follow(tx, follower, ada)
    private = post(tx, ada, audience="followers")
    send(tx, ada, private, To(followers_of=ada.id))
    for reader in (stays, left):
        objects.note_fetch(tx, private.id, reader.id)
    follows.remove(tx, left.id, ada.id)
    to = To(followers_of=ada.id, reached_by=private.uri)
    assert inboxes(tx, send(tx, ada, private, to, kind="Update")) == ["stays.example/inbox"]
    deleted = send(tx, ada, private, to, kind="Delete")
    assert inboxes(tx, deleted) == ["left.example/inbox", "stays.example/inbox"]


def test_an_edit_of_a_direct_post_stays_in_personal_inboxes(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    note = post(tx, ada, audience="direct", to=[bob])
    send(tx, ada, note, To(named=(bob.id,)))
    post(tx, bob, audience="direct", to=[ada], reply_to=note)
    to = To(named=(bob.id,), reached_by=note.uri)
    for kind in ("Update", "Delete"):
        id_ = send(tx, ada, note, to, kind=kind)
        assert inboxes(tx, id_) == ["riverside.example/users/bob/inbox"], kind


# --- lanes -------------------------------------------------------------------------------------


def test_a_lane_is_visited_in_the_order_of_publishing_and_by_one_at_a_time(
    tx: Transaction,
) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada)
    sent = [send(tx, ada, post(tx, ada), To(followers_of=ada.id)) for _ in range(3)]
    (lane,) = claim(tx)
    assert (lane.host, lane.policy, lane.signature_form, lane.failures) == (
        "riverside.example",
        "unlisted",
        None,
        0,
    )
    assert claim(tx) == []
    parcels = deliveries.batch(tx, lane.peer_id, 2)
    assert [parcel.activity_id for parcel in parcels] == sent[:2]
    first = parcels[0]
    assert (first.inbox, first.actor_id, first.key_uri, first.key_algorithm, first.sealed_key) == (
        "https://riverside.example/inbox",
        ada.id,
        f"{ada.uri}#main-key",
        "rsa",
        b"sealed ada",
    )
    assert b"Create" in first.body
    deliveries.ended(
        tx, [Ending(parcels[0].id, "done"), Ending(parcels[1].id, "over", "400 Bad Request")]
    )
    deliveries.release(tx, lane.peer_id, outcome="success", form="cavage")
    (lane,) = claim(tx)
    assert lane.signature_form == "cavage"
    (last,) = deliveries.batch(tx, lane.peer_id, 2)
    deliveries.ended(tx, [Ending(last.id, "done")])
    deliveries.release(tx, lane.peer_id, outcome="success")
    assert claim(tx) == []
    assert deliveries.next_due(tx) is None
    assert deliveries.waiting(tx) == 0
    assert peer(tx, "riverside.example").succeeded_at == tx.now


def test_an_actor_signs_with_the_newest_of_its_keys(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    keys.add(
        tx, uri="urn:ed", actor_id=ada.id, algorithm="ed25519", public=b"p", private=b"sealed ed"
    )
    keys.add(tx, uri="urn:new", actor_id=ada.id, algorithm="rsa", public=b"q", private=b"sealed 2")
    (lane,) = claim(tx)
    (parcel,) = deliveries.batch(tx, lane.peer_id, 10)
    assert (parcel.key_uri, parcel.sealed_key) == ("urn:new", b"sealed 2")


def test_a_failing_school_is_left_in_peace_and_its_days_are_counted(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    since = tx.now
    for visit in range(3):
        (lane,) = claim(tx)
        assert lane.failures == visit
        (parcel,) = deliveries.batch(tx, lane.peer_id, 10)
        assert parcel.tries == visit
        deliveries.failed(tx, parcel.id, "timeout")
        deliveries.release(
            tx, lane.peer_id, outcome="failure", due_at=tx.now + 12 * HOUR, error="timeout"
        )
        assert claim(tx) == []
        assert deliveries.next_due(tx) == tx.now + 12 * HOUR
        later(tx, hours=12)
    failing = peer(tx, "riverside.example")
    assert (failing.failures, failing.failing_days, failing.failing_since) == (3, 2, since)
    assert failing.last_error == "timeout"
    (lane,) = claim(tx)
    deliveries.release(tx, lane.peer_id, outcome="success")
    well = peer(tx, "riverside.example")
    assert (well.failures, well.failing_days, well.failing_since, well.last_error) == (
        0,
        0,
        None,
        None,
    )


def test_what_is_published_while_a_lane_backs_off_does_not_wake_it(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    (lane,) = claim(tx)
    deliveries.release(tx, lane.peer_id, outcome="failure", due_at=tx.now + HOUR, error="503")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    assert claim(tx) == []
    later(tx, hours=1)
    (lane,) = claim(tx)
    assert len(deliveries.batch(tx, lane.peer_id, 10)) == 2


def test_a_paused_lane_keeps_its_rows_and_is_not_due(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    (lane,) = claim(tx)
    deliveries.release(tx, lane.peer_id, outcome="paused", error="403 to both forms")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    later(tx, days=30)
    assert claim(tx) == []
    assert deliveries.next_due(tx) is None
    assert deliveries.waiting(tx) == 2
    assert peer(tx, "riverside.example").paused == "403 to both forms"


def test_a_school_that_is_blocked_meanwhile_is_not_visited(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob", "lab.riverside.example")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    peers.set_policy(tx, "riverside.example", "blocked")
    assert claim(tx) == []
    assert deliveries.next_due(tx) is None
    assert deliveries.waiting(tx) == 1
    peers.set_policy(tx, "riverside.example", "unlisted")
    assert len(claim(tx)) == 1


def test_the_longest_waiting_lanes_come_first(tx: Transaction) -> None:
    ada = person(tx, "ada")
    for host in ("c.example", "a.example", "b.example"):
        send(tx, ada, post(tx, ada), To(named=(colleague(tx, "bob", host).id,)))
        later(tx, seconds=1)
    assert [lane.host for lane in claim(tx, limit=2)] == ["c.example", "a.example"]
    assert [lane.host for lane in claim(tx)] == ["b.example"]


def test_a_lane_whose_visitor_died_is_free_after_the_lease(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    (lane,) = claim(tx)
    assert deliveries.next_due(tx) == tx.now + LEASE
    later(tx, minutes=2)
    assert len(claim(tx)) == 1
    deliveries.abandon(tx, [lane.peer_id])
    assert len(claim(tx)) == 1
    deliveries.abandon_all(tx)
    assert len(claim(tx)) == 1


def test_a_school_that_comes_to_life_during_a_failing_visit_is_tried_again_soon(
    tx: Transaction,
) -> None:
    """It knocks once when it starts; the visit that fails at that moment must not hide it."""
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    (lane,) = claim(tx)
    later(tx, seconds=5)
    peers.heard(tx, "riverside.example")
    later(tx, seconds=5)
    deliveries.release(tx, lane.peer_id, outcome="failure", due_at=tx.now + 6 * HOUR, error="down")
    later(tx, seconds=60)
    assert len(claim(tx)) == 1


def test_what_waited_too_long_is_given_up(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    later(tx, days=59)
    new = send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    later(tx, days=2)
    assert deliveries.expire(tx, tx.now - timedelta(days=60)) == 1
    assert deliveries.waiting(tx) == 1
    (lane,) = claim(tx)
    assert [parcel.activity_id for parcel in deliveries.batch(tx, lane.peer_id, 9)] == [new]
    rows = tx.execute(select(tables.deliveries.c.state, tables.deliveries.c.reason)).all()
    assert ("over", "waited too long") in [tuple(row) for row in rows]


def test_a_row_that_ended_stays_ended(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    (lane,) = claim(tx)
    (parcel,) = deliveries.batch(tx, lane.peer_id, 10)
    deliveries.ended(tx, [Ending(parcel.id, "done")])
    deliveries.ended(tx, [Ending(parcel.id, "aside", "late")])
    deliveries.ended(tx, [])
    row = tx.execute(select(tables.deliveries.c.state, tables.deliveries.c.ended_at)).one()
    assert tuple(row) == ("done", tx.now)
