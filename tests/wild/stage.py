"""Our school with Lee, and the servers that a document speaks of, which say what it says of them.

Whoever wrote a document lives on a server that serves them, signs in their name, and serves what
the document embeds. Whoever it was sent to is Lee, and what it is about is Lee's post.
"""

import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from actors import copies, remote
from federation.errors import WireError
from storage import objects, polls, tables
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post
from tests.town import Foreigner, Person, Reply, Stranger, Town, TownSchool
from tests.town.stranger import PUBLIC, rsa_key
from tests.wild import documents
from tests.wild.documents import Document, host_of, id_of

SCHOOL = "our-school.example"


@dataclass(frozen=True)
class Came:
    """What became of a document: where it ended, and the reason if it had no effect."""

    status: int
    reason: str | None

    @property
    def refused(self) -> str | None:
        """Why it had no effect, in words; None where it had one."""
        return self.reason


@dataclass
class Stage:
    """One school and the strangers of one document."""

    town: Town
    school: TownSchool
    lee: Person
    ours: Post
    poll: Post
    strangers: dict[str, Stranger] = field(default_factory=dict)
    people: dict[str, Foreigner] = field(default_factory=dict)

    # --- other servers ---------------------------------------------------------------------------

    async def stranger(self, uri: str) -> Stranger:
        host = host_of(uri)
        if host not in self.strangers:
            self.strangers[host] = await self.town.stranger(host, known=False)
        return self.strangers[host]

    async def serve(self, document: Document) -> None:
        """Let a document be had from its own server."""
        uri = id_of(document)
        home = await self.stranger(uri)
        home.documents[_path(uri)] = document

    async def person(self, uri: str, **more: Any) -> Foreigner:
        """Whoever has that id, with a key that we hold too."""
        if uri not in self.people:
            home = await self.stranger(uri)
            name = _path(uri).strip("/").replace("/", "-").replace("@", "") or "someone"
            key = rsa_key("everybody out there")
            self.people[uri] = Foreigner(home, name[-60:], uri.removeprefix(home.url), key)
        self.people[uri].document.update(more)
        return self.people[uri]

    async def known(self, uri: str, **more: Any) -> Actor:
        """The same, and we had to do with them before."""
        who = await self.person(uri, **more)
        return await remote.actor(self.school.server, who.uri)

    # --- what comes ------------------------------------------------------------------------------

    async def deliver(self, document: Document, signer: str, *, personal: bool = False) -> Came:
        """The document knocks at our door, signed by that actor; then all work is done."""
        who = await self.person(signer)
        inbox = f"{self.lee.uri}/inbox" if personal else self.school.shared_inbox
        reply = await who.send(inbox, json.dumps(document).encode())
        if reply.status != 202:
            return Came(reply.status, _detail(reply))
        await self.town.settle()
        return Came(202, await self.school.read(_reason, id_of(document)))

    async def look_up_actor(self, document: Document) -> Came:
        """Somebody here looks an actor up at its own server, which serves this document."""
        await self.serve(document)
        return await _had(remote.actor(self.school.server, id_of(document)))

    async def look_up_post(self, document: Document) -> Came:
        """The same for a post, and its author with it."""
        await self.serve(document)
        author = documents.author_of(document)
        if author:
            await self.person(author)
        return await _had(copies.fetch(self.school.server, id_of(document)))


async def _had(asked: Awaitable[object]) -> Came:
    try:
        await asked
    except WireError as error:
        return Came(0, f"{type(error).__name__}: {error}")
    return Came(200, None)


def _path(uri: str) -> str:
    match = documents.ADDRESS.match(uri)
    rest = uri[match.end() :] if match else uri
    return rest.partition("#")[0].partition("?")[0] or "/"


def _detail(reply: Reply) -> str:
    return f"{reply.status}: {reply.json.get('detail') or reply.json.get('title')}"


def _reason(tx: Transaction, uri: str) -> str | None:
    """Why what came last had no effect; raises if it was not worked on."""
    table = tables.received
    newest = table.select().where(table.c.uri == uri).order_by(table.c.id.desc()).limit(1)
    row = tx.execute(newest).first()
    if row is None:
        return "not kept: what an unknown actor says of their own end is forgotten"
    if row.state != "done":
        return f"{row.state}: {row.reason}"
    return None if row.reason is None else str(row.reason)


# --- the day before ------------------------------------------------------------------------------


def furnish(tx: Transaction, lee: Person) -> tuple[Post, Post]:
    """Lee's post for everybody, and a poll of Lee's."""

    def write(kind: str, text: str) -> Post:
        number = tx.new_id()
        uri = f"{tx.school.url}/objects/{number}"
        post, _ = objects.add(
            tx,
            id=number,
            uri=uri,
            author_id=lee.id,
            type=kind,
            audience="public",
            name=None,
            summary=None,
            content=f"<p>{text}</p>",
            url=uri,
            in_reply_to=None,
            document={"id": uri, "type": kind, "attributedTo": lee.uri, "to": [PUBLIC]},
            published_at=tx.now,
            recipients=(),
        )
        return post

    return write("Note", "Ours"), write("Question", "Which?")


def ask(tx: Transaction, poll: Post, names: list[str]) -> None:
    """Let Lee's poll have these choices."""
    polls.keep(
        tx,
        poll.id,
        several=True,
        ends_at=None,
        voters=0,
        options=[(name, 0) for name in names],
    )
