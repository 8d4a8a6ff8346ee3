"""A page for each post that everybody may read, with the answers to it."""

from dataclasses import dataclass

from aiohttp import web

from actors import profile
from actors.server import SERVER, Server
from pages import rendering
from storage import actors, objects
from storage.actors import Actor
from storage.audience import NOBODY
from storage.database import Transaction
from storage.objects import Post

REPLIES = 80


@dataclass(frozen=True)
class Reply:
    post: Post
    author: Actor


@dataclass(frozen=True)
class Thread:
    """A post with its author and the answers to it, oldest first."""

    post: Post
    author: Actor
    replies: list[Reply]
    listed: bool


async def post(request: web.Request) -> web.Response:
    """`/@NAME/ID`, and `/objects/ID` when a browser asks."""
    server = request.app[SERVER]
    thread = await server.database.read(_thread, _uri(server, request))
    named = request.match_info.get("name")
    if thread is None or named not in (None, thread.author.username):
        return rendering.missing(request)
    if thread.post.deleted_at is not None:
        return rendering.page(request, "gone.html", status=410)
    return rendering.page(
        request, "post.html", listed=thread.listed, thread=thread, author=thread.author
    )


def _uri(server: Server, request: web.Request) -> str:
    return f"{server.school.url}/objects/{request.match_info['id']}"


def _thread(tx: Transaction, uri: str) -> Thread | None:
    found = objects.seen_by_uri(tx, NOBODY, uri)
    author = None if found is None else actors.by_id(tx, found.author_id)
    if found is None or author is None or not author.local:
        return None
    if found.deleted_at is not None:
        return Thread(found, author, [], False)
    answers = objects.replies(tx, NOBODY, uri, before=None, limit=REPLIES)
    people = actors.by_ids(tx, [answer.author_id for answer in answers])
    replies = [Reply(answer, people[answer.author_id]) for answer in reversed(answers)]
    return Thread(found, author, replies, profile.of(author).indexable)
