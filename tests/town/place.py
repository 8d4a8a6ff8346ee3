"""The town itself: it builds schools and strangers, and lets their work run until all is quiet."""

from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from tests.town.clock import Clock
from tests.town.school import TownSchool
from tests.town.stranger import Stranger
from tests.town.streets import Authority, Streets

QUIET_WITHIN = 500  # rounds; a town that is still busy then is going in circles


class Town:
    """Schools and strangers under invented names. Use it as `async with Town(…) as town`."""

    def __init__(self, authority: Authority, fresh_database: Callable[[], str]) -> None:
        self.clock = Clock()
        self.streets = Streets()
        self.authority = authority
        self.schools: dict[str, TownSchool] = {}
        self.strangers: dict[str, Stranger] = {}
        self._fresh_database = fresh_database
        self._session: ClientSession | None = None

    @property
    def session(self) -> ClientSession:
        """A caller from outside: trusts the town's authority, knows only the town, no cookies."""
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(
                    resolver=self.streets, ssl=self.authority.client(), use_dns_cache=False
                ),
                cookie_jar=DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session

    async def school(
        self, name: str, *, mode: Literal["network", "open"] = "network", known: bool = True
    ) -> TownSchool:
        """A new school at `NAME.example`. Unless not `known`, all schools here allow each other."""
        host = name if "." in name else f"{name}.example"
        school = TownSchool(self, host, mode=mode, database_url=self._fresh_database())
        await school.open()
        if known:
            for other in self.schools.values():
                await other.allow(host)
                await school.allow(other.host)
        self.schools[host] = school
        return school

    async def stranger(self, name: str, *, known: bool = True) -> Stranger:
        """Another kind of server at `NAME.example`, made by hand; `known`: the schools allow it."""
        host = name if "." in name else f"{name}.example"
        stranger = Stranger(self, host)
        await stranger.open()
        self.strangers[host] = stranger
        if known:
            for school in self.schools.values():
                await school.allow(host)
        return stranger

    async def settle(self) -> int:
        """Let every open school work on what arrived and deliver what waits, until all is quiet.

        Answers how much was done. What is due later stays: move the clock, then settle again.
        """
        done = 0
        for _ in range(QUIET_WITHIN):
            now = 0
            for school in list(self.schools.values()):
                now += await school.work()
            if not now:
                return done
            done += now
        raise AssertionError("the town does not come to rest")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
        for school in self.schools.values():
            await school.shut()
        for stranger in self.strangers.values():
            await stranger.shut()
