"""A page for each of our people, and the front door: what anybody may read without signing in."""

from dataclasses import dataclass

from aiohttp import web

from actors import collections, local
from actors import profile as profiles
from actors.server import SERVER, Server
from federation.errors import Malformed
from pages import rendering
from storage import actors, follows, objects
from storage.actors import Actor
from storage.audience import NOBODY
from storage.database import Transaction
from storage.objects import Post

PAGE_SIZE = 20


@dataclass(frozen=True)
class Wall:
    """One of our people with a page of what they wrote for everybody, newest first."""

    actor: Actor
    said: profiles.Profile
    posts: list[Post]
    older: int | None  # where the next page begins
    followers: int
    following: int


async def front(request: web.Request) -> web.Response:
    """`/`: which school this is. Nobody who works here is listed."""
    server = request.app[SERVER]
    school = await server.database.read(actors.by_uri, local.school_uri(server.school))
    return rendering.page(request, "front.html", listed=True, organization=school)


async def profile_page(request: web.Request) -> web.Response:
    """`/@NAME`, and `/users/NAME` or `/school` when a browser asks."""
    server = request.app[SERVER]
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request)
    wall = await server.database.read(_wall, _username(server, request), before)
    if wall is None:
        return rendering.missing(request)
    return rendering.page(
        request,
        "person.html",
        listed=wall.said.indexable,
        wall=wall,
        actor=wall.actor,
        lines=profiles.lines(wall.said),
        newest=before is None,
    )


def _username(server: Server, request: web.Request) -> str:
    if request.path == "/school":
        return local.SCHOOL_USERNAME
    return request.match_info["name"]


def _wall(tx: Transaction, username: str, before: int | None) -> Wall | None:
    actor = actors.local_by_username(tx, username)
    if actor is None or actor.state != "active":
        return None
    rows = objects.by_author(tx, NOBODY, actor.id, before=before, limit=PAGE_SIZE + 1)
    posts, more = collections.cut(rows, PAGE_SIZE)
    return Wall(
        actor=actor,
        said=profiles.of(actor),
        posts=list(posts),
        older=posts[-1].id if more else None,
        followers=follows.count_followers(tx, actor.id),
        following=follows.count_following(tx, actor.id),
    )
