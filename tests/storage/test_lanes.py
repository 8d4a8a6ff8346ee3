"""Many lanes at once: they set out together, and their visits end together."""

from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import select

from storage import deliveries, keys, lanes, peers, tables
from storage.deliveries import Ending, To
from storage.lanes import Closing, Trip
from storage.peers import Peer
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, later, person, post, send
from tests.storage.test_plans import plans, scans, sqlite_tx

__all__ = ["sqlite_tx"]

LEASE = timedelta(minutes=2)
HOUR = timedelta(hours=1)
HOSTS = ("hill.example", "lake.example", "riverside.example")


def set_out(tx: Transaction, *, each: int = 10, limit: int = 10) -> list[Trip]:
    return lanes.set_out(tx, limit=limit, lease=LEASE, each=each)


def peer(tx: Transaction, host: str) -> Peer:
    found = peers.by_host(tx, host)
    assert found is not None
    return found


def three_schools_wait(tx: Transaction, posts: int = 2) -> list[int]:
    """Three schools follow Ada, who writes; the ids of the activities."""
    ada = person(tx, "ada")
    for host in HOSTS:
        follow(tx, colleague(tx, "bob", host), ada)
    return [send(tx, ada, post(tx, ada), To(followers_of=ada.id)) for _ in range(posts)]


# --- setting out -------------------------------------------------------------------------------


def test_every_lane_sets_out_with_its_first_rows_in_order(tx: Transaction) -> None:
    sent = three_schools_wait(tx, posts=3)
    trips = set_out(tx, each=2)
    assert sorted(trip.lane.host for trip in trips) == sorted(HOSTS)
    for trip in trips:
        assert [parcel.activity_id for parcel in trip.first] == sent[:2]
        assert {parcel.inbox for parcel in trip.first} == {f"https://{trip.lane.host}/inbox"}
        assert trip.more
    assert set_out(tx) == []


def test_rows_set_out_as_they_are_read_later(tx: Transaction) -> None:
    three_schools_wait(tx, posts=3)
    for trip in set_out(tx):
        assert trip.first == deliveries.batch(tx, trip.lane.peer_id, 10)
        assert not trip.more


def test_all_rows_of_an_activity_share_its_body(tx: Transaction) -> None:
    three_schools_wait(tx, posts=1)
    first, *others = [parcel for trip in set_out(tx) for parcel in trip.first]
    assert len(others) == 2
    assert all(parcel.body is first.body for parcel in others)


def test_a_full_lane_is_never_read_whole(sqlite_tx: Transaction) -> None:
    three_schools_wait(sqlite_tx)
    steps = plans(sqlite_tx, lambda tx: set_out(tx, each=1))
    assert any("ix_deliveries_waiting (peer_id=?)" in step for step in steps), steps
    assert scans(steps) == []


def test_whom_a_post_means_by_name_is_served_before_those_who_follow(tx: Transaction) -> None:
    ada = person(tx, "ada")
    for host in HOSTS:
        follow(tx, colleague(tx, "bob", host), ada)
        later(tx, seconds=1)
    send(tx, ada, post(tx, ada), To(followers_of=ada.id))
    later(tx, minutes=1)
    for number, to in enumerate(("named", "hidden")):
        meant = colleague(tx, "zoe", f"town{number}.example")
        send(tx, ada, post(tx, ada), To(**{to: (meant.id,)}))  # type: ignore[arg-type]
    first = [trip.lane.host for trip in set_out(tx, limit=2)]
    assert sorted(first) == ["town0.example", "town1.example"]
    assert not peer(tx, "town0.example").urgent
    # They had their turn: now it is as before.
    assert sorted(trip.lane.host for trip in set_out(tx)) == sorted(HOSTS)


def test_schools_that_failed_come_after_all_others_and_only_some_of_them(tx: Transaction) -> None:
    three_schools_wait(tx)
    trips = {trip.lane.host: trip.lane.peer_id for trip in set_out(tx)}
    for host in HOSTS[:2]:
        deliveries.release(tx, trips[host], outcome="failure", due_at=tx.now, error="503")
    later(tx, minutes=5)
    deliveries.release(tx, trips[HOSTS[2]], outcome="success")
    found = deliveries.claim(tx, limit=10, lease=LEASE, doubtful=1)
    assert found[0].host == HOSTS[2]
    assert len(found) == 2
    assert deliveries.claim(tx, limit=10, lease=LEASE, doubtful=0) == []
    later(tx, minutes=1)
    assert deliveries.next_due(tx) is not None
    assert deliveries.next_due(tx, doubtful=False) == tx.now + timedelta(minutes=1)
    assert len(deliveries.claim(tx, limit=10, lease=LEASE)) == 1


def test_a_school_that_took_something_before_is_not_kept_waiting_by_unknown_ones(
    tx: Transaction,
) -> None:
    ada = person(tx, "ada")
    for host in ("unknown.example", "known.example"):
        bob = colleague(tx, "bob", host)
        send(tx, ada, post(tx, ada), To(shared=(bob.id,)))
        later(tx, seconds=1)
    known = peer(tx, "known.example")
    tx.execute(
        tables.peers.update().where(tables.peers.c.id == known.id).values(succeeded_at=tx.now)
    )
    assert [trip.lane.host for trip in set_out(tx)] == ["known.example", "unknown.example"]


def test_only_a_school_that_took_rfc_9421_is_looked_at_for_an_ed25519_key(tx: Transaction) -> None:
    three_schools_wait(tx)
    for host in HOSTS[:2]:
        keys.add(
            tx,
            uri=f"https://{host}/users/bob#ed25519",
            actor_id=colleague(tx, "bob", host).id,
            algorithm="ed25519",
            public=b"p",
        )
    for host in HOSTS[1:]:
        tx.execute(
            tables.peers.update()
            .where(tables.peers.c.host == host)
            .values(signature_form="rfc9421", form_learned_at=tx.now)
        )
    shown = {trip.lane.host for trip in set_out(tx) if trip.shows_ed25519}
    assert shown == {HOSTS[1]}


# --- ending ------------------------------------------------------------------------------------


def test_visits_that_went_well_end_together_and_are_due_again_if_something_waits(
    tx: Transaction,
) -> None:
    three_schools_wait(tx)
    trips = set_out(tx)
    done, last = trips[0], trips[1]
    deliveries.ended(tx, [Ending(parcel.id, "done") for parcel in done.first])
    tx.topics.clear()
    lanes.close(tx, [Closing(trip.lane.peer_id, "success", alive=True) for trip in (done, last)])
    assert peer(tx, done.lane.host).due_at is None
    assert peer(tx, last.lane.host).due_at == tx.now
    assert peer(tx, trips[2].lane.host).leased_until == tx.now + LEASE
    assert "deliveries" in tx.topics
    assert [trip.lane.host for trip in set_out(tx)] == [last.lane.host]


@pytest.mark.parametrize("left", [0, 1])
def test_a_visit_that_went_well_ends_as_if_it_were_released_alone(
    tx: Transaction, left: int
) -> None:
    three_schools_wait(tx)
    together, alone = (set_out(tx, limit=1)[0] for _ in range(2))
    for trip in (together, alone):
        deliveries.release(tx, trip.lane.peer_id, outcome="failure", due_at=tx.now, error="503")
        deliveries.ended(tx, [Ending(row.id, "done") for row in trip.first[left:]])
    later(tx, minutes=1)
    assert len(deliveries.claim(tx, limit=10, lease=LEASE)) == 3
    lanes.close(tx, [Closing(together.lane.peer_id, "success")])
    deliveries.release(tx, alone.lane.peer_id, outcome="success")
    one, other = (asdict(peer(tx, trip.lane.host)) for trip in (together, alone))
    for unlike in ("id", "host"):
        del one[unlike], other[unlike]
    assert one == other


def test_of_visits_that_end_together_each_ends_in_its_own_way(tx: Transaction) -> None:
    three_schools_wait(tx)
    trips = {trip.lane.host: trip for trip in set_out(tx)}
    well, badly, broken = (trips[host] for host in HOSTS)
    lanes.close(
        tx,
        [
            Closing(
                badly.lane.peer_id,
                "failure",
                due_at=tx.now + HOUR,
                error="answered 500",
                failed=((badly.first[0].id, "answered 500"),),
            ),
            Closing(well.lane.peer_id, "success", form="ed25519"),
            Closing(broken.lane.peer_id, "nothing", broken_off=True),
        ],
    )
    failing = peer(tx, badly.lane.host)
    assert (failing.failures, failing.due_at) == (1, tx.now + HOUR)
    assert deliveries.batch(tx, badly.lane.peer_id, 1)[0].tries == 1
    assert peer(tx, well.lane.host).signature_form == "ed25519"
    assert peer(tx, well.lane.host).succeeded_at == tx.now
    free = peer(tx, broken.lane.host)
    assert (free.leased_until, free.succeeded_at, free.failures) == (None, None, 0)
    reasons = tx.execute(select(tables.deliveries.c.reason).distinct()).scalars().all()
    assert set(reasons) == {None, "answered 500"}
