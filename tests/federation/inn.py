"""A server that answers each delivery as its keeper decides, for tests of the lanes."""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.town import Delivered, Town

ACTIVITY = "application/activity+json"

# What is said to a delivery: a status, a whole answer, or something that takes its time.
Said = int | web.Response
Decide = Callable[[Delivered], Said | Awaitable[Said]]


@dataclass
class Inn:
    """A peer under an invented name. `decide` may be changed at any moment, and so may `date`,
    what its clock says to whoever fetches something."""

    town: Town
    host: str
    decide: Decide = field(default=lambda delivered: 202)
    delivered: list[Delivered] = field(default_factory=list)
    fetched: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    date: str | None = None
    _runner: web.AppRunner | None = None
    _port: int = 0

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    @property
    def kinds(self) -> list[str]:
        """The types of what was brought, in order."""
        return [delivered.json["type"] for delivered in self.delivered]

    async def open(self) -> "Inn":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        street = socket.create_server(("127.0.0.1", self._port))
        self._port = street.getsockname()[1]
        context = self.town.authority.server(self.host)
        await web.SockSite(self._runner, street, ssl_context=context).start()
        self.town.streets.ports[self.host] = self._port
        return self

    async def shut(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            self.fetched.append((request.path, dict(request.headers)))
            dated = {"Date": self.date} if self.date else {}
            return web.json_response({}, content_type=ACTIVITY, headers=dated)
        delivered = Delivered(request.path, request.headers.copy(), await request.read())
        self.delivered.append(delivered)
        said = self.decide(delivered)
        said = said if isinstance(said, int | web.Response) else await said
        return web.Response(status=said) if isinstance(said, int) else said
