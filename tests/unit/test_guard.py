"""The guard: whoever names a URL does not get to name the school's own router."""

import socket
from collections.abc import Mapping

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from federation import addresses, guard
from federation.addresses import Rules
from federation.errors import Refused

STRICT = Rules()
ONE_MACHINE = Rules(allow_http=True, allow_private=True)

FORBIDDEN = [
    # this machine, this building, this provider
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    # special purposes
    "192.0.0.8",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    # IPv6: everything outside 2000::/3
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    # and inside it, what is not one machine of the public internet
    "2001::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    # what is no address at all
    "",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "１２７.0.0.1",
    "oakfield.example",
]
ALLOWED = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2001:200::1",
    "2001:db7::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "3ffe::1",
]


@pytest.mark.parametrize("number", FORBIDDEN)
def test_an_address_that_is_not_on_the_public_internet_is_refused(number: str) -> None:
    with pytest.raises(Refused):
        guard.check(number, STRICT)


@pytest.mark.parametrize("number", ALLOWED)
def test_an_address_of_the_public_internet_is_fine(number: str) -> None:
    guard.check(number, STRICT)


@pytest.mark.parametrize("number", ["127.0.0.1", "::1", "192.168.1.1"])
def test_schools_on_one_machine_may_reach_each_other(number: str) -> None:
    guard.check(number, ONE_MACHINE)


class Book(AbstractResolver):
    """A telephone book of one page, for names that no resolver should be asked about."""

    def __init__(self, page: Mapping[str, list[str]]) -> None:
        self.page = page
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=number,
                port=port,
                family=socket.AF_INET6 if ":" in number else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for number in self.page.get(host, [])
        ]

    async def close(self) -> None:
        return None


async def test_a_name_that_leads_to_public_addresses_is_answered() -> None:
    names = guard.Guarded(Book({"oakfield.example": ["1.1.1.1", "2a00:1450::1"]}), STRICT)
    found = await names.resolve("oakfield.example", 443)
    assert [answer["host"] for answer in found] == ["1.1.1.1", "2a00:1450::1"]


@pytest.mark.parametrize("numbers", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["1.1.1.1", "::1"]])
async def test_a_name_that_leads_home_even_once_is_refused(numbers: list[str]) -> None:
    names = guard.Guarded(Book({"evil.example": numbers}), STRICT)
    with pytest.raises(Refused):
        await names.resolve("evil.example", 443)


async def test_a_name_without_addresses_is_an_ordinary_failure() -> None:
    with pytest.raises(OSError, match=r"nowhere\.example"):
        await guard.Guarded(Book({}), STRICT).resolve("nowhere.example", 443)


async def test_only_the_proxy_that_the_school_named_may_be_private() -> None:
    book = Book({"proxy.oakfield.example": ["10.0.0.3"]})
    names = guard.Guarded(book, STRICT, trusted=[("proxy.oakfield.example", 3128)])
    assert await names.resolve("proxy.oakfield.example", 3128)
    with pytest.raises(Refused):
        await names.resolve("proxy.oakfield.example", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254"])
def test_a_number_in_a_url_is_judged_although_no_resolver_is_asked(host: str) -> None:
    address = addresses.parse(f"http://{host}/", ONE_MACHINE)
    guard.check_literal(address, ONE_MACHINE)
    with pytest.raises(Refused):
        guard.check_literal(address, STRICT)


@pytest.mark.parametrize("host", ["localhost", "harbour.localhost"])
async def test_the_name_of_this_machine_is_never_asked_of_the_network(host: str) -> None:
    lookup = guard.Lookup()
    try:
        found = await lookup.resolve(host, 8001)
    finally:
        await lookup.close()
    assert [(answer["host"], answer["port"]) for answer in found] == [("127.0.0.1", 8001)]
    with pytest.raises(Refused):
        guard.Guarded(lookup, STRICT).judge(found)
