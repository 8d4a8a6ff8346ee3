"""What a post answers or quotes, and we have not got, is fetched later, a little at a time.

Somebody's reply shows what it replies to only if we have that too, and what stands above it. So
the next missing post above, and a quoted one, are wanted from then on, and a worker has them from
their own servers. Whoever writes a reply decides with it whom we ask: so there are limits to what
one activity may cost (SECURITY R20), and to how many hands one server may hold (R21). What was
answered is never followed downwards: collections are not read.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from actors import admission, budget, copies, remote
from actors.budget import Budget
from actors.server import Server
from federation import addresses, vocabulary
from federation.activity import Activity
from federation.addresses import Rules
from federation.errors import Malformed, Refused, Unreachable, WireError
from storage import objects, threads, wanted
from storage.database import Busy, Transaction, Unavailable
from storage.objects import Post
from storage.wanted import Wanted

log = logging.getLogger("inbox.threads")

# Posts being fetched at once, and how many of them from one server.
HANDS = 32
SHARE = max(1, HANDS // 10)
# A claim outlasts what is done under it.
LEASE = timedelta(minutes=5)
# Seconds for one post and its author.
DEADLINE = 30.0
# Signals may get lost; look by ourselves this often, in seconds.
POLL = 5.0
# When the database is away: how long until it is asked again, in seconds.
PAUSE = 1.0

# Posts above the one that came, at most.
ANCESTORS = wanted.PER_CAUSE
# When to try again after a server could not be reached. With the first try no server is asked
# more often than R20 allows, and a school that is away for a weekend is still waited for.
WAITS = (timedelta(minutes=1), timedelta(minutes=30), timedelta(hours=8), timedelta(days=2))
PATIENCE = timedelta(days=3)
LONGEST_RETRY_AFTER = timedelta(days=1)
# How long what was asked for is not asked for again: when a post that comes names it, and when
# one comes to it only from further below. Else a stranger who points at a post before it is
# there would keep it from us.
AGAIN = timedelta(minutes=5)
AGAIN_FROM_BELOW = timedelta(days=1)

# What was wanted is remembered for longer than anything is tried; then forgotten in slices.
REMEMBERED = timedelta(days=4)
SWEEP = timedelta(hours=1)
SLICE = 500

# Activities that bring a post.
BRINGING = frozenset({"Create", "Announce", "Update"})


# --- pointing at something -----------------------------------------------------------------------


def point_to(tx: Transaction, mode: str, activity: Activity) -> None:
    """Want what the post that just came answers, or the first above it that is missing, and what
    it quotes."""
    uri = _linked(activity)
    post = None if uri is None else objects.by_uri(tx, uri)
    if post is None or post.deleted_at is not None:
        return
    if post.audience == "project":
        return  # what else was said among its members nobody gives to our school as such
    cause = Cause(activity.id, mode, activity.rules)
    _climb(tx, cause, post, depth=1)
    if post.quotes is not None:
        # It is shown alone, so nothing above it is wanted.
        _want(tx, cause, post.quotes, ANCESTORS, AGAIN)


def _linked(activity: Activity) -> str | None:
    """The id of the post that came, if it says that it answers or quotes another."""
    subject = vocabulary.one(activity.object)
    named = vocabulary.id_of(subject)
    document = activity.fetched.get(named or "", subject)
    if activity.type not in BRINGING or not isinstance(document, dict):
        return None
    if vocabulary.id_of(document.get("inReplyTo")) is None and vocabulary.quoted(document) is None:
        return None
    try:
        return vocabulary.uri_of(document, activity.rules)
    except Malformed:
        return None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why we look for something, and what holds for it."""

    uri: str  # of the activity that arrived
    mode: str
    rules: Rules


def _climb(tx: Transaction, cause: Cause, post: Post, depth: int) -> None:
    """Want what stands above a post: its parent, or the first above that is not here."""
    if post.in_reply_to is None or depth > ANCESTORS:
        return
    missing = threads.missing_above(tx, post.id)
    if missing is not None:
        direct = missing == post.in_reply_to
        _want(tx, cause, missing, depth, AGAIN if direct else AGAIN_FROM_BELOW)


def _want(tx: Transaction, cause: Cause, uri: str, depth: int, after: timedelta) -> None:
    """Want a post, if it is not here and lives on a server that we talk to."""
    try:
        uri = addresses.canonical(uri, cause.rules)
        host = addresses.authority(uri, cause.rules)
        admission.admit(tx, cause.mode, host)
    except (Malformed, Refused):
        return
    if host != tx.school.host and objects.by_uri(tx, uri) is None:
        wanted.add(tx, uri=uri, cause_uri=cause.uri, host=host, depth=depth, after=after)


# --- fetching it ---------------------------------------------------------------------------------


async def step(server: Server, limit: int = HANDS) -> int:
    """One round: fetch what is due, each post once. Answers how many were tried."""
    rows = await server.database.work(wanted.claim, limit=limit, share=SHARE, lease=LEASE)
    await asyncio.gather(*(_have(server, row) for row in rows))
    return len(rows)


async def work(server: Server) -> None:
    """Fetch for ever. A server that keeps us waiting holds its share of hands and no more."""
    fetching: dict[asyncio.Task[None], str] = {}
    swept = server.now() - SWEEP
    try:
        while True:
            try:
                if server.now() - swept >= SWEEP:
                    await sweep(server)
                    swept = server.now()
                begun = await _set_out(server, fetching)
                if not begun:
                    await _woken_or_free(server, fetching)
            except (Busy, Unavailable) as error:
                log.warning("the database cannot be had: %s", error)
                await asyncio.sleep(PAUSE)
            fetching = {task: host for task, host in fetching.items() if not task.done()}
    finally:
        for task in fetching:
            task.cancel()
        await asyncio.gather(*fetching, return_exceptions=True)


async def sweep(server: Server) -> int:
    """Forget what was wanted long ago, a slice at a time; how many rows that were."""
    before = server.now() - REMEMBERED
    forgotten = 0
    while gone := await server.database.work(wanted.prune, before, SLICE):
        forgotten += gone
    return forgotten


async def _set_out(server: Server, fetching: dict[asyncio.Task[None], str]) -> int:
    """Begin with what is due, unless it is on servers that we are still waiting for."""
    free = HANDS - len(fetching)
    if free <= 0:
        return 0
    rows = await server.database.work(
        wanted.claim, limit=free, share=SHARE, lease=LEASE, but=set(fetching.values())
    )
    for row in rows:
        fetching[asyncio.create_task(_have(server, row))] = row.host
    return len(rows)


async def _woken_or_free(server: Server, fetching: Iterable[asyncio.Task[None]]) -> None:
    bell = asyncio.create_task(server.database.woken("wanted", POLL))
    await asyncio.wait({bell, *fetching}, return_when=asyncio.FIRST_COMPLETED)
    bell.cancel()
    await asyncio.gather(bell, return_exceptions=True)


async def _have(server: Server, row: Wanted) -> None:
    """Fetch one post and note how that ended, whatever happens."""
    try:
        await _try(server, row)
    except asyncio.CancelledError:
        await asyncio.shield(_give_back(server, row))
        raise
    except (Busy, Unavailable) as error:
        log.warning("the database cannot be had: %s", error)
        await _give_back(server, row)


async def _give_back(server: Server, row: Wanted) -> None:
    try:
        await server.database.work(wanted.release, [row.uri])
    except (Busy, Unavailable):
        log.warning("a post is not asked for until our claim on it ends")


async def _try(server: Server, row: Wanted) -> None:
    """Fetch one post with its author, keep it, and want what stands above it."""
    account = await server.database.read(_account, server.rules, row)
    if account is None:
        await server.database.work(wanted.ended, row, {})
        return
    outcome, reason = "had", ""
    try:
        async with asyncio.timeout(DEADLINE):
            with budget.spending(account):
                document = await remote.fetch(server, row.uri)
                await remote.actor(server, copies.author_uri(document, server.rules))
        cause = Cause(row.cause_uri, server.mode, server.rules)
        await server.database.work(_keep, cause, row, document, account.asked)
    except (Busy, Unavailable):
        raise
    except (Unreachable, TimeoutError) as error:
        reason = str(error) or "slow"
        wait = error.retry_after if isinstance(error, Unreachable) else None
        outcome = await server.database.work(_wait, row, account.asked, wait)
    except WireError as error:
        outcome, reason = "dropped", str(error) or type(error).__name__
        await server.database.work(_drop, row, account.asked)
    except Exception as error:
        outcome, reason = "dropped", f"{type(error).__name__}: {error}"[:500]
        log.exception("a post could not be kept", extra={"uri": row.uri})
        await server.database.work(_drop, row, account.asked)
    log.info("ancestor", extra={"uri": row.uri, "outcome": outcome, "reason": reason or None})


def _account(tx: Transaction, rules: Rules, row: Wanted) -> Budget | None:
    """What the activity that began it may still cost; None if the post came by itself."""
    if objects.by_uri(tx, row.uri) is not None:
        return None
    return Budget(addresses.authority(row.cause_uri, rules), wanted.spent(tx, row.cause_uri))


def _keep(
    tx: Transaction,
    cause: Cause,
    row: Wanted,
    document: dict[str, object],
    asked: Mapping[str, int],
) -> None:
    """Keep what was fetched. It is shown where the conversation is read, and nobody is told."""
    post = copies.keep_fetched(tx, document, cause.rules)
    wanted.ended(tx, row, asked)
    _climb(tx, cause, post, row.depth + 1)


def _drop(tx: Transaction, row: Wanted, asked: Mapping[str, int]) -> None:
    """It is not to be had. What was never asked for may be, when somebody else points there."""
    if asked:
        wanted.ended(tx, row, asked)
    else:
        wanted.forget(tx, row.uri)


def _wait(tx: Transaction, row: Wanted, asked: Mapping[str, int], retry_after: float | None) -> str:
    """Put it off until its server can perhaps be reached again, or give up."""
    if row.tries >= len(WAITS) or tx.now - row.created_at > PATIENCE:
        wanted.ended(tx, row, asked)
        return "given up"
    wait = WAITS[row.tries]
    if retry_after is not None:
        wait = min(max(wait, timedelta(seconds=retry_after)), LONGEST_RETRY_AFTER)
    wanted.ended(tx, row, asked, tx.now + wait)
    return "later"
