"""Ids that order themselves by time and never come twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.ids import PER_MILLISECOND, Ids, NoTag, moment

MORNING = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def test_an_id_tells_when_it_was_given_and_fits_into_63_bits() -> None:
    given_ = Ids(tag=7).next(MORNING)
    assert moment(given_) == int(MORNING.timestamp() * 1000)
    assert given_ >> 12 & 0xFF == 7
    assert Ids(tag=255).next(datetime(2248, 1, 1, tzinfo=UTC)) < 2**63


@given(st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)), min_size=2))  # noqa: DTZ001
def test_ids_grow_whatever_the_clock_does(clock: list[datetime]) -> None:
    ids = Ids(tag=0)
    given_ = [ids.next(now.replace(tzinfo=UTC)) for now in clock]
    assert given_ == sorted(set(given_))


def test_who_needs_more_than_a_millisecond_holds_borrows_from_the_next() -> None:
    ids = Ids(tag=3)
    given_ = [ids.next(MORNING) for _ in range(PER_MILLISECOND + 2)]
    assert len(set(given_)) == len(given_)
    assert given_ == sorted(given_)
    assert moment(given_[PER_MILLISECOND - 1]) == moment(given_[0])
    assert moment(given_[PER_MILLISECOND]) == moment(given_[0]) + 1
    assert {id_ >> 12 & 0xFF for id_ in given_} == {3}
    assert ids.next(MORNING + MILLISECOND) > given_[-1]


def test_two_processes_in_the_same_millisecond_give_different_ids() -> None:
    one, other = Ids(tag=0), Ids(tag=1)
    ours = {one.next(MORNING) for _ in range(5000)}
    theirs = {other.next(MORNING) for _ in range(5000)}
    assert not ours & theirs


def test_threads_share_the_ids_of_their_process() -> None:
    ids = Ids(tag=0)
    with ThreadPoolExecutor(8) as threads:
        batches = threads.map(lambda _: [ids.next(MORNING) for _ in range(2000)], range(8))
    given_ = [id_ for batch in batches for id_ in batch]
    assert len(set(given_)) == 16_000


def test_a_process_that_lost_its_tag_gives_no_ids() -> None:
    ids = Ids(tag=None)
    with pytest.raises(NoTag):
        ids.next(MORNING)


def test_ids_go_on_above_the_highest_that_another_process_gave() -> None:
    theirs = Ids(tag=255).next(MORNING + timedelta(hours=1))
    ids = Ids(tag=0)
    ids.rise_above(theirs)
    assert ids.next(MORNING) > theirs
    ids.rise_above(None)
    ids.rise_above(1)
    assert ids.next(MORNING) > theirs
