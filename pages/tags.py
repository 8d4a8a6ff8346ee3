"""What is filed under a word with #: for our people what they may see, for others what is public
here and written by us."""

import unicodedata

from aiohttp import web

from actors import collections
from actors.server import SERVER
from federation.errors import Malformed
from pages import entries, rendering
from pages.entries import Entry
from pages.session import Reader, anyone
from storage import hashtags
from storage.actors import Actor
from storage.database import Transaction

PAGE_SIZE = 20
LONGEST = 200


@anyone
async def tag(request: web.Request, reader: Reader | None) -> web.StreamResponse:
    """`/tags/NAME`, whatever the letter case."""
    name = unicodedata.normalize("NFKC", request.match_info["name"]).casefold()
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    if not name or len(name) > LONGEST:
        return rendering.missing(request, reader)
    person = None if reader is None else reader.actor
    shown, older = await request.app[SERVER].database.read(_filed, person, name, before)
    return rendering.page(
        request,
        "tag.html",
        reader=reader,
        name=name,
        shown=shown,
        older=older,
        newest=before is None,
    )


def _filed(
    tx: Transaction, reader: Actor | None, name: str, before: int | None
) -> tuple[list[Entry], int | None]:
    found = hashtags.posts(
        tx,
        entries.viewer_of(reader),
        name,
        before=before,
        limit=PAGE_SIZE + 1,
        ours_only=reader is None,
    )
    posts, more = collections.cut(found, PAGE_SIZE)
    return entries.of(tx, reader, posts), posts[-1].id if more else None
