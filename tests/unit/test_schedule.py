"""When we knock again at a school that did not answer."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import schedule

NOW = datetime(2026, 7, 20, 15, 30, tzinfo=UTC)
MIDDLE = 0.5


@pytest.mark.parametrize(
    ("failures", "wait"),
    [
        (1, timedelta(minutes=1)),
        (2, timedelta(minutes=5)),
        (3, timedelta(minutes=30)),
        (4, timedelta(hours=2)),
        (5, timedelta(hours=6)),
        (6, timedelta(hours=6)),
        (200, timedelta(hours=6)),
    ],
)
def test_a_school_that_is_off_is_tried_after_1_5_30_minutes_2_hours_and_then_every_6_hours(
    failures: int, wait: timedelta
) -> None:
    assert schedule.back_off(failures, failing_days=1, dice=MIDDLE) == wait


@given(
    failures=st.integers(1, 300), days=st.integers(0, 70), dice=st.floats(0, 1, exclude_max=True)
)
def test_every_wait_is_stretched_or_shortened_by_at_most_a_fifth(
    failures: int, days: int, dice: float
) -> None:
    plain = schedule.back_off(failures, failing_days=days, dice=MIDDLE)
    wait = schedule.back_off(failures, failing_days=days, dice=dice)
    slack = timedelta(microseconds=2)
    assert 0.8 * plain - slack <= wait <= 1.2 * plain + slack


def test_two_schools_with_other_dice_do_not_knock_in_step() -> None:
    early = schedule.back_off(5, failing_days=1, dice=0.0)
    late = schedule.back_off(5, failing_days=1, dice=0.99)
    assert late - early > timedelta(hours=2)


@pytest.mark.parametrize(("days", "hours"), [(6, 6), (7, 24), (41, 24)])
def test_a_school_away_for_seven_days_is_tried_once_a_day(days: int, hours: int) -> None:
    assert schedule.back_off(40, failing_days=days, dice=MIDDLE) == timedelta(hours=hours)


def test_six_weeks_of_holiday_pass_before_we_give_up() -> None:
    assert timedelta(weeks=6) < schedule.GIVE_UP == timedelta(days=60)


@pytest.mark.parametrize(
    ("wished", "seconds"),
    [
        (120.0, 120),
        (7_200.0, 7_200),
        (86_400.0, 86_400),
        (900_000.0, 86_400),
        (0.0, 60),
        (-5.0, 60),
    ],
)
def test_retry_after_is_obeyed_up_to_a_day_and_never_below_a_minute(
    wished: float, seconds: int
) -> None:
    due = schedule.after_failure(NOW, 9, failing_days=8, dice=0.9, retry_after=wished)
    assert due == NOW + timedelta(seconds=seconds)


def test_without_retry_after_the_schedule_holds() -> None:
    due = schedule.after_failure(NOW, 3, failing_days=1, dice=MIDDLE)
    assert due == NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((200, 201, 202, 204, 299), "done"),
        ((400, 404, 405, 406, 410, 413, 415, 422, 501), "over"),
        ((401,), "unauthorised"),
        ((403,), "forbidden"),
        ((408, 429, 502, 503, 504), "busy"),
        ((301, 302, 307, 409, 418, 451, 500, 505, 599), "failed"),
    ],
)
def test_each_answer_has_one_meaning(statuses: tuple[int, ...], verdict: str) -> None:
    assert {schedule.verdict(status) for status in statuses} == {verdict}


def test_failures_of_one_day_count_as_one_day() -> None:
    morning = NOW.replace(hour=8)
    assert schedule.days_failing(0, None, NOW) == 1
    assert schedule.days_failing(1, morning, NOW) == 1
    assert schedule.days_failing(1, morning, NOW + timedelta(days=1)) == 2
    assert schedule.days_failing(3, NOW - timedelta(days=9), NOW) == 4


def test_a_learned_signature_form_is_asked_again_after_three_weeks_or_after_a_failure() -> None:
    learned = NOW - timedelta(days=20)
    assert schedule.form_still_holds(learned, 0, NOW)
    assert not schedule.form_still_holds(learned, 1, NOW)
    assert not schedule.form_still_holds(learned, 0, NOW + timedelta(days=2))
    assert not schedule.form_still_holds(None, 0, NOW)
