"""Which machines we let ourselves be sent to.

Whoever names a URL could name the school's own router. So every numeric address that a name leads
to is looked at, and a name that leads to even one forbidden address is refused. What is connected
to is the very answer that was looked at: nobody is asked a second time.
https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from federation.addresses import Address, Rules, is_numeric
from federation.errors import Refused

FORBIDDEN_V4: Final = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
ALLOWED_V6: Final = ipaddress.IPv6Network("2000::/3")
FORBIDDEN_V6: Final = tuple(
    ipaddress.IPv6Network(block)
    for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)
DNS_THREADS: Final = 32
"""So many names may be looked up at once; a few dead name servers must not hold up the rest."""


def check(number: str, rules: Rules) -> None:
    """Raise Refused unless this numeric address is one of the public internet.

    `ipaddress.is_global` is no guard: it says yes to 64:ff9b::7f00:1 and to 224.0.0.1.
    """
    if rules.allow_private:
        return
    try:
        address = ipaddress.ip_address(number)
    except ValueError as error:
        raise Refused(f"{number!r} is not an address that we can judge") from error
    if isinstance(address, ipaddress.IPv4Address):
        forbidden = any(address in block for block in FORBIDDEN_V4)
    else:
        # An address with a zone ("%eth0") compares by its number alone.
        plain = ipaddress.IPv6Address(int(address))
        forbidden = plain not in ALLOWED_V6 or any(plain in block for block in FORBIDDEN_V6)
    if forbidden:
        raise Refused(f"{number} is not on the public internet")


def check_literal(address: Address, rules: Rules) -> None:
    """The same for a URL that carries a number for its host: no resolver ever sees those."""
    if is_numeric(address.host):
        check(address.host.strip("[]"), rules)


class Lookup(AbstractResolver):
    """Asks the operating system for names, on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _ask, host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=number,
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for number, kind, protocol in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _ask(host: str, port: int, family: int) -> list[tuple[str, int, int]]:
    if host == "localhost" or host.endswith(".localhost"):
        # Never a question for the network. https://www.rfc-editor.org/rfc/rfc6761#section-6.3
        host = "127.0.0.1"
    answers = socket.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [(str(where[0]), int(kind), protocol) for kind, _, protocol, _, where in answers]


class Guarded(AbstractResolver):
    """Any resolver, with every answer looked at before anybody may connect to it."""

    def __init__(
        self,
        inner: AbstractResolver,
        rules: Rules,
        *,
        trusted: Iterable[tuple[str, int]] = (),
    ) -> None:
        """`trusted` names hosts that the school itself set, such as its proxy, with their port."""
        self._inner = inner
        self._rules = rules
        self._trusted = frozenset(trusted)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises Refused if even one is forbidden, OSError if none."""
        found = await self.look_up(host, port, family)
        if (host, port) not in self._trusted:
            self.judge(found)
        return found

    async def look_up(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name, not yet judged."""
        found = await self._inner.resolve(host, port, family)
        if not found:
            raise OSError(None, f"no address for {host}")
        return found

    def judge(self, found: list[ResolveResult]) -> None:
        """Raise Refused if even one answer is forbidden: an honest school has no such mixture."""
        for answer in found:
            check(answer["host"], self._rules)

    async def close(self) -> None:
        await self._inner.close()
