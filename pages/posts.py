"""A page for each post: with what it answers above it, and the answers to it below.

Those of our people that everybody may read have a page for everybody. Whoever works here also
reads what others wrote, as far as it was for them. What is not for a reader and what does not
exist look the same (SECURITY R12).
"""

from dataclasses import dataclass, replace
from typing import Literal

from aiohttp import web

from actors.server import SERVER
from pages import entries, rendering
from pages.entries import Entry
from pages.session import Reader, anyone, signed_in
from storage import actors, burials, objects, threads
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

Deleted = Literal["deleted"]

DEEPEST = 6  # how far answers to answers are moved in
# HTML of the posts around one, in characters, and how much each of them has in any case. Strangers
# decide how many answer and how much they say, and everybody may ask for the page.
ROOM = 500_000
LEAST = 2_000


@dataclass(frozen=True)
class Talk:
    """A post among what it answers (the oldest first) and its answers, each with its depth."""

    entry: Entry
    ancestors: list[Entry]
    replies: list[tuple[int, Entry]]
    listed: bool
    known_parent: bool  # what it answers is shown above it

    @property
    def author(self) -> Actor:
        return self.entry.author


@anyone
async def post(request: web.Request, reader: Reader | None) -> web.StreamResponse:
    """`/@NAME/ID`, and `/objects/ID` when a browser asks."""
    server = request.app[SERVER]
    uri = f"{server.school.url}/objects/{request.match_info['id']}"
    found = await server.database.read(_talk_of_ours, reader, uri, request.match_info.get("name"))
    return _page(request, reader, found)


@signed_in
async def kept(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/posts/ID`: any post that is kept here, whoever wrote it."""
    server = request.app[SERVER]
    found = await server.database.read(_talk_of_any, reader, entries.number(request))
    return _page(request, reader, found)


def _page(
    request: web.Request, reader: Reader | None, found: Talk | Deleted | None
) -> web.StreamResponse:
    if found is None:
        return rendering.missing(request, reader)
    if found == "deleted":
        return rendering.gone(request, reader)
    return rendering.page(
        request, "post.html", reader=reader, listed=found.listed, talk=found, deepest=DEEPEST
    )


def _talk_of_ours(
    tx: Transaction, reader: Reader | None, uri: str, named: str | None
) -> Talk | Deleted | None:
    """The talk around a post of ours."""
    person = None if reader is None else reader.actor
    found = objects.seen_by_uri(tx, entries.viewer_of(person), uri)
    if found is None:
        return _left_behind(tx, uri, named)
    author = actors.by_id(tx, found.author_id)
    if author is None or not author.local:
        return None
    if named is not None and named.lower() != author.username.lower():
        return None
    return _talk(tx, person, found)


def _left_behind(tx: Transaction, uri: str, named: str | None) -> Deleted | None:
    """What everybody could read of somebody who left is known to be deleted; else it is missing."""
    if burials.stone(tx, uri) is None:
        return None
    author = None if named is None else actors.local_by_username(tx, named)
    return "deleted" if named is None or (author and author.state == "deleted") else None


def _talk_of_any(tx: Transaction, reader: Reader, post_id: int) -> Talk | Deleted | None:
    found = objects.seen_by_id(tx, reader.viewer, post_id)
    return None if found is None else _talk(tx, reader.actor, found)


def _talk(tx: Transaction, reader: Actor | None, found: Post) -> Talk | Deleted:
    if found.deleted_at is not None:
        return "deleted"
    thread = threads.around(tx, entries.viewer_of(reader), found.id)
    ancestors, answers = thread.ancestors, [answer for _, answer in thread.replies]
    around = _in_short([*ancestors, *answers])
    posts = [*around[: len(ancestors)], found, *around[len(ancestors) :]]
    shown = entries.of(tx, reader, posts)
    above, alone, below = (
        shown[: len(thread.ancestors)],
        shown[len(thread.ancestors)],
        shown[len(thread.ancestors) + 1 :],
    )
    depths = [depth for depth, _ in thread.replies]
    return Talk(
        entry=alone,
        ancestors=above,
        replies=list(zip(depths, below, strict=True)),
        listed=entries.listed(shown),
        known_parent=bool(above) and above[-1].post.uri == found.in_reply_to,
    )


def _in_short(posts: list[Post]) -> list[Post]:
    """The same posts; of one that takes more than its share of the page only the beginning. The
    whole stands on its own page."""
    share = max(LEAST, ROOM // max(len(posts), 1))
    return [
        post
        if len(post.content) <= share
        else replace(post, content=f"{_before_tag(post.content[:share])} …")
        for post in posts
    ]


def _before_tag(html: str) -> str:
    """HTML without the half of a tag at its end. What is open then, the cleaner closes."""
    start = html.rfind("<")
    return html[:start] if start > html.rfind(">") else html
