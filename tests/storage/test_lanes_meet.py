"""Two processes at the lanes of one school: nothing published during a visit is lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from storage import deliveries, lanes, peers
from storage.actors import Actor
from storage.deliveries import Ending, Lane, To
from storage.lanes import Closing
from storage.transaction import Transaction
from tests.storage.meeting import Meeting, meet
from tests.storage.people import activity, colleague, follow, person, post

LEASE = timedelta(minutes=2)


@dataclass
class Visit:
    meeting: Meeting
    ada: Actor
    lane: Lane
    end: Callable[[Transaction, int], object]

    @property
    def visitor(self) -> Transaction:
        return self.meeting.one

    @property
    def publisher(self) -> Transaction:
        return self.meeting.other

    def publish(self, tx: Transaction | None = None) -> None:
        """Ada publishes a post; not committed yet."""
        tx = tx or self.publisher
        written = activity(tx, self.ada, post(tx, self.ada))
        assert deliveries.enqueue(tx, written, To(followers_of=self.ada.id)) == 1

    def release(self) -> None:
        self.end(self.visitor, self.lane.peer_id)
        self.visitor.connection.commit()

    def lanes(self) -> list[str]:
        found = deliveries.claim(self.visitor, limit=10, lease=LEASE)
        self.visitor.connection.commit()
        return [lane.host for lane in found]


def alone(tx: Transaction, peer_id: int) -> None:
    deliveries.release(tx, peer_id, outcome="success")


def together(tx: Transaction, peer_id: int) -> None:
    lanes.close(tx, [Closing(peer_id, "success")])


@pytest.fixture(params=[alone, together])
def visit(request: pytest.FixtureRequest, fresh_postgresql: Callable[[], str]) -> Iterator[Visit]:
    """Bob follows Ada; the visit to Bob's school has sent all there was, and is about to end."""
    with meet(fresh_postgresql()) as meeting:
        visitor, publisher = meeting.one, meeting.other
        ada = person(publisher, "ada")
        follow(publisher, colleague(publisher, "bob"), ada)
        first = activity(publisher, ada, post(publisher, ada))
        deliveries.enqueue(publisher, first, To(followers_of=ada.id))
        publisher.connection.commit()
        (lane,) = deliveries.claim(visitor, limit=10, lease=LEASE)
        (parcel,) = deliveries.batch(visitor, lane.peer_id, 10)
        deliveries.ended(visitor, [Ending(parcel.id, "done")])
        visitor.connection.commit()
        yield Visit(meeting, ada, lane, request.param)


def test_what_is_published_just_before_the_release_is_found_by_it(visit: Visit) -> None:
    visit.publish()
    releasing = visit.meeting.start(visit.release)
    visit.publisher.connection.commit()
    releasing.end()
    assert visit.lanes() == ["riverside.example"]


def test_what_is_published_while_the_release_commits_starts_the_lane_anew(visit: Visit) -> None:
    visit.end(visit.visitor, visit.lane.peer_id)
    publishing = visit.meeting.start(visit.publish)
    visit.visitor.connection.commit()
    publishing.end()
    visit.publisher.connection.commit()
    assert visit.lanes() == ["riverside.example"]


def test_two_visitors_never_get_the_same_lane(visit: Visit) -> None:
    visit.release()
    visit.publish()
    visit.publisher.connection.commit()
    mine = deliveries.claim(visit.visitor, limit=10, lease=LEASE)  # not committed yet
    theirs = deliveries.claim(visit.publisher, limit=10, lease=LEASE)
    assert (len(mine), theirs) == (1, [])


def test_two_who_meet_new_people_of_a_school_and_write_to_it_do_not_block_for_ever(
    visit: Visit,
) -> None:
    """Both refer to the peer before either locks it."""
    for number, tx in enumerate((visit.visitor, visit.publisher)):
        colleague(tx, f"new{number}")
    visit.publish(visit.visitor)
    other = visit.meeting.start(visit.publish)
    visit.visitor.connection.commit()
    other.end()
    visit.publisher.connection.commit()
    assert deliveries.waiting(visit.visitor) == 2


def test_a_sign_of_life_seen_by_another_process_counts(visit: Visit) -> None:
    visit.publish()
    visit.publisher.connection.commit()
    visit.publisher.now += timedelta(seconds=5)
    peers.heard(visit.publisher, "riverside.example")
    visit.publisher.connection.commit()
    visit.visitor.now += timedelta(seconds=10)
    deliveries.release(
        visit.visitor,
        visit.lane.peer_id,
        outcome="failure",
        due_at=visit.visitor.now + timedelta(hours=6),
        error="down",
    )
    visit.visitor.now += timedelta(seconds=60)
    assert visit.lanes() == ["riverside.example"]


def test_no_new_school_escapes_a_block_that_is_being_made(
    fresh_postgresql: Callable[[], str],
) -> None:
    with meet(fresh_postgresql()) as meeting:
        peers.ensure(meeting.one, "lab.riverside.example")  # not committed yet
        blocking = meeting.start(
            lambda: peers.set_policy(meeting.other, "riverside.example", "blocked")
        )
        meeting.one.connection.commit()
        blocking.end()
        meeting.other.connection.commit()
        met = peers.by_host(meeting.one, "lab.riverside.example")
        assert met is not None
        assert met.blocked


def test_a_school_met_while_a_block_is_being_made_waits_for_it(
    fresh_postgresql: Callable[[], str],
) -> None:
    with meet(fresh_postgresql()) as meeting:
        peers.set_policy(meeting.one, "riverside.example", "blocked")  # not committed yet
        meeting_them = meeting.start(lambda: peers.ensure(meeting.other, "lab.riverside.example"))
        meeting.one.connection.commit()
        meeting_them.end()
        met = peers.by_host(meeting.other, "lab.riverside.example")
        assert met is not None
        assert met.blocked
