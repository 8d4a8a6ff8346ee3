"""How often somebody may try a password: few enough that nobody guesses one.

Counted are attempts that fail, and those whose outcome is not known yet, so that many at once are
no way round. Three counts: a person from one network, a person from anywhere, a network whoever
it asks for. Whoever signed in from a network lately is not kept out there by what strangers try
elsewhere. Names that nobody here has are counted just as those of our people, but apart from them:
by inventing names nobody makes us forget what was tried with a real one. (SECURITY R30)
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.database import Busy

REMEMBERED = 10_000


class TooManyAttempts(Exception):
    """It was tried too often; `wait` is in seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"tried too often: wait {round(wait)} seconds")
        self.wait = wait


@dataclass(frozen=True)
class Share:
    """So many failures in so much time."""

    most: int
    within: timedelta


PAIR = Share(5, timedelta(minutes=15))
ACCOUNT = Share(50, timedelta(hours=1))
NETWORK = Share(30, timedelta(minutes=15))
# So long after a success a network is known to be where somebody works.
FAMILIAR = timedelta(days=30)


class Tally:
    """When each name was tried lately. It forgets the name that was tried longest ago."""

    def __init__(self, share: Share, limit: int = REMEMBERED) -> None:
        self._share = share
        self._limit = limit
        self._tried: OrderedDict[str, deque[datetime]] = OrderedDict()

    def wait(self, name: str, now: datetime) -> float:
        """Seconds until there may be another attempt; 0 if there may be one now."""
        tried = self._tried.get(name)
        if tried is None:
            return 0.0
        while tried and tried[0] <= now - self._share.within:
            tried.popleft()
        if len(tried) < self._share.most:
            return 0.0
        return (tried[0] + self._share.within - now).total_seconds()

    def note(self, name: str, now: datetime) -> None:
        self._tried.setdefault(name, deque()).append(now)
        self._tried.move_to_end(name)
        while len(self._tried) > self._limit:
            self._tried.popitem(last=False)

    def take_back(self, name: str, moment: datetime) -> None:
        """The attempt of that moment does not count after all."""
        tried = self._tried.get(name, deque())
        if moment in tried:
            tried.remove(moment)
        if not tried:
            self._tried.pop(name, None)

    def forget(self, name: str) -> None:
        self._tried.pop(name, None)


class Attempts:
    """What was tried at this school, as long as this process lives."""

    def __init__(self) -> None:
        self._pairs = {True: Tally(PAIR), False: Tally(PAIR)}
        self._accounts = {True: Tally(ACCOUNT), False: Tally(ACCOUNT)}
        self._networks = Tally(NETWORK)
        self._familiar: OrderedDict[str, datetime] = OrderedDict()

    def begin(self, username: str, network: str, now: datetime, *, ours: bool) -> None:
        """Count an attempt as failed until `succeeded`. Raises TooManyAttempts.

        `ours` says whether anybody here has that name.
        """
        pair = _pair(username, network)
        waits = [self._pairs[ours].wait(pair, now), self._networks.wait(network, now)]
        if not self._is_familiar(pair, now):
            waits.append(self._accounts[ours].wait(username, now))
        if max(waits) > 0:
            raise TooManyAttempts(max(waits))
        self._pairs[ours].note(pair, now)
        self._accounts[ours].note(username, now)
        self._networks.note(network, now)

    def never_was(self, username: str, network: str, began: datetime, *, ours: bool) -> None:
        """The attempt that began then was not looked at: we had no time for it."""
        self._pairs[ours].take_back(_pair(username, network), began)
        self._accounts[ours].take_back(username, began)
        self._networks.take_back(network, began)

    def succeeded(self, username: str, network: str, began: datetime, now: datetime) -> None:
        """The attempt that began then was the right password of one of ours."""
        pair = _pair(username, network)
        self.never_was(username, network, began, ours=True)
        self._pairs[True].forget(pair)
        self._familiar.pop(pair, None)
        self._familiar[pair] = now + FAMILIAR
        while len(self._familiar) > REMEMBERED:
            self._familiar.popitem(last=False)

    def _is_familiar(self, pair: str, now: datetime) -> bool:
        until = self._familiar.get(pair)
        return until is not None and until > now


def _pair(username: str, network: str) -> str:
    return f"{username} {network}"


class Turns:
    """A few at once, a few more who wait, and nobody else: for work that takes much memory."""

    def __init__(self, at_once: int = 2, waiting: int = 30) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._present = 0
        self._most = at_once + waiting

    @asynccontextmanager
    async def mine(self) -> AsyncIterator[None]:
        """Wait for a turn and have it. Raises Busy when too many wait already."""
        if self._present >= self._most:
            raise Busy("too many passwords are being checked")
        self._present += 1
        try:
            async with self._free:
                yield
        finally:
            self._present -= 1
