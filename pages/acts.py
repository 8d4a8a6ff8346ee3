"""What somebody does with people and posts from a page: each a form, each an activity of theirs.

The page names whom or what it is about by our own row; here it becomes the activity that a program
would post to the outbox, and goes the same way. What the reader may not see is not there. Doing
again what is done already is no mistake.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from markupsafe import escape

from actors.server import SERVER, Server
from federation.errors import Malformed, Refused, Unreachable, WireError
from outbox import polls as voting
from outbox.acting import act
from pages import entries, rendering
from pages.session import Form, Reader, form, own_path, signed_in, typed_words
from pages.trouble import sentence
from storage import actors, blocks, follows, marks, objects, polls, projects
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

# How a person or a post stands to the reader already: True where there is nothing left to do.
Done = Callable[[Transaction, Actor, Any], bool]
Activity = dict[str, Any]
Doing = Callable[[Server, Reader, web.Request, Form], Awaitable[str | None]]

LONGEST_REASON = 2_000
REPORTED = "/reported"
STATUSES: tuple[tuple[type[WireError], int], ...] = (
    (Malformed, 400),
    (Refused, 403),
    (Unreachable, 503),
)


@signed_in
async def with_person(request: web.Request, reader: Reader) -> web.StreamResponse:
    """POST `/people/ID/DEED`"""
    return await carried_out(request, reader, _with_person)


@signed_in
async def with_post(request: web.Request, reader: Reader) -> web.StreamResponse:
    """POST `/posts/ID/DEED`"""
    return await carried_out(request, reader, _with_post)


@signed_in
async def reported(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/reported`: thanks for a report, and what happens with it."""
    return rendering.page(request, "reported.html", reader=reader)


async def carried_out(request: web.Request, reader: Reader, do: Doing) -> web.StreamResponse:
    """Do it, and lead the reader back to where they were; or say why it could not be done."""
    typed = form(request)
    try:
        path = await do(request.app[SERVER], reader, request, typed)
    except (Malformed, Refused, Unreachable) as error:
        status = next(code for kind, code in STATUSES if isinstance(error, kind))
        return rendering.page(
            request,
            "trouble.html",
            reader=reader,
            status=status,
            heading="That did not work",
            sentences=[sentence(error)],
            detail="",
            typed=typed_words(typed),
            back=own_path(typed.get("back")),
        )
    if path is None:
        return rendering.missing(request, reader)
    return rendering.see_other(request, path)


async def _with_person(
    server: Server, reader: Reader, request: web.Request, typed: Form
) -> str | None:
    """Where it leads; None for who is not there."""
    number, deed = entries.number(request), request.match_info["deed"]
    person = await server.database.read(actors.by_id, number)
    if person is None or person.state != "active" or person.id == reader.actor.id:
        return None
    if await server.database.read(projects.hidden, reader.actor.id, person):
        return None
    if deed == "report":
        return await _report(server, reader.actor, person, None, typed)
    if deed in ANSWERS:
        kind, state = ANSWERS[deed]
        follow = await server.database.read(follows.get, person.id, reader.actor.id)
        if follow is None:
            return None
        if follow.state != state:
            await act(server, reader.actor, {"type": kind, "object": follow.uri})
    else:
        make, done = WITH_PERSON[deed]
        if not await server.database.read(done, reader.actor, person):
            await act(server, reader.actor, make(reader.actor, person))
    return own_path(typed.get("back"))


async def _with_post(
    server: Server, reader: Reader, request: web.Request, typed: Form
) -> str | None:
    """Likewise; None for a post that is not for this reader."""
    number, deed = entries.number(request), request.match_info["deed"]
    post = await server.database.read(objects.seen_by_id, reader.viewer, number)
    if post is None or post.deleted_at is not None:
        return None
    if deed == "report":
        author = await server.database.read(actors.by_id, post.author_id)
        assert author is not None
        return await _report(server, reader.actor, author, post, typed)
    if deed == "vote":
        await _vote(server, reader.actor, post, typed)
    else:
        make, done = WITH_POST[deed]
        if not await server.database.read(done, reader.actor, post):
            await act(server, reader.actor, make(reader.actor, post))
    return own_path(typed.get("back"))


# --- the deeds ---------------------------------------------------------------------------------


def _doing(kind: str) -> Callable[[Actor, Actor | Post], Activity]:
    return lambda _, whom: {"type": kind, "object": whom.uri}


def _undoing(kind: str) -> Callable[[Actor, Actor | Post], Activity]:
    return lambda _, whom: {"type": "Undo", "object": {"type": kind, "object": whom.uri}}


def _featuring(kind: str) -> Callable[[Actor, Actor | Post], Activity]:
    return lambda actor, post: {"type": kind, "object": post.uri, "target": actor.featured}


def _follows(tx: Transaction, actor: Actor, person: Actor) -> bool:
    follow = follows.get(tx, actor.id, person.id)
    return follow is not None and follow.state in ("requested", "accepted")


def _asked(tx: Transaction, actor: Actor, person: Actor) -> bool:
    return follows.get(tx, actor.id, person.id) is not None


def _blocks(tx: Transaction, actor: Actor, person: Actor) -> bool:
    return blocks.get(tx, actor.id, person.id) is not None


def _likes(tx: Transaction, actor: Actor, post: Post) -> bool:
    return marks.of_posts(tx, actor.id, [post.id])[post.id].liked


def _announced(tx: Transaction, actor: Actor, post: Post) -> bool:
    return marks.of_posts(tx, actor.id, [post.id])[post.id].announced


def _pinned(tx: Transaction, actor: Actor, post: Post) -> bool:
    return marks.of_posts(tx, actor.id, [post.id])[post.id].pinned


def _not(standing: Done) -> Done:
    return lambda tx, actor, what: not standing(tx, actor, what)


def _never(tx: Transaction, actor: Actor, what: Any) -> bool:
    return False


Deed = tuple[Callable[[Actor, Any], Activity], Done]

WITH_PERSON: Mapping[str, Deed] = {
    "follow": (_doing("Follow"), _follows),
    "unfollow": (_undoing("Follow"), _not(_asked)),
    "block": (_doing("Block"), _blocks),
    "unblock": (_undoing("Block"), _not(_blocks)),
}
WITH_POST: Mapping[str, Deed] = {
    "like": (_doing("Like"), _likes),
    "unlike": (_undoing("Like"), _not(_likes)),
    "announce": (_doing("Announce"), _announced),
    "unannounce": (_undoing("Announce"), _not(_announced)),
    "pin": (_featuring("Add"), _pinned),
    "unpin": (_featuring("Remove"), _not(_pinned)),
    "delete": (_doing("Delete"), _never),
}
# Answers to who asks to follow: the activity, and the state that it leads to.
ANSWERS: Mapping[str, tuple[str, str]] = {
    "accept": ("Accept", "accepted"),
    "reject": ("Reject", "rejected"),
}
PERSON_DEEDS = (*WITH_PERSON, *ANSWERS, "report")
POST_DEEDS = (*WITH_POST, "vote", "report")


async def _report(
    server: Server, actor: Actor, person: Actor, post: Post | None, typed: Form
) -> str:
    """Tell our administrator, and theirs too where the reader wants that."""
    reason = typed.get("reason", "").strip()
    if len(reason) > LONGEST_REASON:
        raise Malformed(f"a report has at most {LONGEST_REASON:,} characters")
    flag = {
        "type": "Flag",
        "object": [person.uri] if post is None else [person.uri, post.uri],
        "content": str(escape(reason)),  # typed as text, read as HTML
        "forward": "forward" in typed,
    }
    await act(server, actor, flag)
    return REPORTED


async def _vote(server: Server, actor: Actor, post: Post, typed: Form) -> None:
    """Raises Malformed for a choice that there is not, Refused for a poll that is over."""
    if actor.moved_to:
        raise Refused(f"this account moved to {actor.moved_to}")
    poll = await server.database.read(polls.of_post, actor.id, post.id)
    names = {} if poll is None else {str(one.position): one.name for one in poll.options}
    chosen = list(dict.fromkeys(typed.getall("choice", [])))
    if not chosen:
        raise Malformed("choose something first, then vote")
    if not set(chosen) <= set(names):
        raise Malformed("this poll has no such choice")
    await server.database.write(voting.vote, actor, post, [names[one] for one in chosen])
