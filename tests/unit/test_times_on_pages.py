"""Times as a reader sees them: by the clock in the staffroom."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pages import rendering


@pytest.mark.parametrize(
    ("zone", "moment", "shown"),
    [
        ("Europe/London", datetime(2026, 9, 4, 13, 5, tzinfo=UTC), "4 September 2026, 14:05"),
        ("Europe/London", datetime(2026, 12, 4, 14, 5, tzinfo=UTC), "4 December 2026, 14:05"),
        ("Asia/Kathmandu", datetime(2026, 9, 4, 20, 5, tzinfo=UTC), "5 September 2026, 01:50"),
        # The hour that comes twice, and the minutes before and after it.
        ("Europe/London", datetime(2026, 10, 24, 23, 59, tzinfo=UTC), "25 October 2026, 00:59"),
        ("Europe/London", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 October 2026, 01:30 BST"),
        ("Europe/London", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 October 2026, 01:30 GMT"),
        ("Europe/London", datetime(2026, 10, 25, 2, 0, tzinfo=UTC), "25 October 2026, 02:00"),
        # The hour that never comes.
        ("Europe/London", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29 March 2026, 02:00"),
        ("Asia/Tokyo", datetime(9999, 12, 31, 23, 0, tzinfo=UTC), "31 December 9999, 23:00 UTC"),
    ],
)
def test_a_time_is_told_by_the_school_s_clock(zone: str, moment: datetime, shown: str) -> None:
    assert rendering.day(moment, ZoneInfo(zone)) == shown


def test_what_machines_read_stays_in_utc() -> None:
    assert rendering.instant(datetime(2026, 9, 4, 13, 5, tzinfo=UTC)) == "2026-09-04T13:05:00Z"
