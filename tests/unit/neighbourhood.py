"""Real servers on this machine under invented names, and clients that know the way to them."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from socket import AF_INET, AI_NUMERICHOST, AddressFamily
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from federation import keys, signatures
from federation.addresses import Rules
from federation.client import Client
from federation.signatures import Form, Message, Signer

ONE_MACHINE = Rules(allow_http=True, allow_private=True)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACTIVITY = "application/activity+json"

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@lru_cache(maxsize=1)
def signer() -> Signer:
    return Signer("https://riverside.example/actor#key", keys.generate("ed25519"))


def public() -> keys.PublicKey:
    return keys.load(keys.public_der(signer().key))


async def anywhere(host: str) -> None:
    """Every host may be asked."""


@dataclass
class Streets(AbstractResolver):
    """Which name is which server of a test, with which number; other names do not exist."""

    ports: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.ports and host not in self.numbers:
            raise OSError(f"no {host}")
        return [
            ResolveResult(
                hostname=host,
                host=self.numbers.get(host, "127.0.0.1"),
                port=self.ports.get(host, port),
                family=AF_INET,
                proto=0,
                flags=AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        return None


@dataclass
class Heard:
    """A request as a server saw it."""

    method: str
    url: str
    headers: Any
    body: bytes

    @property
    def message(self) -> Message:
        return Message(self.method, self.url, self.headers, self.body)

    @property
    def form(self) -> Form:
        return "rfc9421" if "Signature-Input" in self.headers else "cavage"

    def check(self) -> None:
        """Raises BadSignature unless it was signed by us, for this very request."""
        signatures.verify(signatures.read(self.message), self.message, public(), NOW)


@dataclass
class Neighbourhood:
    """Servers under invented names, and a client that knows the way to them."""

    streets: Streets = field(default_factory=Streets)
    heard: list[Heard] = field(default_factory=list)
    runners: list[web.ServerRunner] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def house(
        self, host: str, answering: Answering, tls: ssl.SSLContext | None = None
    ) -> int:
        """Open a server under this name; returns its port."""

        async def listen(request: web.BaseRequest) -> web.StreamResponse:
            url = f"{request.scheme}://{request.headers['Host']}{request.raw_path}"
            body = await request.read()
            self.heard.append(Heard(request.method, url, request.headers, body))
            return await answering(request)

        runner = web.ServerRunner(web.Server(listen))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.runners.append(runner)
        port: int = runner.addresses[0][1]
        self.streets.ports[host] = port
        return port

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        for runner in self.runners:
            await runner.cleanup()

    def client(self, rules: Rules = ONE_MACHINE, **more: Any) -> Client:
        more.setdefault("resolver", self.streets)
        more.setdefault("admit", anywhere)
        client = Client(rules, now=lambda: NOW, agent="Staffroom/test", **more)
        self.clients.append(client)
        return client


def always(
    status: int = 200, body: bytes = b"{}", content_type: str = ACTIVITY, **headers: str
) -> Answering:
    """A server that says the same to everybody."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(
            status=status, body=body, headers={"Content-Type": content_type, **named}
        )

    return answer
