"""Other servers whose people write to a school: they sign properly, and answer for themselves."""

import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from federation import keys, signatures
from federation.signatures import Signer
from federation.vocabulary import MEDIA_TYPE, PUBLIC
from staffroom import app, demo_peer

PEOPLE = 50
NAMES_ONE = 10  # every so many posts


class Senders:
    """Fifty people, who share a key, at one other server or at as many as there are of them."""

    def __init__(self, place: socket.socket, servers: int, people: int) -> None:
        self._port = place.getsockname()[1]
        self._servers = servers
        self._people = people
        self._key = keys.generate("rsa")
        self._numbers = itertools.count(1)

    def person(self, number: int) -> str:
        """The id of one of them."""
        return f"{self._home(number)}/people/{number % self._people}"

    @property
    def people(self) -> list[str]:
        """The ids of all of them."""
        return [self.person(number) for number in range(self._people)]

    def _home(self, number: int) -> str:
        if self._servers == 1:
            return f"http://127.0.0.1:{self._port}"
        return f"http://writer{number % self._people % self._servers}.localhost:{self._port}"

    async def answer(self, request: web.Request) -> web.Response:
        """The document of any of them."""
        home = f"http://{request.host}"
        document = demo_peer.actor(home, self._key, request.path)
        return web.Response(body=orjson.dumps(document), content_type=MEDIA_TYPE)

    def requests(self, url: str, count: int, *, naming: Sequence[str] = ()) -> list[bytes]:
        """Whole signed requests to the shared inbox at `url`, each a Create of a new Note, from
        everybody in turn. Some of the notes name one of `naming`."""
        return [
            self._request(f"{url}/inbox", number, naming)
            for number in itertools.islice(self._numbers, count)
        ]

    def _request(self, inbox: str, number: int, naming: Sequence[str]) -> bytes:
        actor = self.person(number)
        named = naming[number % len(naming)] if naming and number % NAMES_ONE == 0 else None
        body = orjson.dumps(_create(self._home(number), actor, number, named))
        headers = signatures.sign(
            "POST",
            inbox,
            signer=Signer(f"{actor}#main-key", self._key),
            now=datetime.now(UTC),
            body=body,
            content_type=MEDIA_TYPE,
        )
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(["POST /inbox HTTP/1.1", *lines, f"Content-Length: {len(body)}"])
        return f"{head}\r\n\r\n".encode() + body


@asynccontextmanager
async def writing(*, servers: int = 1, people: int = PEOPLE) -> AsyncIterator[Senders]:
    """People who write, and whose servers answer who they are, from this process."""
    place = app.listen("127.0.0.1", 0)
    senders = Senders(place, servers, people)
    application = web.Application()
    application.router.add_get("/people/{number}", senders.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, place).start()
        yield senders
    finally:
        await runner.cleanup()


def _create(home: str, actor: str, number: int, named: str | None) -> dict[str, Any]:
    copies = [f"{actor}/followers", *([named] if named else [])]
    note: dict[str, Any] = {
        "id": f"{home}/notes/{number}",
        "type": "Note",
        "attributedTo": actor,
        "to": [PUBLIC],
        "cc": copies,
        "content": "<p>Minutes of the science network are up. Next meeting at Hillcrest.</p>",
        "published": "2026-09-01T08:00:00Z",
    }
    if named:
        note["tag"] = [{"type": "Mention", "href": named, "name": "@colleague"}]
    return {
        "@context": demo_peer.CONTEXT,
        "id": f"{home}/activities/{number}",
        "type": "Create",
        "actor": actor,
        "to": note["to"],
        "cc": note["cc"],
        "published": note["published"],
        "object": note,
    }
