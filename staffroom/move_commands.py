"""`staffroom move …`: a member of staff goes to another school, and what comes along with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from actors.server import Server
from federation.vocabulary import rfc3339
from outbox import acting
from staffroom.arguments import directory_option
from staffroom.command import read, with_school
from staffroom.staff_commands import account_named, member_called
from storage import actors, moved_things, moves
from storage.actors import Actor
from storage.database import Transaction
from storage.moved_things import OUTCOMES, Outcome, Thing
from storage.moves import Move

PAGE = 500
# As the table calls them, in its order.
KINDS = {
    "follower": "followers",
    "following": "followed",
    "project": "projects",
    "block": "blocked",
}
WAYS = {"out": "to", "in": "from"}


@click.group(no_args_is_help=True)
@directory_option
def move(directory: Path) -> None:
    """Members of staff who change school.

    First the new school says who they were there: `staffroom staff alias`.

    \b
    Example:
      staffroom move start bob @bob@oakfield.example
    """


@move.command()
@click.argument("username")
@click.argument("new", metavar="NEW_ID_OR_HANDLE")
@directory_option
def start(directory: Path, username: str, new: str) -> None:
    """Move USERNAME of this school to their new account at another.

    The new account must name this one first. Whoever follows them is asked to follow them there,
    and they act here no more. Again: nothing happens.

    \b
    Example:
      staffroom move start bob @bob@oakfield.example
      staffroom move start bob https://oakfield.example/users/bob
    """

    async def act(server: Server) -> str:
        actor = await server.database.read(member_called, username)
        if await server.database.read(_is_there, actor, new):
            return f"{actor.handle} already moved to {actor.moved_to}"
        target = await account_named(server, new)
        await acting.act(server, actor, {"type": "Move", "object": actor.uri, "target": target})
        moved = await server.database.read(member_called, username)
        return (
            f"{moved.handle} moved to {moved.moved_to}. "
            f"Next: staffroom move status {moved.username}"
        )

    click.echo(with_school(directory, act))


def _is_there(tx: Transaction, actor: Actor, typed: str) -> bool:
    """Whether somebody moved to that account before, by its id or its handle."""
    if actor.moved_to is None or moves.of_actor(tx, actor.id) == []:
        return False
    there = actors.by_uri(tx, actor.moved_to)
    handle = "" if there is None else there.handle.lstrip("@").casefold()
    return typed == actor.moved_to or typed.removeprefix("acct:").lstrip("@").casefold() == handle


@move.command()
@click.argument("username")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--all", "with_moved", is_flag=True, help="Name those too that came along.")
@directory_option
def status(directory: Path, username: str, as_json: bool, with_moved: bool) -> None:
    """Print what came along with USERNAME, who moved to another school or came from one.

    First a table of how many of each kind moved, were asked, were refused, cannot be reached or
    wait; then each one that did not move, and why.

    \b
    Example:
      staffroom move status bob
      staffroom move status bob --json --all
    """

    def look(tx: Transaction) -> tuple[Actor, list[dict[str, Any]]]:
        actor = member_called(tx, username)
        return actor, [_told(tx, one, with_moved) for one in moves.of_actor(tx, actor.id)]

    actor, found = read(directory, look)
    if as_json:
        click.echo(orjson.dumps({"account": actor.uri, "moves": found}).decode())
        return
    if not found:
        click.echo(f"{actor.handle} did not move, nor come from another school")
    for one in found:
        for line in _lines(one):
            click.echo(line)


def _told(tx: Transaction, one: Move, with_moved: bool) -> dict[str, Any]:
    other = actors.by_id(tx, one.other_id)
    assert other is not None
    shown = tuple(outcome for outcome in OUTCOMES if with_moved or outcome != "moved")
    return {
        "direction": one.direction,
        "other": other.uri,
        "began": rfc3339(one.created_at),
        "ended": None if one.ended_at is None else rfc3339(one.ended_at),
        "last_error": one.last_error,
        "totals": moved_things.totals(tx, one.id),
        "things": [
            {
                "kind": thing.kind,
                "id": thing.uri,
                "outcome": thing.outcome,
                "reason": thing.reason,
                "tries": thing.tries,
                "since": rfc3339(thing.changed_at),
            }
            for thing in _things(tx, one.id, shown)
        ],
    }


def _things(tx: Transaction, move_id: int, shown: tuple[Outcome, ...]) -> Iterator[Thing]:
    """All of a move with these outcomes, page by page."""
    after: Thing | None = None
    while page := moved_things.things(tx, move_id, outcomes=shown, after=after, limit=PAGE):
        yield from page
        after = page[-1]


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """One move in words, a table of its figures, and what there is to say of each."""
    until = "going on" if told["ended"] is None else f"over since {told['ended']}"
    yield f"{WAYS[told['direction']]} {told['other']}, begun {told['began']}, {until}"
    if told["last_error"]:
        yield f"last error: {_plain(told['last_error'])}"
    yield f"{'':<10}" + "".join(f"{outcome:>13}" for outcome in OUTCOMES)
    for kind, name in KINDS.items():
        if kind in told["totals"]:
            counted = told["totals"][kind]
            yield f"{name:<10}" + "".join(f"{counted.get(one, 0):>13}" for one in OUTCOMES)
    for thing in told["things"]:
        words = (thing["outcome"], thing["kind"], thing["id"], thing["reason"] or "")
        yield "\t".join(_plain(word) for word in words).rstrip()


def _plain(text: str) -> str:
    """One line of what another server said, without what could move the cursor of a terminal."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
