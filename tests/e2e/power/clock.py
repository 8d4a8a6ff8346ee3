"""The clock on the wall, which a test sets: libfaketime stands between the schools and the system.

Only what the time is changes, not how it passes: a process that waits three seconds waits three
seconds, whatever happens to the clock. https://github.com/wolfcw/libfaketime
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

HOW = "needs libfaketime (make tools)"
PLACES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib*/faketime/libfaketimeMT.so.1",
    "/usr/lib*/libfaketimeMT.so.1",
)


def library() -> Path:
    """Where libfaketime is. Skips where it is not."""
    for pattern in PLACES:
        for path in sorted(Path("/").glob(pattern[1:])):
            return path
    pytest.skip(HOW)


class WallClock:
    """What all processes that are started with `environment` take for the time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # as versions before 0.9.10 call it
        }
        self._ahead = timedelta()
        self.set(self._ahead)

    def set(self, ahead: timedelta) -> None:
        """Show the time as it is, and so much more or less."""
        self._ahead = ahead
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead.total_seconds():+.0f}")
        os.replace(new, self._file)

    def move(self, **by: float) -> None:
        """Set it forward or back, in the words of `timedelta`."""
        self.set(self._ahead + timedelta(**by))

    def show(self, moment: datetime) -> None:
        """It is this time now."""
        self.set(moment - datetime.now(UTC))

    def now(self) -> datetime:
        """What it shows."""
        return datetime.now(UTC) + self._ahead
