"""What somebody is told: who follows them, names them, answers, likes, passes on, votes, moves.

Looking changes nothing: what is new stays new until its reader says that they read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from actors import collections
from actors.server import SERVER
from federation.errors import Malformed
from pages import entries, rendering
from pages.entries import Entry
from pages.session import Reader, form, own_path, signed_in
from storage import notifications
from storage.actors import Actor
from storage.database import Transaction
from storage.notifications import Notification

PAGE_SIZE = 30

# What each kind says, after the name of who did it.
SENTENCES: Mapping[str, str] = {
    "follow": "follows you",
    "request": "asks to follow you",
    "accepted": "lets you follow them",
    "mention": "wrote to you or named you",
    "reply": "answered you",
    "like": "likes what you wrote",
    "announce": "passed on what you wrote",
    "poll": "has the result of a poll",
    "move": "is the new account of somebody whom you follow: they changed school",
    "invite": "invites you to take part",
    "join": "asks to take part in a project that you lead",
    "joined": "has let you in: you take part now",
}
# Here the words are the news; elsewhere a line of one's own post is enough.
SHOWN_WHOLE = frozenset({"mention", "reply", "poll"})


@dataclass(frozen=True)
class Told:
    """One line: who did what, when, and with which post."""

    notification: Notification
    sentence: str
    person_path: str
    entry: Entry | None
    whole: bool


@dataclass(frozen=True)
class Notices:
    """One page of them; `latest` is the newest that is shown, `older` where the next one begins."""

    told: list[Told]
    latest: int
    older: int | None


@signed_in
async def recent(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/notifications`"""
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    shown = await request.app[SERVER].database.read(_notices, reader.actor, before)
    return rendering.page(
        request, "notifications.html", reader=reader, shown=shown, newest=before is None
    )


@signed_in
async def read(request: web.Request, reader: Reader) -> web.StreamResponse:
    """POST `/notifications/read`: everything up to the one named counts as read."""
    typed = form(request)
    try:
        up_to = collections.cursor({"before": typed.get("up_to", "")})
    except Malformed:
        return rendering.missing(request, reader)
    await request.app[SERVER].database.write(notifications.mark_read, reader.actor.id, up_to or 0)
    return rendering.see_other(request, own_path(typed.get("back"), "/notifications"))


def _notices(tx: Transaction, reader: Actor, before: int | None) -> Notices:
    found = notifications.recent(tx, reader.id, before=before, limit=PAGE_SIZE + 1)
    rows, more = collections.cut(found, PAGE_SIZE)
    posts = {row.post.id: row.post for row in rows if row.post is not None}
    shown = entries.of(tx, reader, list(posts.values()))
    by_post = {entry.post.id: entry for entry in shown}
    # Each post stands there whole once, however often it is spoken of.
    first = {row.post.id: row.id for row in reversed(rows) if row.post and row.kind in SHOWN_WHOLE}
    return Notices(
        told=[
            Told(
                notification=row,
                sentence=SENTENCES[row.kind],
                person_path=entries.person_path(row.actor, reader),
                entry=None if row.post is None else by_post[row.post.id],
                whole=row.post is not None and first.get(row.post.id) == row.id,
            )
            for row in rows
        ],
        latest=rows[0].id if rows else 0,
        older=rows[-1].id if more else None,
    )
