"""One running school: what every door and worker is handed, and nothing else that is shared.

Time and the network come in here (`server.now()`, `server.client`), so that a test can own them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web

from actors import local
from actors.attempts import Turns
from actors.counters import Counters
from federation.addresses import Rules
from federation.client import Client
from federation.signatures import Signer
from storage.database import Busy, Database, School

Mode = Literal["network", "open"]
T = TypeVar("T")

# SECURITY R9: failures are remembered, and an actor is refreshed at most once, in this time.
PAUSE = timedelta(minutes=5)
REMEMBERED = 10_000


class Recently(Generic[T]):
    """A bounded memory: what was noted is recalled for `lifetime`, then forgotten."""

    def __init__(self, lifetime: timedelta = PAUSE, limit: int = REMEMBERED) -> None:
        self._lifetime = lifetime
        self._limit = limit
        self._noted: OrderedDict[str, tuple[datetime, T]] = OrderedDict()

    def note(self, name: str, value: T, now: datetime) -> None:
        self._noted.pop(name, None)
        self._noted[name] = (now + self._lifetime, value)
        while len(self._noted) > self._limit:
            self._noted.popitem(last=False)

    def recall(self, name: str, now: datetime) -> T | None:
        noted = self._noted.get(name)
        if noted is None:
            return None
        until, value = noted
        if until <= now or until - self._lifetime > now:  # over, or noted before it was set back
            del self._noted[name]
            return None
        return value

    def forget(self, name: str) -> None:
        self._noted.pop(name, None)


class Together(Generic[T]):
    """Those who ask for the same thing at the same time share one request for it."""

    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Task[T]] = {}

    async def ask(self, name: str, get: Callable[[], Awaitable[T]]) -> T:
        task = self._asked.get(name)
        if task is None:

            async def run() -> T:
                return await get()

            task = asyncio.create_task(run())
            self._asked[name] = task

            def answered(task: asyncio.Task[T]) -> None:
                del self._asked[name]
                if not task.cancelled():
                    task.exception()  # looked at, even when every asker has left

            task.add_done_callback(answered)
        # One asker who leaves must not take the answer away from the others.
        return await asyncio.shield(task)


@dataclass
class Silence:
    """A peer did not answer at all: when that began, and when it was last knocked at."""

    since: datetime
    asked: datetime


class Room:
    """How many bytes of large bodies may be in hand at once. What is small always finds room: a
    flood of it is turned away by the queues further in."""

    SMALL = 64 * 1024

    def __init__(self, octets: int = 32 * 1024 * 1024) -> None:
        self._left = octets

    def take(self, octets: int) -> int:
        """Room for one body: what is to be given back in the end. Raises Busy."""
        if octets <= self.SMALL:
            return 0
        if octets > self._left:
            raise Busy("too much is brought at once")
        self._left -= octets
        return octets

    def give_back(self, octets: int) -> None:
        self._left += octets


@dataclass(frozen=True)
class Server:
    """A school at work. `mode` says whom we talk to: listed schools only, or all but blocked.
    Its people read the time of `zone`."""

    school: School
    database: Database
    client: Client
    rules: Rules
    mode: Mode
    now: Callable[[], datetime]
    zone: ZoneInfo
    # Key documents that could not be had, with the error to repeat.
    negative: Recently[Exception] = field(default_factory=Recently)
    # Actors whose keys were read again because a signature did not fit.
    refreshed: Recently[bool] = field(default_factory=Recently)
    # Key documents being fetched at this moment.
    fetching: Together[None] = field(default_factory=Together)
    # What the inbox door lately looked up about a sender; asked again when it keeps what came.
    standings: Recently[Any] = field(default_factory=lambda: Recently(timedelta(minutes=1)))
    # Peers whose sign of life was written down a moment ago.
    heard: Recently[bool] = field(default_factory=lambda: Recently(timedelta(seconds=20)))
    # Peers that could not be reached lately, by host.
    silent: dict[str, Silence] = field(default_factory=dict)
    # Who may have a password checked now.
    turns: Turns = field(default_factory=Turns)
    # What other servers are bringing at this moment.
    room: Room = field(default_factory=Room)
    # That the database could be written a moment ago.
    well: Recently[bool] = field(default_factory=lambda: Recently(timedelta(seconds=5)))
    counters: Counters = field(default_factory=Counters)


SERVER: web.AppKey[Server] = web.AppKey("server", Server)


async def instance_signer(server: Server) -> Signer:
    """The key of `/actor`, which signs what is fetched for nobody in particular."""
    return await server.database.read(local.instance_signer)
