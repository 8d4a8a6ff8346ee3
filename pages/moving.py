"""Somebody comes from another school, or goes to one: both accounts say so, and nothing is lost.

At the new school one names the old account; at the old one, the new. Then those who follow and
those who are followed, the projects and the blocks go along one by one, and what became of each
stands here. (`outbox/move.py`, PROTOCOL §6)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from actors import accounts, profile
from actors.accounts import TooManyAttempts
from actors.server import SERVER
from federation.errors import Malformed, Refused, Unreachable
from outbox import acting
from pages import entries, naming, rendering
from pages.session import CALLER, Reader, form, signed_in
from pages.trouble import sentence, wait_words
from storage import actors, moved_things, moves
from storage.actors import Actor
from storage.database import Transaction
from storage.moved_things import Outcome, Thing
from storage.moves import Move

LONGEST = 2048
MOST_LEFT = 50  # of what did not come along, named one by one

# What a page says after something was done, by the word in its address.
DONE: Mapping[str, str] = {
    "alias": "Saved. Now tell your old school where you are: there, under Settings.",
    "removed": "Saved. That account cannot move here any more.",
    "moved": "You have moved. What comes along, and what becomes of it, stands below.",
}
KINDS: Mapping[str, str] = {
    "follower": "Who follows you",
    "following": "Whom you follow",
    "project": "Your projects",
    "block": "Whom you block",
}
# Outcomes as they stand over the columns, and what each means.
OUTCOMES: Mapping[Outcome, tuple[str, str]] = {
    "moved": ("With you", "It has come along."),
    "asked": ("Asked", "The other school was asked, and has not answered yet."),
    "waiting": ("Waiting", "It is done next."),
    "unreachable": ("Away", "The other school cannot be reached. It is tried again."),
    "refused": ("Not with you", "It could not come along."),
}
UNDONE: tuple[Outcome, ...] = ("refused", "unreachable")


@dataclass(frozen=True)
class Account:
    """An account elsewhere that somebody says is theirs."""

    uri: str
    handle: str  # its id where we do not know better


@dataclass(frozen=True)
class Journey:
    """One move, out or in, and how far it has come: numbers by kind, in the order of OUTCOMES."""

    move: Move
    other: Account
    path: str
    rows: list[tuple[str, list[int], int]]
    left: Sequence[Thing]


@dataclass(frozen=True)
class Luggage:
    """What stands on the page."""

    aliases: list[Account]
    journeys: list[Journey]
    moved_to: Account | None


@signed_in
async def moving(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`GET /settings/moving`."""
    return await _page(request, reader, done=DONE.get(request.query.get("done", ""), ""))


@signed_in
async def set_alias(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /settings/aliases`: an account elsewhere is mine, or with `remove` no longer."""
    server, typed = request.app[SERVER], form(request)
    said = typed.get("account", "").strip()[:LONGEST]
    have = list(profile.of(reader.actor).aliases)
    try:
        if "remove" in typed:
            wanted = [uri for uri in have if uri != said]
        elif not said:
            raise Malformed("type the handle of your old account, such as @name@school.example")
        else:
            old = await naming.account(server, said)
            if old.id == reader.actor.id:
                raise Malformed("this is the account that you are signed in with")
            wanted = have if old.uri in have else [*have, old.uri]
        if len(wanted) > profile.ALIASES:
            raise Malformed(f"name at most {profile.ALIASES} accounts")
        if wanted != have:
            change = {"id": reader.actor.uri, "alsoKnownAs": wanted}
            await acting.act(server, reader.actor, {"type": "Update", "object": change})
    except (Malformed, Refused, Unreachable) as error:
        return await _page(
            request, reader, no_alias=sentence(error), account=said, status=_status(error)
        )
    done = "removed" if "remove" in typed else "alias"
    return rendering.see_other(request, f"/settings/moving?done={done}#coming")


@signed_in
async def move(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /settings/move`: away from here. Only with the password: this cannot be undone."""
    server, typed = request.app[SERVER], form(request)
    said = typed.get("target", "").strip()[:LONGEST]
    try:
        known = await accounts.check_password(
            server, reader.actor.username, typed.get("present", ""), request[CALLER]
        )
        if known is None or known.id != reader.actor.id:
            words = "That is not your password, so nothing was done."
            return await _page(request, reader, not_moved=words, target=said, status=403)
        if not said:
            raise Malformed("type the handle of your new account, such as @name@school.example")
        new = await naming.account(server, said)
        away = {"type": "Move", "object": reader.actor.uri, "target": new.uri}
        await acting.act(server, reader.actor, away)
    except TooManyAttempts as error:
        words = f"There were too many attempts. {wait_words(error.wait)}"
        return await _page(request, reader, not_moved=words, target=said, status=429)
    except (Malformed, Refused, Unreachable) as error:
        words = sentence(error)
        return await _page(request, reader, not_moved=words, target=said, status=_status(error))
    return rendering.see_other(request, "/settings/moving?done=moved")


def _status(error: Exception) -> int:
    return 503 if isinstance(error, Unreachable) else 400


# --- what stands on the page -------------------------------------------------------------------


async def _page(
    request: web.Request,
    reader: Reader,
    *,
    status: int = 200,
    done: str = "",
    no_alias: str = "",
    account: str = "",
    not_moved: str = "",
    target: str = "",
) -> web.Response:
    """The page, with what was typed and why it was not taken."""
    shown = await request.app[SERVER].database.read(_luggage, reader.actor)
    return rendering.page(
        request,
        "moving.html",
        reader=reader,
        status=status,
        shown=shown,
        outcomes=OUTCOMES,
        kinds=KINDS,
        done=done,
        no_alias=no_alias,
        account=account,
        not_moved=not_moved,
        target=target,
        longest=LONGEST,
    )


def _luggage(tx: Transaction, reader: Actor) -> Luggage:
    return Luggage(
        aliases=[_account(tx, uri) for uri in profile.of(reader).aliases],
        journeys=[_journey(tx, reader, one) for one in moves.of_actor(tx, reader.id)],
        moved_to=_account(tx, reader.moved_to) if reader.moved_to else None,
    )


def _account(tx: Transaction, uri: str) -> Account:
    known = actors.by_uri(tx, uri)
    return Account(uri, uri if known is None or known.state != "active" else known.handle)


def _journey(tx: Transaction, reader: Actor, one: Move) -> Journey:
    other = actors.by_id(tx, one.other_id)
    assert other is not None
    totals = moved_things.totals(tx, one.id)
    rows = []
    for kind, words in KINDS.items():
        if kind in totals:
            numbers = [totals[kind].get(outcome, 0) for outcome in OUTCOMES]
            rows.append((words, numbers, sum(numbers)))
    return Journey(
        move=one,
        other=_account(tx, other.uri),
        path=entries.person_path(other, reader),
        rows=rows,
        left=moved_things.things(tx, one.id, outcomes=UNDONE, limit=MOST_LEFT),
    )
