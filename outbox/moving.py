"""Somebody moved school: what is to come along is looked after, a few things at a time.

At the school they went to (in), here: the lists of whom they followed and blocked are read at the
old one, and each person is followed or blocked anew. At the school they left (out):
`seeing_off.py`. Whoever follows them at any school (along): `going_along.py`.

The network comes first; then what one thing becomes, and what is sent for it, is one commit. So
power may go at any moment: what was written down is done, the rest is still due, nothing is done
twice. Whoever cannot be reached is asked again, at growing intervals, and keeps nobody waiting.
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from datetime import timedelta

from actors import admission, lists, local, remote
from actors.lists import MOST_PAGES, PAGES, Page, Which
from actors.moving import LONGEST, PATIENCE, SHORTEST
from actors.server import Server
from federation import addresses
from federation.errors import Gone, Refused, Unreachable, WireError
from outbox import block, follow, going_along, seeing_off
from storage import actors, blocks, follows, moved_things, moves, projects
from storage.actors import Actor
from storage.database import Busy, Transaction, Unavailable
from storage.moved_things import Kind, Thing
from storage.moves import Move

log = logging.getLogger("outbox.moving")

# Moves, and of each people, that are looked after in one step.
MOVES = 8
THINGS = 10
# Between two handfuls of people: nobody's server is to notice that somebody knows many there.
BREATH = timedelta(seconds=1)
# No step takes longer; after a crash, or if it does, it is taken again.
LEASE = timedelta(minutes=2)
DEADLINE = 60.0
# Of one list no more is taken: nobody knows so many people.
MOST_THINGS = 10_000

# So many who are not there are nothing strange; from then on their server is spared.
IN_VAIN = 5
NOBODY = "there is no such account any more"

KINDS: dict[Which, Kind] = {"following": "following", "blocked": "block"}
LISTS: tuple[Which, ...] = ("following", "blocked")


async def step(server: Server, limit: int = MOVES) -> int:
    """One step of each move that is due; how many moves those were."""
    due = await server.database.write(moves.claim, limit, LEASE)
    for outcome in await asyncio.gather(
        *(_go_on(server, move) for move in due), return_exceptions=True
    ):
        if isinstance(outcome, BaseException):
            raise outcome
    return len(due)


async def _go_on(server: Server, move: Move) -> None:
    """A step of one move, and when the next is due, whatever happens."""
    try:
        both = await server.database.write(_people, move)
        if both is None:
            return
        ours, other = both
        async with asyncio.timeout(DEADLINE):
            if move.direction == "along":
                await server.database.write(going_along.go_on, move, ours, other)
            elif move.direction == "in":
                await _bring(server, move, ours, other)
            else:
                await seeing_off.step(server, move, ours, other)
    except (Busy, Unavailable):
        raise
    except (WireError, TimeoutError) as error:
        reason = str(error) or "slow"
        log.info("a move waits: %s", reason, extra={"move": move.id})
        await server.database.write(_wait, move, reason)
    except Exception as error:
        log.exception("a move could not be looked after", extra={"move": move.id})
        await server.database.write(_wait, move, f"{type(error).__name__}: {error}"[:500])


def _people(tx: Transaction, move: Move) -> tuple[Actor, Actor] | None:
    """Who moved: our account and the other one; None where there is nothing to do now."""
    ours, other = actors.by_id(tx, move.actor_id), actors.by_id(tx, move.other_id)
    if ours is None or other is None or ours.state == "deleted":
        moves.end(tx, move.id)
    elif ours.state != "active":
        moves.put_off(tx, move.id, tx.now + LONGEST)
    elif move.direction == "in" and ours.moved_to:
        moves.end(tx, move.id)  # they moved on, and act here no more
    else:
        return ours, other
    return None


def _after(tries: int) -> timedelta:
    """How long to wait after so many failures in a row: 5 s, 10, 20 … 6 hours."""
    return min(SHORTEST * (1 << min(tries, 20)), LONGEST)


def _wait(tx: Transaction, move: Move, reason: str) -> None:
    """Put a move off after a failure, but not what else is due of it; in the end give it up."""
    if tx.now - move.created_at > PATIENCE:
        moves.end(tx, move.id)
        return
    soonest = tx.now + _after(move.failures)
    waiting = moved_things.next_due(tx, move.id) if move.direction == "in" else None
    moves.put_off(tx, move.id, min(soonest, max(waiting or soonest, tx.now)), reason)


# --- at the school that somebody came to ---------------------------------------------------------


async def _bring(server: Server, move: Move, new: Actor, old: Actor) -> None:
    """Read on in the lists of the old account, then follow or block a few of those people."""
    due = await server.database.read(moved_things.due_things, move.id, THINGS)
    # A list that could not be read waits until nothing else is due.
    if move.list is not None and not (move.failures and due):
        try:
            await _read_lists(server, move, new, old)
        except Unreachable:
            await _bring_each(server, move, due)
            raise
        due = await server.database.read(moved_things.due_things, move.id, THINGS)
    await _bring_each(server, move, due)
    await server.database.write(_rest, move.id)


def _rest(tx: Transaction, move_id: int) -> None:
    """When the next step is due; with nothing left to do the move is over."""
    move, waiting = moves.by_id(tx, move_id), moved_things.next_due(tx, move_id)
    if move is None:
        return
    steps = [] if waiting is None else [max(waiting, tx.now + BREATH)]
    if move.list is not None:
        steps.append(tx.now + _after(move.failures) if move.failures else tx.now)
    if steps:
        moves.put_off(tx, move_id, min(steps))
    else:
        moves.end(tx, move_id)


async def _read_lists(server: Server, move: Move, new: Actor, old: Actor) -> None:
    """A few pages of what the old account followed and blocked, each written down in one commit.

    Raises Unreachable; what is read already stays so.
    """
    if not old.local and move.next_page is None:
        # What they offer now that they are gone stands in their document as it is today.
        old = await _as_it_is(server, old)
    signer = await server.database.read(local.signer, new)
    at, which, pages = move.next_page, _which(move.list), move.pages
    for _ in range(PAGES):
        if which is None:
            return
        found, refused = None, None
        try:
            found = await lists.page(server, old, which, at, signer)
            if found is None:
                refused = "their server keeps no such list"
        except Refused as error:
            refused = str(error)
        last = found is None or found.next in (None, at) or pages >= MOST_PAGES
        following = _following(which) if last else which
        at = None if last or found is None else found.next
        pages = 0 if last else pages + 1
        await server.database.write(
            _note_page, move.id, which, (new, old), found, refused, (following, at)
        )
        which = following


async def _as_it_is(server: Server, old: Actor) -> Actor:
    try:
        return await remote.actor(server, old.uri, max_age=timedelta(0))
    except Unreachable:
        raise
    except WireError:
        return old  # it is gone, or says nothing that can be read: so its lists will


def _which(said: str | None) -> Which | None:
    return next((which for which in LISTS if which == said), None)


def _following(which: Which) -> Which | None:
    """The list that is read after this one."""
    return next(iter(LISTS[LISTS.index(which) + 1 :]), None)


def _note_page(
    tx: Transaction,
    move_id: int,
    which: Which,
    themselves: tuple[Actor, Actor],
    found: Page | None,
    refused: str | None,
    then: tuple[Which | None, str | None],
) -> None:
    """Write down whom a page names, and where it goes on. A list that is not shown is one thing
    by itself that does not come along."""
    kind = KINDS[which]
    new, old = themselves
    if refused is not None and which == "following":
        whole = old.following or old.uri
        moved_things.expect(tx, move_id, kind, [whole])
        moved_things.settle(tx, move_id, kind, whole, "refused", refused)
    if found is not None:
        known = sum(moved_things.totals(tx, move_id).get(kind, {}).values())
        themselves_uris = {new.uri, old.uri}
        named = [uri for uri in found.uris if uri not in themselves_uris]
        moved_things.expect(tx, move_id, kind, named[: max(MOST_THINGS - known, 0)], due_at=tx.now)
        if known + len(named) >= MOST_THINGS:
            then = (_following(which), None)
    moves.read_on(tx, move_id, *then)


async def _bring_each(server: Server, move: Move, things: list[Thing]) -> None:
    """Some of the people, several servers at once, the people of one after the other."""
    by_host: dict[str, list[Thing]] = {}
    for thing in things:
        host = addresses.authority(thing.uri, server.rules)
        by_host.setdefault(host, []).append(thing)
    await _all(_bring_some(server, move, host, some) for host, some in by_host.items())


async def _bring_some(server: Server, move: Move, host: str, things: list[Thing]) -> None:
    """People of one server, if we talk to it. Once it cannot be reached it is not asked for the
    others, and once it had too many of them not, only later."""
    away: str | None = None
    for thing in things:
        try:
            await server.database.read(admission.admit, server.mode, host)
            if away is None and await _try_one(server, move, host, thing):
                return
        except Unreachable as error:
            away = str(error)
        except WireError as error:
            await server.database.write(_drop, move, thing, str(error) or type(error).__name__)
        if away is not None:
            await server.database.write(_later, move, thing, away)


async def _try_one(server: Server, move: Move, host: str, thing: Thing) -> bool:
    """Bring one person along, or note that they are not there; whether their server is spared now.

    Raises Unreachable; WireError where that is not to be, in words.
    """
    try:
        person = await _known(server, move, host, thing)
    except Unreachable:
        raise
    except WireError as error:
        reason = NOBODY if isinstance(error, Gone) else str(error) or type(error).__name__
        return await server.database.write(_not_there, move, thing, reason)
    await server.database.write(_bring_one, move, thing, person.id)
    return False


async def _known(server: Server, move: Move, host: str, thing: Thing) -> Actor:
    """Who that is. Raises Gone where there is nobody, or nobody of whom the new account may know:
    whoever wrote the list is not to learn by it which projects there are."""
    if host == server.school.host:
        person = await server.database.read(actors.by_uri, thing.uri)
    else:
        person = await remote.actor(server, thing.uri)
    if person is None or await server.database.read(projects.hidden, move.actor_id, person):
        raise Gone(thing.uri, 404)
    if person.type == "Application":
        raise Refused("it speaks for a server: there is nobody to follow")
    return person


def _bring_one(tx: Transaction, move: Move, thing: Thing, person_id: int) -> None:
    """One person is followed or blocked by the new account, and that is noted: one commit.

    Raises Malformed or Refused where that cannot be, in words.
    """
    new, person = actors.by_id(tx, move.actor_id), actors.by_id(tx, person_id)
    assert new is not None
    assert person is not None
    if new.state != "active" or new.moved_to:
        return
    if person.uri != thing.uri:
        # Their server calls them otherwise: under that name answers will come.
        moved_things.expect(tx, move.id, thing.kind, [person.uri], due_at=tx.now)
        moved_things.settle(
            tx, move.id, thing.kind, thing.uri, "refused", f"it is {person.uri} now"
        )
        return
    if thing.kind == "block":
        _block(tx, move, new, person)
    else:
        _follow(tx, move, new, person)


def _follow(tx: Transaction, move: Move, new: Actor, person: Actor) -> None:
    known = follows.get(tx, new.id, person.id)
    if known is not None and known.state == "accepted":
        moved_things.settle(tx, move.id, "following", person.uri, "moved")
    elif known is not None and known.state == "requested":
        moved_things.settle(tx, move.id, "following", person.uri, "asked")
    elif moved_things.settle(tx, move.id, "following", person.uri, "asked"):
        # Whoever comes second, in another process, finds it noted and asks nobody.
        follow.send(tx, new, {"type": "Follow", "object": person.uri})


def _block(tx: Transaction, move: Move, new: Actor, person: Actor) -> None:
    known = follows.get(tx, new.id, person.id)
    followed = known is not None and known.state != "rejected"
    if followed or moved_things.open_among(tx, move.id, "following", [person.uri]):
        # Nobody follows whom they block: of the two their old server's word counts less.
        raise Refused("you follow this account")
    if not moved_things.settle(tx, move.id, "block", person.uri, "moved"):
        return
    if blocks.get(tx, new.id, person.id) is None:
        block.send(tx, new, {"type": "Block", "object": person.uri})


def _later(tx: Transaction, move: Move, thing: Thing, reason: str) -> None:
    """A server cannot be reached: again after a while, for as long as anything waits."""
    due_at = tx.now + _after(thing.tries) if tx.now - move.created_at < PATIENCE else None
    moved_things.again(tx, move.id, thing.kind, thing.uri, due_at, "unreachable", reason)


def _drop(tx: Transaction, move: Move, thing: Thing, reason: str) -> None:
    moved_things.settle(tx, move.id, thing.kind, thing.uri, "refused", reason)


def _not_there(tx: Transaction, move: Move, thing: Thing, reason: str) -> bool:
    """Their server has nobody to give. One that mostly has not is asked ever less often: the list
    may name thousands who never were, for us to ask of somebody else's server (SECURITY R20)."""
    _drop(tx, move, thing, reason)
    origin = "/".join(thing.uri.split("/", 3)[:3])
    in_vain = moved_things.fruitless(tx, move.id, thing.kind, origin) - IN_VAIN
    if origin == tx.school.url or in_vain < 0:
        return False
    moved_things.hold_back(tx, move.id, thing.kind, origin, tx.now + _after(in_vain))
    return True


async def _all(doing: Iterable[Awaitable[None]]) -> None:
    """Wait for all, then raise the first of their errors."""
    for outcome in await asyncio.gather(*doing, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
