"""A server of another make, built by hand: it signs as it likes and remembers what it is sent.

Its signatures are made here, with nothing of ours, so that a test can leave out, change or forge
any part of them.
"""

import asyncio
import base64
import hashlib
import itertools
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from yarl import URL

from tests.town.school import ACTIVITY, Reply

if TYPE_CHECKING:
    from tests.town.place import Town

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
CONTEXT = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"]
COVERED = ("(request-target)", "host", "date", "digest", "content-type")


@lru_cache(maxsize=64)
def rsa_key(owner: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key for that owner, the same for the whole run (making one takes a while)."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def http_date(moment: datetime) -> str:
    """As it stands in the Date header."""
    return format_datetime(moment, usegmt=True)


def digest_of(body: bytes) -> str:
    """As it stands in the Digest header."""
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()


def cavage(
    key: rsa.RSAPrivateKey,
    key_id: str,
    method: str,
    target: str,
    headers: Mapping[str, str],
    covered: Sequence[str] = COVERED,
) -> str:
    """A Signature header as in draft-cavage-http-signatures-12, over just what is `covered`."""
    known = {name.lower(): value for name, value in headers.items()}
    known["(request-target)"] = f"{method.lower()} {target}"
    text = "\n".join(f"{name}: {known[name]}" for name in covered)
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return (
        f'keyId="{key_id}",algorithm="rsa-sha256",headers="{" ".join(covered)}",'
        f'signature="{base64.b64encode(signature).decode()}"'
    )


@dataclass(frozen=True)
class Delivered:
    """A POST that a stranger was sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The activity."""
        found = orjson.loads(self.body)
        assert isinstance(found, dict), found
        return found


class Foreigner:
    """Somebody who lives on a stranger's server, at `path` there, with a `key` of their own."""

    def __init__(
        self,
        home: "Stranger",
        username: str,
        path: str | None = None,
        key: rsa.RSAPrivateKey | None = None,
    ) -> None:
        self.home = home
        self.username = username
        path = f"/people/{username}" if path is None else path
        self.uri = home.url + path
        self.key_id = f"{self.uri}#main-key"
        self.key = key or rsa_key(self.uri)
        self.document: dict[str, Any] = {
            "@context": CONTEXT,
            "id": self.uri,
            "type": "Person",
            "preferredUsername": username,
            "name": username.title(),
            "inbox": f"{self.uri}/inbox",
            "outbox": f"{self.uri}/outbox",
            "followers": f"{self.uri}/followers",
            "following": f"{self.uri}/following",
            "url": f"{home.url}/@{username}",
            "endpoints": {"sharedInbox": f"{home.url}/inbox"},
            "publicKey": {"id": self.key_id, "owner": self.uri, "publicKeyPem": self.pem()},
        }
        home.documents[path.partition("#")[0].partition("?")[0] or "/"] = self.document

    def pem(self) -> str:
        """The public key as a PEM text."""
        return (
            self.key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def change_key(self, name: str = "second") -> None:
        """Use another key from now on, under the same id, and say so in the actor document."""
        self.key = rsa_key(f"{self.uri} {name}")
        self.document["publicKey"]["publicKeyPem"] = self.pem()

    def activity(self, kind: str, subject: Any, **more: Any) -> dict[str, Any]:
        """An activity by this person with a new id, addressed to the public unless said."""
        return {
            "@context": CONTEXT,
            "id": f"{self.home.url}/activities/{next(self.home.numbers)}",
            "type": kind,
            "actor": self.uri,
            "to": [PUBLIC],
            "cc": [f"{self.uri}/followers"],
            "published": self.home.timestamp(),
            "object": subject,
            **more,
        }

    def note(self, text: str, **more: Any) -> dict[str, Any]:
        """A Note by this person, served under its id too."""
        number = next(self.home.numbers)
        note = {
            "@context": CONTEXT,
            "id": f"{self.home.url}/notes/{number}",
            "type": "Note",
            "attributedTo": self.uri,
            "to": [PUBLIC],
            "cc": [f"{self.uri}/followers"],
            "published": self.home.timestamp(),
            "content": f"<p>{text}</p>",
            **more,
        }
        self.home.documents[f"/notes/{number}"] = note
        return note

    def create(self, text: str, **more: Any) -> dict[str, Any]:
        """A Create of a Note, addressed as the Note is."""
        note = self.note(text, **more)
        return self.activity("Create", note, to=note["to"], cc=note["cc"])

    def headers(
        self,
        url: str,
        body: bytes | None,
        *,
        method: str = "POST",
        covered: Sequence[str] | None = None,
        changed: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """The headers of an honest signed request; `changed` is put in before signing.

        For a forgery change the result, or this person's `key`, `key_id`.
        """
        where = URL(url, encoded=True)
        headers = {
            "Host": where.authority.removesuffix(":443"),
            "Date": http_date(self.home.town.clock()),
        }
        if body is not None:
            headers |= {"Digest": digest_of(body), "Content-Type": ACTIVITY}
        else:
            headers["Accept"] = ACTIVITY
        headers |= changed or {}
        if covered is None:
            covered = COVERED if body is not None else COVERED[:3]
        headers["Signature"] = cavage(
            self.key, self.key_id, method, where.raw_path_qs, headers, covered
        )
        return headers

    async def send(self, inbox: str, activity: dict[str, Any] | bytes) -> Reply:
        """POST an activity to an inbox, honestly signed."""
        body = activity if isinstance(activity, bytes) else orjson.dumps(activity)
        return await self.home.request("POST", inbox, self.headers(inbox, body), body)

    async def get(self, url: str) -> Reply:
        """GET something, honestly signed."""
        return await self.home.request("GET", url, self.headers(url, None, method="GET"))


class Stranger:
    """A server that serves `documents` by path and keeps what it is sent in `delivered`.

    `answers` sets the status for POSTs to a path, or to every path under the name "*". While
    `let_go` is cleared, whoever asks waits.
    """

    def __init__(self, town: "Town", host: str) -> None:
        self.town = town
        self.host = host
        self.url = f"https://{host}"
        self.documents: dict[str, dict[str, Any] | web.Response | int] = {}
        self.answers: dict[str, int] = {}
        self.answer_headers: dict[str, str] = {}
        self.delivered: list[Delivered] = []
        self.fetched: list[str] = []  # the paths that were asked for, in order
        self.people: dict[str, Foreigner] = {}
        # What WebFinger says about a resource, where it is not about one of `people`.
        self.cards: dict[str, web.Response] = {}
        self.numbers: Iterator[int] = itertools.count(1)
        self.let_go = asyncio.Event()
        self.let_go.set()
        self._port = 0
        self._runner: web.AppRunner | None = None

    def person(self, username: str) -> Foreigner:
        """Somebody who lives here; the same one when asked again."""
        if username not in self.people:
            self.people[username] = Foreigner(self, username)
        return self.people[username]

    def timestamp(self) -> str:
        """The town's time as it stands in activities."""
        return self.town.clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def activities(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What was delivered here, of one type if given, in order."""
        found = [delivered.json for delivered in self.delivered]
        return [one for one in found if kind is None or one["type"] == kind]

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Reply:
        """Any request, its URL and headers sent just as they are."""
        async with self.town.session.request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def open(self) -> None:
        """Answer the door, always at the same place."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        street = socket.create_server(("127.0.0.1", self._port))
        self._port = street.getsockname()[1]
        await web.SockSite(
            self._runner, street, ssl_context=self.town.authority.server(self.host)
        ).start()
        self.town.streets.ports[self.host] = self._port

    async def shut(self) -> None:
        """Answer nobody any more; `open` ends it."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            body = await request.read()
            self.delivered.append(Delivered(request.path, request.headers.copy(), body))
            await self.let_go.wait()
            status = self.answers.get(request.path, self.answers.get("*", 202))
            return web.Response(status=status, headers=self.answer_headers)
        self.fetched.append(request.path)
        await self.let_go.wait()
        if request.path == "/.well-known/webfinger":
            return self._webfinger(request.query.get("resource", ""))
        found = self.documents.get(request.path, 404)
        if isinstance(found, int):
            return web.Response(status=found)
        if isinstance(found, web.Response):
            return web.Response(status=found.status, headers=found.headers, body=found.body)
        return web.Response(body=orjson.dumps(found), content_type=ACTIVITY)

    def _webfinger(self, resource: str) -> web.Response:
        if resource in self.cards:
            card = self.cards[resource]
            return web.Response(status=card.status, headers=card.headers, body=card.body)
        username = resource.removeprefix("acct:").removesuffix(f"@{self.host}")
        if username not in self.people:
            return web.Response(status=404)
        link = {"rel": "self", "type": ACTIVITY, "href": self.people[username].uri}
        body = orjson.dumps({"subject": f"acct:{username}@{self.host}", "links": [link]})
        return web.Response(body=body, content_type="application/jrd+json")
