"""Nobody takes more than a share: how often one address, or one account, may knock at a door.

Each door (a handler, not the words of a path) has a bucket per address, and where people act with
a token or a session, one for each of those as well: a whole school may come from one address. A
bucket that is empty answers 429 and says when to come back. An IPv6 address counts as its /64,
since whoever has one has them all. Other servers deliver as much as they like as long as what they
send is in order: only what is refused is counted there.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from aiohttp import web
from aiohttp.typedefs import Middleware

from pages.session import CALLER
from staffroom.config import Network
from staffroom.edge import Handler, problem

REMEMBERED = 20_000  # buckets; the longest unused is forgotten
REFUSALS = frozenset({400, 401, 403, 404, 413, 415, 421})


@dataclass(frozen=True)
class Limit:
    """`burst` requests at once, then `per_second`; with `refused_only` only refusals count, and
    what is being looked at counts as refused until it was not.

    `per_token` is the burst of one bearer token, or of one browser's cookies (0: neither is looked
    at); it fills up as slowly in proportion.
    """

    burst: int
    per_second: float
    refused_only: bool = False
    per_token: int = 0


PAGES = Limit(1200, 20, per_token=300)
FORMS = Limit(1200, 20, per_token=120)
SIGNING_IN = Limit(120, 1)
DOCUMENTS = Limit(1200, 20)
DISCOVERY = Limit(300, 5)
DELIVERIES = Limit(300, 1, refused_only=True)
ACTING = Limit(5000, 50, per_token=1000)
READING = Limit(6000, 100, per_token=2000)
MONITORING = Limit(600, 10)
NOWHERE = Limit(300, 5)  # for paths that lead nowhere


class Buckets:
    """How full each bucket is. It forgets the oldest beyond `REMEMBERED`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._levels: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._lent: dict[tuple[str, str], int] = {}

    def wait(self, door: str, who: str, burst: int, per_second: float) -> float:
        """Seconds until there is a drop in this bucket; 0 if there is one now."""
        level = self._level(door, who, burst, per_second) - self._lent.get((door, who), 0)
        return 0.0 if level >= 1 else (1 - level) / per_second

    def take(self, door: str, who: str, burst: int, per_second: float) -> None:
        """Take one drop."""
        level = self._level(door, who, burst, per_second)
        self._levels[door, who] = (max(level - 1, 0.0), self._now().timestamp())
        self._levels.move_to_end((door, who))
        while len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)

    def lend(self, door: str, who: str) -> None:
        """One drop is missing until it is given back. Whoever is never refused leaves no trace."""
        self._lent[door, who] = self._lent.get((door, who), 0) + 1

    def give_back(self, door: str, who: str) -> None:
        """Put back one that was lent."""
        left = self._lent.pop((door, who)) - 1
        if left:
            self._lent[door, who] = left

    def _level(self, door: str, who: str, burst: int, per_second: float) -> float:
        """What is in it once all that was lent is given back."""
        full = float(burst)
        known = self._levels.get((door, who))
        if known is not None:
            level, then = known
            passed = max(self._now().timestamp() - then, 0.0)  # a clock may be set back
            full = min(full, level + passed * per_second)
        return full


def limiting(
    limits: Mapping[Handler, Limit],
    now: Callable[[], datetime],
    trusted_proxies: tuple[Network, ...],
) -> Middleware:
    """A middleware that keeps the limit of every handler, whatever path led to it."""
    buckets = Buckets(now)
    doors = {handler: str(number) for number, handler in enumerate(limits)}

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        limit = limits.get(request.match_info.handler, NOWHERE)
        door = doors.get(request.match_info.handler, "nowhere")
        caller = request[CALLER] = address(request, trusted_proxies)
        if limit.refused_only:
            return await _if_refused(buckets, door, caller, limit, request, handler)
        asked = [(caller, limit.burst, limit.per_second)]
        if limit.per_token and (token := _token(request)):
            share = limit.per_token / limit.burst
            name = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
            asked.append((name, limit.per_token, limit.per_second * share))
        wait = max(buckets.wait(door, *one) for one in asked)
        if wait > 0:
            return _too_often(wait)
        for one in asked:
            buckets.take(door, *one)
        return await handler(request)

    return limited


async def _if_refused(
    buckets: Buckets, door: str, caller: str, limit: Limit, request: web.Request, handler: Handler
) -> web.StreamResponse:
    """The same for who is counted only when refused, or given up."""
    wait = buckets.wait(door, caller, limit.burst, limit.per_second)
    if wait > 0:
        return _too_often(wait)
    buckets.lend(door, caller)
    refused = True
    try:
        response = await handler(request)
        refused = response.status in REFUSALS
    finally:
        buckets.give_back(door, caller)
        if refused:
            buckets.take(door, caller, limit.burst, limit.per_second)
    return response


def _too_often(wait: float) -> web.Response:
    return problem(429, headers={"Retry-After": str(int(wait) + 1)})


def _token(request: web.Request) -> str | None:
    """What a program or a browser brings to be known by."""
    return request.headers.get("Authorization") or request.headers.get("Cookie")


def address(request: web.BaseRequest, trusted_proxies: tuple[Network, ...]) -> str:
    """Who is calling: the address of the connection, or what a proxy that we trust says it was.

    Only the last entry of X-Forwarded-For that no trusted proxy wrote is believed.
    """
    caller = request.remote or ""
    if not trusted_proxies:
        return _share(caller)
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
    while forwarded and _trusted(caller, trusted_proxies):
        before = forwarded.pop().strip()
        if not before:
            break
        caller = before
    return _share(caller)


def _trusted(caller: str, proxies: tuple[Network, ...]) -> bool:
    try:
        known = ip_address(caller)
    except ValueError:
        return False
    return any(known in network for network in proxies)


@lru_cache(maxsize=4096)
def _share(caller: str) -> str:
    try:
        known = ip_address(caller)
    except ValueError:
        return "unknown"
    if isinstance(known, IPv6Address):
        if known.ipv4_mapped:
            return str(known.ipv4_mapped)
        return str(IPv6Address(int(known) >> 64 << 64))
    return str(known)
