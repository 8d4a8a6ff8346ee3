"""A school of the demo that fails on purpose, so that one can watch the others keep its post.

It is a real server with a real person, who follows Alice with a properly signed Follow; only its
inbox fails, in the way its name ends: `-503` is overloaded, `-timeout` never answers, `-gone` has
left for good.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import ClientSession, web

from federation import keys, signatures
from federation.keys import PrivateKey
from federation.signatures import Signer
from federation.vocabulary import MEDIA_TYPE
from staffroom.demo_cast import FAILING

CONTEXT = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"]
STATUSES = {"503": 503, "gone": 410}
NEVER = 3600.0  # seconds; whoever waits so long gives up first


def actor(url: str, key: PrivateKey, path: str = "/head") -> dict[str, Any]:
    """The document of somebody at `url`, who lives at `path`."""
    uri = f"{url}{path}"
    return {
        "@context": CONTEXT,
        "id": uri,
        "type": "Person",
        "preferredUsername": path.rpartition("/")[2],
        "name": "The Head of Harbour",
        "inbox": f"{uri}/inbox",
        "followers": f"{uri}/followers",
        "url": uri,
        "publicKey": {
            "id": f"{uri}#main-key",
            "owner": uri,
            "publicKeyPem": keys.pem(keys.public_der(key)),
        },
    }


@asynccontextmanager
async def failing(place: socket.socket) -> AsyncIterator[list["Head"]]:
    """Serve all of them at one place, told apart by the host that is asked for."""
    port = place.getsockname()[1]
    heads = [Head(name, f"{name}.localhost:{port}", keys.generate("rsa")) for name in FAILING]
    by_host = {head.host: head for head in heads}

    async def answer(request: web.Request) -> web.Response:
        head = by_host.get(request.headers.get("Host", "").lower())
        if head is None:
            return web.Response(status=421)
        if request.method == "GET" and request.path == "/head":
            return web.Response(body=orjson.dumps(head.document), content_type=MEDIA_TYPE)
        if request.method == "POST":
            manner = head.name.rpartition("-")[2]
            if manner not in STATUSES:
                await asyncio.sleep(NEVER)
            return web.Response(status=STATUSES.get(manner, 503))
        return web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, place).start()
    try:
        yield heads
    finally:
        await runner.cleanup()


class Head:
    """The one person of a failing school: its document and its key."""

    def __init__(self, name: str, host: str, key: PrivateKey) -> None:
        self.name = name
        self.host = host
        self.url = f"http://{host}"
        self.document = actor(self.url, key)
        self._key = key

    async def follow(self, session: ClientSession, followee: str) -> int:
        """Ask to follow somebody; answers the status."""
        inbox = f"{followee}/inbox"
        body = orjson.dumps(
            {
                "@context": CONTEXT,
                "id": f"{self.url}/follows/1",
                "type": "Follow",
                "actor": self.document["id"],
                "object": followee,
            }
        )
        headers = signatures.sign(
            "POST",
            inbox,
            signer=Signer(self.document["publicKey"]["id"], self._key),
            now=datetime.now(UTC),
            body=body,
            content_type=MEDIA_TYPE,
        )
        async with session.post(inbox, data=body, headers=headers) as answer:
            return answer.status
