"""Home: what the people whom somebody follows wrote and passed on, the latest first."""

from dataclasses import dataclass

from aiohttp import web

from actors import collections
from actors.server import SERVER
from federation.errors import Malformed
from pages import entries, rendering
from pages.entries import Entry
from pages.session import Reader, signed_in
from storage import follows, timelines
from storage.actors import Actor
from storage.database import Transaction

PAGE_SIZE = 20


@dataclass(frozen=True)
class Home:
    """One page of it; `older` is where the next one begins."""

    entries: list[Entry]
    older: int | None
    follows_nobody: bool


@signed_in
async def home(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/home`"""
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    shown = await request.app[SERVER].database.read(_home, reader.actor, before)
    return rendering.page(request, "home.html", reader=reader, shown=shown, newest=before is None)


def _home(tx: Transaction, reader: Actor, before: int | None) -> Home:
    found = timelines.home(tx, reader.id, before=before, limit=PAGE_SIZE + 1)
    rows, more = collections.cut(found, PAGE_SIZE)
    passed_on = {row.post.id: row.announced_by for row in rows if row.announced_by is not None}
    return Home(
        entries=entries.of(tx, reader, [row.post for row in rows], passed_on),
        older=rows[-1].position if more else None,
        follows_nobody=not rows and follows.count_following(tx, reader.id) == 0,
    )
