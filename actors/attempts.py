"""How often somebody may try a password: few enough that nobody guesses one.

Counted are attempts that fail, and those whose outcome is not known yet, so that many at once are
no way round. Three counts: a person from one network, a person from anywhere, a network whoever
it asks for. Whoever signed in from a network lately is not kept out there by what strangers try
elsewhere. Names that nobody here has are counted just as those of our people, and nothing is
forgotten before its time. All processes of a school count together. (SECURITY R30)
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage import attempts
from storage.database import Busy, Transaction


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
# By so much the clocks of two processes may differ.
SAME_TIME = timedelta(minutes=2)


def begin(tx: Transaction, username: str, network: str) -> datetime:
    """Count an attempt as failed until `succeeded`; when it began. Raises TooManyAttempts."""
    shares = _shares(tx, username, network)
    held = attempts.held(tx, {name: tx.now + share.within for name, share in shares.items()})
    lately = {name: _lately(held[name], share, tx.now) for name, share in shares.items()}
    familiar = attempts.known(tx, _familiar(tx, username, network))
    waits = [
        _wait(lately[name], share, tx.now)
        for name, share in shares.items()
        if not (share is ACCOUNT and familiar)
    ]
    if max(waits) > 0:
        raise TooManyAttempts(max(waits))
    for name, share in shares.items():
        # Whoever is familiar may go beyond what is counted: older ones do not matter then.
        latest = sorted([*lately[name], tx.now])[-share.most :]
        attempts.keep(tx, name, latest, tx.now + share.within)
    return tx.now


def never_was(tx: Transaction, username: str, network: str, began: datetime) -> None:
    """The attempt that began then does not count after all: we had no time to look at it."""
    shares = _shares(tx, username, network)
    held = attempts.held(tx, {name: tx.now + share.within for name, share in shares.items()})
    for name, share in shares.items():
        if began in held[name]:
            held[name].remove(began)
            attempts.keep(tx, name, held[name], tx.now + share.within)


def succeeded(tx: Transaction, username: str, network: str, began: datetime) -> None:
    """The attempt that began then was the right password of one of ours."""
    never_was(tx, username, network, began)
    attempts.keep(tx, _pair(tx, username, network), [], tx.now)
    attempts.keep(tx, _familiar(tx, username, network), [], tx.now + FAMILIAR)


def _shares(tx: Transaction, username: str, network: str) -> dict[str, Share]:
    """What an attempt counts for, each with its share."""
    return {
        _pair(tx, username, network): PAIR,
        attempts.name(tx, "account", username): ACCOUNT,
        attempts.name(tx, "network", network): NETWORK,
    }


def _pair(tx: Transaction, username: str, network: str) -> str:
    return attempts.name(tx, "pair", username, network)


def _familiar(tx: Transaction, username: str, network: str) -> str:
    return attempts.name(tx, "familiar", username, network)


def _lately(tried: list[datetime], share: Share, now: datetime) -> list[datetime]:
    """What still counts. Others who tried at this moment may have begun a little later; what lies
    further ahead was noted before the clock was set back."""
    return [moment for moment in tried if now - share.within < moment < now + SAME_TIME]


def _wait(tried: list[datetime], share: Share, now: datetime) -> float:
    """Seconds until there may be another attempt; 0 if there may be one now."""
    if len(tried) < share.most:
        return 0.0
    return (tried[-share.most] + share.within - now).total_seconds()


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
