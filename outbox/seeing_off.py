"""At the school that somebody left: what became of the news that they moved, and of whom they
followed.

Of every follower and project is noted what the delivery or their own answer says. Whomever the new
account is seen to follow, the old one follows no more: nobody is left before they are followed
anew. So the two schools need no words of their own for it.
"""

from collections.abc import Iterable
from datetime import timedelta

from actors import lists
from actors.lists import MOST_PAGES, PAGES
from actors.moving import LONGEST, PATIENCE, SHORTEST
from actors.server import Server, instance_signer
from federation.errors import Refused
from federation.signatures import Signer
from outbox import parting
from storage import actors, farewells, follows, moved_things, moves
from storage.actors import Actor
from storage.database import Transaction
from storage.moves import Move

# Where a list is not shown, it may be a mistake that somebody mends.
HIDDEN = timedelta(hours=1)


async def step(server: Server, move: Move, old: Actor, new: Actor) -> None:
    """Note what became of the news, and leave whom the new account follows by now."""
    await server.database.write(farewells.look, move.id, old.id)
    totals = await server.database.read(moved_things.totals, move.id)
    if _open(totals, "following"):
        signer = await instance_signer(server)
        if not await _leave_found(server, move, (old, new), signer):
            return
    await server.database.write(_look_again, move.id)


async def _leave_found(
    server: Server, move: Move, people: tuple[Actor, Actor], signer: Signer
) -> bool:
    """Look at a few pages of whom the new account follows; whether that is all of them."""
    old, new = people
    at = move.next_page
    for number in range(PAGES):
        try:
            found = await lists.page(server, new, "following", at, signer)
        except Refused as error:
            await server.database.write(_hidden, move, str(error))
            return True
        if found is None:
            await server.database.write(_hidden, move, "their new server keeps no such list")
            return True
        last = found.next in (None, at) or move.pages + number >= MOST_PAGES
        at = None if last else found.next
        await server.database.write(_leave, move.id, (old, new), found.uris, at)
        if last:
            return True
    await server.database.write(_at_once, move.id)
    return False


def _at_once(tx: Transaction, move_id: int) -> None:
    moves.put_off(tx, move_id, tx.now)


def _leave(
    tx: Transaction,
    move_id: int,
    people: tuple[Actor, Actor],
    found: Iterable[str],
    at: str | None,
) -> None:
    """The old account follows those no more, whom the new one does; a new account that it
    followed itself comes along with them."""
    old, new = people
    for uri in moved_things.open_among(tx, move_id, "following", (*found, new.uri)):
        if not moved_things.settle(tx, move_id, "following", uri, "moved"):
            continue
        person = actors.by_uri(tx, uri)
        known = follows.get(tx, old.id, person.id) if person is not None else None
        if person is None or known is None:
            continue
        follows.remove(tx, old.id, person.id)
        if not person.local:
            parting.unfollow(tx, old, person, known.uri)
    moves.read_on(tx, move_id, None, at)


def _hidden(tx: Transaction, move: Move, reason: str) -> None:
    """Nobody can see whom the new account follows: after a while it is not asked for any more."""
    if tx.now - move.created_at >= HIDDEN:
        farewells.give_up(tx, move.id, "following", f"nobody can tell: {reason}")


def _look_again(tx: Transaction, move_id: int) -> None:
    """When to look again: ever later, until all is settled or the time is over."""
    move = moves.by_id(tx, move_id)
    if move is None:
        return
    age = tx.now - move.created_at
    totals = moved_things.totals(tx, move_id)
    if age > PATIENCE or not any(_open(totals, kind) for kind in totals):
        moves.end(tx, move_id)
        return
    moves.put_off(tx, move_id, tx.now + _interval(age))


def _interval(age: timedelta) -> timedelta:
    return min(max(age / 2, SHORTEST), LONGEST)


def _open(totals: dict[str, dict[str, int]], kind: str) -> int:
    """How many of a kind are not settled yet."""
    counted = totals.get(kind, {}).items()
    return sum(number for outcome, number in counted if outcome not in moved_things.FINAL)
