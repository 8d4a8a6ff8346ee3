"""What one thing that arrived may cost: the requests that it makes us send (SECURITY R20).

Whoever sends us something names what we then ask for, and of whom; and whoever answers may send
us on to somebody else. So the requests themselves are counted, redirects included, at the gate
that each of them passes. Inside `spending` all of them are on one account; work that our own
people ask for has none.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from math import ceil
from types import MappingProxyType

from federation import addresses
from federation.errors import Refused, Unreachable

# Requests in all, and to one server that has nothing to do with who sent it.
IN_ALL = 10
AT_A_THIRD = 5

# Servers below one registrable domain that we never heard of before, in an hour: a single owner
# can make up any number of names.
NEW_HOSTS = 10
HOUR = timedelta(hours=1)
# How many domains are remembered at once.
DOMAINS = 10_000


class Overspent(Refused):
    """One more request would be more than what arrived is worth."""


class Budget:
    """The account of one cause. `home` is the server that it came from, `spent` what the cause
    has cost other servers before."""

    def __init__(self, home: str, spent: Mapping[str, int] = MappingProxyType({})) -> None:
        self.home = home
        self.asked: Counter[str] = Counter()
        self._before = spent

    def spend(self, host: str) -> None:
        """One request to `host`. Raises Overspent, and then it must not be made."""
        if self.asked.total() >= IN_ALL:
            raise Overspent(f"it would have us ask more than {IN_ALL} times")
        if host != self.home and self.asked[host] + self._before.get(host, 0) >= AT_A_THIRD:
            raise Overspent(f"it would have us ask {host} more than {AT_A_THIRD} times")
        self.asked[host] += 1


_ACCOUNT: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def spending(budget: Budget) -> Iterator[Budget]:
    """Every request made inside, by whatever is awaited there, is on this account."""
    token = _ACCOUNT.set(budget)
    try:
        yield budget
    finally:
        _ACCOUNT.reset(token)


def spend(host: str) -> None:
    """Note a request to `host` on the account that is open, if any. Raises Overspent."""
    account = _ACCOUNT.get()
    if account is not None:
        account.spend(host)


class Newcomers:
    """The unknown servers that were asked lately, by registrable domain."""

    def __init__(self) -> None:
        self._met: OrderedDict[str, dict[str, datetime]] = OrderedDict()

    def meet(self, host: str, now: datetime) -> None:
        """Raise Unreachable if too many servers below the domain of `host` are new this hour."""
        domain = addresses.registrable(host)
        met = {
            name: moment
            for name, moment in self._met.pop(domain, {}).items()
            if now - moment < HOUR
        }
        self._met[domain] = met
        while len(self._met) > DOMAINS:
            self._met.popitem(last=False)
        if host in met:
            return
        if len(met) >= NEW_HOSTS:
            wait = ceil((min(met.values()) + HOUR - now).total_seconds())
            raise Unreachable(host, f"too many new servers below {domain} in an hour", wait)
        met[host] = now
