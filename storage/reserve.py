"""A little room kept free beside the database, for the day when the disk is full.

While a school is served, a file of 16 MiB stands beside its SQLite file. When SQLite finds no room
any more, that file is given up: what is small and must be possible still (somebody signs in or
out, or is kept out) has its place, and everything else is refused at once, until there is room
for the file again, and as much beside it.
"""

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

SIZE = 16 * 1024 * 1024  # bytes; the longest WAL and the pages that it brings into the file
LOOK_EVERY = 1.0  # seconds between two looks whether there is room again
# With less than this, whatever went wrong, it was for want of room.
NO_ROOM = 1024 * 1024


class Reserve:
    """The file that is given up. All methods are called on the thread that writes."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._look_at = 0.0
        self.spent = False

    def keep(self) -> None:
        """Take the room. Where there is none, the reserve is spent already; where the system
        cannot set room aside, there is no reserve, and a full disk just refuses."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, SIZE)
            finally:
                os.close(file)
        except (OSError, AttributeError) as error:
            self.remove()
            self.spent = getattr(error, "errno", None) == errno.ENOSPC
            if self.spent:
                log.error("the disk is full: nothing new is kept until there is room")
            else:
                log.warning("no room can be set aside for a full disk: %s", error)
            return
        if self.spent:
            log.warning("there is room on the disk again")
        self.spent = False

    def give_up(self) -> None:
        """The disk is full: what is written from now on has the room of the reserve."""
        log.error("the disk is full: only who signs in or out is written down until there is room")
        self.remove()
        self.spent = True
        self._look_at = self._clock()

    def regained(self) -> bool:
        """Whether there is room again, and the reserve is kept as before."""
        now = self._clock()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY
        if self._room() >= 2 * SIZE:
            self.keep()
        return not self.spent

    def no_room(self) -> bool:
        """Whether next to nothing fits on the disk."""
        return self._room() < NO_ROOM

    def remove(self) -> None:
        """The room is everybody's."""
        with suppress(OSError):
            self._path.unlink()

    def _room(self) -> int:
        """Bytes that fit still; a disk that does not even say that has none."""
        try:
            disk = os.statvfs(self._path.parent)
        except OSError:
            return 0
        return disk.f_bavail * disk.f_frsize
