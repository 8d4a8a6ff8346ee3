"""What every request meets first, and what a stranger is told when something is wrong."""

import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp.web_exceptions import HTTPException
from pytest_aiohttp.plugin import AiohttpClient

from federation.errors import BadSignature, Gone, Malformed, Refused, Unreachable
from staffroom import edge
from staffroom.edge import Handler
from storage.database import Busy, Unavailable

Client = TestClient[web.Request, web.Application]


def raising(error: Exception) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        raise error

    return handler


async def school(aiohttp_client: AiohttpClient, handler: Handler) -> Client:
    app = web.Application(middlewares=[edge.addressed_to("oakfield.example"), edge.errors])
    app.router.add_get("/{path:.*}", handler)
    app.on_response_prepare.append(edge.dress)
    return await aiohttp_client(app)


@pytest.mark.parametrize(
    ("error", "status", "wait", "detail"),
    [
        (Malformed("a key stands twice"), 400, None, "a key stands twice"),
        (BadSignature("the date is too old"), 401, None, "the date is too old"),
        (Gone("https://x.example/key", 410), 401, None, None),
        (Refused("x.example is blocked"), 403, None, "x.example is blocked"),
        (Unreachable("x.example", "no answer"), 503, "60", None),
        (Unreachable("x.example", "busy", retry_after=7.4), 503, "7", None),
        (Busy(), 503, "5", None),
        (Unavailable("disk full"), 503, "30", None),
        (RuntimeError("secret detail"), 500, None, None),
        (KeyError("secret detail"), 500, None, None),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else "",
)
async def test_each_error_has_its_status_and_says_no_more_than_it_should(
    aiohttp_client: AiohttpClient,
    error: Exception,
    status: int,
    wait: str | None,
    detail: str | None,
) -> None:
    client = await school(aiohttp_client, raising(error))
    async with client.get("/", headers={"Host": "oakfield.example"}) as answer:
        assert answer.status == status
        assert answer.headers.get("Retry-After") == wait
        assert answer.content_type == "application/problem+json"
        body = await answer.json(content_type=None)
        assert body.get("detail") == detail
        assert "secret" not in str(body)


@pytest.mark.parametrize("error", [web.HTTPNotFound(), web.HTTPRequestEntityTooLarge(1, 2)])
async def test_what_aiohttp_refuses_is_told_in_the_same_form(
    aiohttp_client: AiohttpClient, error: HTTPException
) -> None:
    client = await school(aiohttp_client, raising(error))
    async with client.get("/", headers={"Host": "oakfield.example"}) as answer:
        assert answer.status == error.status
        assert answer.content_type == "application/problem+json"


async def test_a_long_or_broken_explanation_is_one_short_line(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await school(aiohttp_client, raising(Malformed("a\r\nb" + "c" * 5000)))
    async with client.get("/", headers={"Host": "oakfield.example"}) as answer:
        detail = (await answer.json(content_type=None))["detail"]
    assert detail.startswith("a b")
    assert len(detail) == 200


async def fine(request: web.Request) -> web.Response:
    return web.Response(text="fine")


@pytest.mark.parametrize("host", ["oakfield.example", "OAKFIELD.example", "oakfield.example:443"])
async def test_our_own_host_is_let_in(aiohttp_client: AiohttpClient, host: str) -> None:
    client = await school(aiohttp_client, fine)
    async with client.get("/users/alice", headers={"Host": host}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "oakfield.example.",
        "oakfield.example:80",
        "oakfield.example:4430",
        "oakfield.example@evil",
        "",
    ],
)
async def test_another_host_is_not(aiohttp_client: AiohttpClient, host: str) -> None:
    client = await school(aiohttp_client, fine)
    async with client.get("/users/alice", headers={"Host": host}) as answer:
        assert answer.status in {400, 421}


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/", True),
        ("/@alice", True),
        ("/users/alice/outbox", True),
        ("/.well-known/webfinger", True),
        ("/nodeinfo/2.1", True),
        ("/a..b", True),
        ("//", False),
        ("//evil.example", False),
        ("/a//b", False),
        ("/.", False),
        ("/..", False),
        ("/a/../b", False),
        ("/a/./b", False),
        ("/a/%2e%2e/b", False),
        ("/%61", False),
        ("/a\\b", False),
        ("/a b", False),
        ("/tags/physics", True),
        ("/tags/caf%C3%A9", True),
        ("/tags/%E7%90%86%E7%A7%91", True),
        ("/tags/%61", False),
        ("/tags/%2e%2e", False),
        ("/tags/%C3", False),
        ("/tags/%c3%a9", False),
        ("/tags/caf%C3%A9/x", False),
        ("/users/caf%C3%A9", False),
        ("http://evil.example/", False),
        ("*", False),
        ("", True),
    ],
)
def test_only_a_plain_path_is_plain(path: str, plain: bool) -> None:
    assert bool(edge.PLAIN_PATH.match(path)) == plain


def test_the_server_log_keeps_nothing_of_a_broken_request() -> None:
    try:
        raise ValueError("GET /evil\nforged line")
    except ValueError as error:
        record = logging.LogRecord(
            "aiohttp.server",
            logging.ERROR,
            __file__,
            1,
            "Error handling request from %s",
            ("192.0.2.1",),
            (type(error), error, error.__traceback__),
        )
    assert edge.QuietServerLog().filter(record)
    line = logging.Formatter().format(record)
    assert line == "a request was refused: ValueError"
