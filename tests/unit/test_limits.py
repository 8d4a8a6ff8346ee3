"""How often one caller may knock."""

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request
from pytest_aiohttp.plugin import AiohttpClient

from staffroom import limits
from staffroom.edge import Handler
from staffroom.limits import Buckets, Limit


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 9, 1, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def door(request: web.Request) -> web.Response:
    return web.Response(status=int(request.query.get("status", 200)))


two_are_inside = asyncio.Barrier(2)


async def slow(request: web.Request) -> web.Response:
    await two_are_inside.wait()
    return await door(request)


async def other(request: web.Request) -> web.Response:
    return web.Response()


async def school(
    aiohttp_client: AiohttpClient, clock: Clock, limit: Limit
) -> TestClient[web.Request, web.Application]:
    proxies = (ip_network("127.0.0.1/32"),)
    known: dict[Handler, Limit] = {door: limit, slow: limit, other: Limit(1000, 1)}
    app = web.Application(middlewares=[limits.limiting(known, clock, proxies)])
    app.router.add_get("/door", door)
    app.router.add_get("/same/door", door)
    app.router.add_get("/slow", slow)
    app.router.add_get("/other", other)
    return await aiohttp_client(app)


async def test_whoever_knocks_too_often_is_told_when_to_come_back(
    aiohttp_client: AiohttpClient,
) -> None:
    clock = Clock()
    client = await school(aiohttp_client, clock, Limit(3, 0.5))
    assert [(await client.get("/door")).status for _ in range(4)] == [200, 200, 200, 429]
    # The limit is the handler's, not the path's; other handlers and other callers have their own.
    refused = await client.get("/same/door")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "3")
    assert (await client.get("/other")).status == 200
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    assert (await client.get("/door", headers=elsewhere)).status == 200
    clock.now += timedelta(seconds=2)
    assert [(await client.get("/door")).status for _ in range(2)] == [200, 429]


async def test_other_servers_are_counted_only_when_they_are_refused(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await school(aiohttp_client, Clock(), Limit(2, 1, refused_only=True))
    for _ in range(10):
        assert (await client.get("/door?status=202")).status == 202
    for _ in range(2):
        assert (await client.get("/door?status=401")).status == 401
    assert (await client.get("/door?status=202")).status == 429


async def test_whoever_is_refused_slowly_is_not_let_in_a_hundred_times_meanwhile(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await school(aiohttp_client, Clock(), Limit(2, 1, refused_only=True))
    answers = await asyncio.gather(*(client.get("/slow?status=401") for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [401, 401, 429, 429, 429, 429]


def test_one_refusal_costs_one_drop_however_much_is_under_way() -> None:
    buckets = Buckets(Clock())
    for _ in range(4):
        buckets.lend("inbox", "peer")
    buckets.give_back("inbox", "peer")
    buckets.take("inbox", "peer", 5, 1)  # the first was refused, and the others were not
    for _ in range(3):
        buckets.give_back("inbox", "peer")
    for _ in range(4):
        assert buckets.wait("inbox", "peer", 5, 1) == 0
        buckets.take("inbox", "peer", 5, 1)
    assert buckets.wait("inbox", "peer", 5, 1) == 1


async def test_one_token_does_not_use_up_what_a_whole_staff_room_shares(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await school(aiohttp_client, Clock(), Limit(100, 10, per_token=2))
    for alice, bob in (
        ({"Authorization": "Bearer alice"}, {"Authorization": "Bearer bob"}),
        ({"Cookie": "__Host-session=alice"}, {"Cookie": "__Host-session=bob"}),
    ):
        answers = [(await client.get("/door", headers=alice)).status for _ in range(3)]
        assert answers == [200, 200, 429]
        assert (await client.get("/door", headers=bob)).status == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "caller"),
    [
        ((), "192.0.2.7", "10.0.0.9"),
        (("10.0.0.0/8",), None, "10.0.0.9"),
        (("10.0.0.0/8",), "192.0.2.7", "192.0.2.7"),
        (("10.0.0.0/8",), "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        (("10.0.0.0/8",), "192.0.2.7, 10.1.1.1", "192.0.2.7"),
        (("10.0.0.0/8",), "nonsense", "unknown"),
        (("192.0.2.0/24",), "203.0.113.5", "10.0.0.9"),
        (("10.0.0.0/8",), "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (("10.0.0.0/8",), "::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_a_forwarded_address_is_believed_only_from_a_proxy_of_ours(
    proxies: tuple[str, ...], forwarded: str | None, caller: str
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote="10.0.0.9")
    trusted = tuple(ip_network(proxy) for proxy in proxies)
    assert limits.address(request, trusted) == caller


def test_the_memory_for_callers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 10)
    buckets = Buckets(Clock())
    for number in range(100):
        buckets.take("door", str(number), 5, 1)
    assert len(buckets._levels) == 10


def test_a_clock_that_is_set_back_fills_nothing_and_breaks_nothing() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    buckets.take("door", "caller", 1, 1)
    clock.now -= timedelta(hours=1)
    assert buckets.wait("door", "caller", 1, 1) == 1
