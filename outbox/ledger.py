"""What became of what we brought is written down together, for many schools in one transaction.

Each end of a delivery is noted at once, and on disk a moment later; so little would be brought
twice if the power went now. While the database is away it is kept here, as long as its lane is
ours: what is not written down is brought again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from actors.server import Server
from storage import deliveries, lanes
from storage.database import Busy, Transaction, Unavailable
from storage.deliveries import Ending
from storage.lanes import Closing

log = logging.getLogger("outbox.deliver")

# Seconds between two transactions, so that each holds the work of several schools.
PACE = 0.025
# So much in one transaction, for others wait for it.
MOST = 250
# When the database is away: how long until it is asked again, in seconds.
PAUSE = 1.0


@dataclass(slots=True, eq=False)
class Entry:
    """What happened under one lease, which ends at `until`; `written` is whoever waits for it."""

    until: datetime
    endings: Sequence[Ending]
    closing: Closing | None = None
    written: asyncio.Future[None] | None = None


class Ledger:
    """Writes down what it is told, in that order."""

    def __init__(self, server: Server, *, pace: float = PACE) -> None:
        self._server = server
        self._pace = pace
        self._waiting: deque[Entry] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._begun = 0.0

    def note(self, ending: Ending, until: datetime) -> None:
        """One delivery ended."""
        self._add(Entry(until, (ending,)))

    async def write(
        self, endings: Sequence[Ending], until: datetime, closing: Closing | None = None
    ) -> None:
        """The same for several, and perhaps for a visit; returns once this, and all that was noted
        before, is on disk. Raises Busy, Unavailable when the lease is over before that."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(Entry(until, endings, closing, written))
        await written

    async def close(self) -> None:
        """Write nothing more: whoever broke their visit off wrote it down themselves."""
        self._waiting.clear()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    def _add(self, entry: Entry) -> None:
        self._waiting.append(entry)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            early = self._begun + self._pace - loop.time()
            if early > 0:
                await asyncio.sleep(early)
            self._begun = loop.time()
            taken = self._take()
            try:
                await self._write(taken)
            except (Busy, Unavailable) as error:
                log.warning("the database cannot be had: %s", error)
                self._keep(taken, error)
                await asyncio.sleep(PAUSE)

    def _take(self) -> list[Entry]:
        """Who has left meanwhile broke their visit off, and wrote down how it stands."""
        taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        return [entry for entry in taken if not (entry.written and entry.written.cancelled())]

    async def _write(self, entries: list[Entry]) -> None:
        """All in one transaction; if that is refused, each alone. Raises Busy, Unavailable."""
        try:
            await self._server.database.work(_write, entries)
        except (Busy, Unavailable):
            raise
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    await self._write([entry])
                return
            log.exception("the end of a visit could not be written down")
            _answer(entries[0], error)
        else:
            for entry in entries:
                _answer(entry, None)

    def _keep(self, entries: list[Entry], error: Exception) -> None:
        """For when the database is back; but a lane whose lease is over may be somebody else's."""
        now = self._server.now()
        for entry in reversed(entries):
            if entry.written is not None and entry.written.done():
                continue
            if now < entry.until:
                self._waiting.appendleft(entry)
            else:
                _answer(entry, error)


def _answer(entry: Entry, error: Exception | None) -> None:
    if entry.written is None or entry.written.done():
        return
    if error is None:
        entry.written.set_result(None)
    else:
        entry.written.set_exception(error)


def _write(tx: Transaction, entries: list[Entry]) -> None:
    deliveries.ended(tx, [ending for entry in entries for ending in entry.endings])
    lanes.close(tx, [entry.closing for entry in entries if entry.closing is not None])
