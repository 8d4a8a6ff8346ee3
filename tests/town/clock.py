"""The town's clock. It stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

FIRST_DAY_OF_TERM = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


class Clock:
    """Called, it says what time it is: `clock()`."""

    def __init__(self, start: datetime = FIRST_DAY_OF_TERM) -> None:
        self._now = start

    def __call__(self) -> datetime:
        return self._now

    def advance(self, **by: float) -> datetime:
        """Move on, in the words of `timedelta`: `clock.advance(minutes=5)`."""
        self._now += timedelta(**by)
        return self._now
