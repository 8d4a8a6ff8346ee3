"""Other servers that take what is delivered to them: one place under many names.

`sink7.localhost` and its neighbours are all this machine, so each is a peer with a lane and a
connection of its own. Some kinds of server are bad on purpose.
"""

import asyncio
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

from aiohttp import web

from federation.vocabulary import MEDIA_TYPE
from staffroom import app
from staffroom.bench.load import BenchFailed

TIME_TO_DELIVER = 120.0  # seconds
SLOW = 10.0  # seconds until a slow one answers
DRIP = 1.0  # seconds between two bytes of one that drips
LONGEST_DRIP = 60
BACKLOG_FILLERS = 4


@dataclass
class Sink:
    """Answers 202 to every delivery, counts them, and writes down when each came."""

    port: int
    scheme: str = "http"
    closes: bool = False  # the connection, after each answer
    watched: bool = False  # whether it keeps when what came
    count: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    came: list[tuple[str, float]] = field(default_factory=list)
    _enough: int = 0
    _reached: asyncio.Event = field(default_factory=asyncio.Event)

    def hosts(self, count: int, name: str = "sink") -> list[str]:
        """So many of its names, as HOSTs."""
        return [f"{name}{number}.localhost:{self.port}" for number in range(count)]

    async def answer(self, request: web.Request) -> web.Response:
        """One delivery, or a question for somebody's document, who is not there."""
        if request.method != "POST":
            return web.Response(status=404)
        await request.read()
        self.count += 1
        self.forms[_form(request)] += 1
        if self.watched:
            self.came.append((request.host, time.monotonic()))
        if self.count >= self._enough:
            self._reached.set()
        answer = web.Response(status=202)
        if self.closes:
            answer.force_close()
        return answer

    async def reach(self, count: int) -> None:
        """Wait until so many have come in all. Raises BenchFailed after two minutes."""
        self._enough = count
        self._reached.clear()
        if self.count >= count:
            return
        try:
            await asyncio.wait_for(self._reached.wait(), TIME_TO_DELIVER)
        except TimeoutError:
            raise BenchFailed(f"{self.count} of {count} deliveries came") from None


def _form(request: web.Request) -> str:
    inputs = request.headers.get("Signature-Input")
    if inputs is None:
        return "cavage"
    # An Ed25519 signature has 64 bytes, one of RSA with 2048 bits 256.
    return "ed25519" if len(request.headers.get("Signature", "")) < 200 else "rfc9421"


@asynccontextmanager
async def taking(
    *, tls: ssl.SSLContext | None = None, closes: bool = False, watched: bool = False
) -> AsyncIterator[Sink]:
    """A sink in this process."""
    place = app.listen("127.0.0.1", 0)
    scheme = "https" if tls else "http"
    sink = Sink(place.getsockname()[1], scheme, closes, watched)
    async with _answering(place, sink.answer, tls):
        yield sink


@asynccontextmanager
async def slow() -> AsyncIterator[int]:
    """Servers that answer after ten seconds; the port where they are."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(SLOW)
        return web.Response(status=202, content_type=MEDIA_TYPE)

    place = app.listen("127.0.0.1", 0)
    async with _answering(place, answer):
        yield place.getsockname()[1]


@asynccontextmanager
async def dripping() -> AsyncIterator[int]:
    """Servers that answer one byte a second; the port where they are."""

    over = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.read(1024)
            for byte in b"HTTP/1.1 202 Accepted\r\nX-Slow: ".ljust(LONGEST_DRIP, b"x"):
                writer.write(bytes([byte]))
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), DRIP)
                    break
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Servers that drop every packet: nobody takes connections there, and whoever else comes is
    not even refused, for the queue of the kernel is full. The port where they are."""
    with closing(socket.socket()) as place:
        place.bind(("127.0.0.1", 0))
        place.listen(0)
        port: int = place.getsockname()[1]
        fillers = [socket.socket() for _ in range(BACKLOG_FILLERS)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for filler in fillers:
                filler.close()


@asynccontextmanager
async def _answering(
    place: socket.socket,
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.SockSite(runner, place, ssl_context=tls, backlog=1024).start()
        yield
    finally:
        await runner.cleanup()
