"""A village next door: a server of another make that brings signed activities to a school, thanks
for whatever it is brought, and remembers all of it in its own memory.

Its people share one key. Beside it, under names of their own, live the heads of a few other
places: a school keeps a lane to each of those.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives import serialization

from storage import actors, follows, peers, received
from storage.actors import RemoteFields
from storage.database import Transaction
from storage.received import Incoming
from tests.e2e.running import free_port
from tests.town.stranger import CONTEXT, cavage, digest_of, http_date, rsa_key

ACTIVITY = "application/activity+json"
LANES = 8  # other places where somebody follows our people
SAYING = 8  # people of the village who write; everybody else there comes once


@dataclass(frozen=True)
class Brought:
    """An activity as it is brought to an inbox, at `path` there."""

    id: str
    kind: str
    path: str
    body: bytes


class Village:
    """`told` holds every activity that it was brought, by the place it was brought to."""

    def __init__(self) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.lanes = [f"place{number}.localhost:{self.port}" for number in range(LANES)]
        self.told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._key = rsa_key("the village")
        self._pem = (
            self._key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def person(self, number: int) -> str:
        """The id of one of the people."""
        return f"{self.url}/people/{number}"

    # --- what it brings --------------------------------------------------------------------------

    def create(self, number: int, reader: str) -> Brought:
        """A Note that names its reader; the people of the village write in turn."""
        author = self.person(number % SAYING)
        note = {
            "id": f"{self.url}/notes/{number}",
            "type": "Note",
            "attributedTo": author,
            "to": [reader],
            "tag": [{"type": "Mention", "href": reader}],
            "content": f"<p>Number {number}</p>",
        }
        return self._brought(number, "Create", author, note, reader)

    def follow(self, number: int, whom: str) -> Brought:
        """Somebody who was never heard of follows."""
        return self._brought(number, "Follow", self.person(number), whom, whom)

    def like(self, number: int, post: str, author: str) -> Brought:
        """Somebody who was never heard of likes a post."""
        return self._brought(number, "Like", self.person(number), post, author)

    def _brought(self, number: int, kind: str, actor: str, subject: Any, reader: str) -> Brought:
        id_ = f"{self.url}/activities/{number}"
        document = {
            "@context": CONTEXT,
            "id": id_,
            "type": kind,
            "actor": actor,
            "to": [reader],
            "object": subject,
        }
        path = "/" + reader.split("/", 3)[3] + "/inbox"
        return Brought(id_, kind, path, orjson.dumps(document))

    async def bring(
        self, session: ClientSession, school: str, one: Brought, *, path: str | None = None
    ) -> tuple[int, Mapping[str, str]]:
        """POST it, honestly signed; answers the status and the headers. Raises ClientError."""
        path = path or one.path
        actor = orjson.loads(one.body)["actor"]
        headers = {
            "Host": school.partition("://")[2],
            "Date": http_date(datetime.now(UTC)),
            "Digest": digest_of(one.body),
            "Content-Type": ACTIVITY,
        }
        headers["Signature"] = cavage(self._key, f"{actor}#main-key", "POST", path, headers)
        async with session.post(school + path, data=one.body, headers=headers) as answer:
            await answer.read()
            return answer.status, answer.headers

    # --- what it answers -------------------------------------------------------------------------

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """It answers at all of its names as long as the body runs."""
        application = web.Application()
        application.router.add_get("/people/{number}", self._document)
        application.router.add_post("/{path:.*}", self._thank)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _document(self, request: web.Request) -> web.Response:
        uri = self.person(int(request.match_info["number"]))
        document = {
            "@context": CONTEXT,
            "id": uri,
            "type": "Person",
            "preferredUsername": f"person{request.match_info['number']}",
            "inbox": f"{uri}/inbox",
            "endpoints": {"sharedInbox": f"{self.url}/inbox"},
            "publicKey": {"id": f"{uri}#main-key", "owner": uri, "publicKeyPem": self._pem},
        }
        return web.Response(body=orjson.dumps(document), content_type=ACTIVITY)

    async def _thank(self, request: web.Request) -> web.Response:
        activity = orjson.loads(await request.read())
        self.told[request.headers["Host"]].append(activity)
        return web.Response(status=202)

    # --- who follows from elsewhere --------------------------------------------------------------

    def followers(self, tx: Transaction, followed: str) -> None:
        """The head of each place follows one of our people."""
        ours = actors.by_uri(tx, followed)
        assert ours is not None
        peers.set_policy(tx, self.host, "allowed")
        for lane in self.lanes:
            peers.set_policy(tx, lane, "allowed")
            head = actors.save_remote(tx, _head(lane))
            asked = f"{head.uri}/follow"
            document = {"id": asked, "type": "Follow", "actor": head.uri, "object": followed}
            body = orjson.dumps(document)
            received.came_inside(tx, Incoming(asked, head.uri, ours.id, "Follow", body))
            follows.request(tx, head.id, ours.id, asked)
            follows.accept(tx, head.id, ours.id)


def _head(host: str) -> RemoteFields:
    uri = f"http://{host}/head"
    return RemoteFields(
        uri=uri,
        peer_host=host,
        type="Person",
        username="head",
        host=host,
        name="Head",
        summary="",
        url=uri,
        inbox=f"{uri}/inbox",
        shared_inbox=None,
        outbox=None,
        followers=None,
        following=None,
        featured=None,
        approves_followers=False,
        moved_to=None,
        state="active",
        document=orjson.dumps({"id": uri, "type": "Person", "inbox": f"{uri}/inbox"}).decode(),
    )
