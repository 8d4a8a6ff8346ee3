"""Posts of other servers that are still to be fetched: what somebody's post answers or quotes.

A row waits, is had or given up, and then stays some days: who points at the same thing again has
it asked for again only after a while, and what one arriving activity may cost is counted in the
rows that it caused. https://www.w3.org/TR/activitystreams-vocabulary/#dfn-inreplyto
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Integer, and_, bindparam, delete, func, or_, select, update

from storage import sql
from storage.tables import Moment, wanted
from storage.transaction import Transaction

# Posts that one arriving activity may have us look for (SECURITY R20).
PER_CAUSE = 20
# Posts that may wait for one server at a time; what comes on top is left out.
PER_HOST = 1_000

# Workers take rows one after the other.
_CLAIMING = 0x5374_6166_6603


@dataclass(frozen=True, slots=True)
class Wanted:
    uri: str
    cause_uri: str  # the activity that arrived and began it
    host: str  # of the uri
    depth: int  # how many steps above the post that came
    tries: int
    asked: str  # JSON: requests so far, by host
    created_at: datetime


_COLUMNS = sql.columns(wanted, Wanted)
_NOW = bindparam("moment", type_=Moment())
_URI = wanted.c.uri == sql.words("of_uri")
_CAUSED = wanted.c.cause_uri == sql.words("of_cause")
_FREE = or_(wanted.c.claimed_until.is_(None), wanted.c.claimed_until <= _NOW)


# --- pointing at something -----------------------------------------------------------------------


_CAUSED_BY = select(func.count()).select_from(wanted).where(_CAUSED)
_WAITING_FOR_HOST = select(func.count()).select_from(
    select(wanted.c.uri)
    .where(wanted.c.host == sql.words("of_host"), wanted.c.due_at.is_not(None))
    .limit(PER_HOST)
    .subquery("waiting")
)
_SPENT = select(wanted.c.asked).where(_CAUSED)


@cache
def _insert(for_postgresql: bool) -> Any:
    """Want a post, or want it anew where it was asked for before `asked_before`."""
    statement = sql.insert_for(for_postgresql, wanted)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[wanted.c.uri],
        set_={
            "cause_uri": new.cause_uri,
            "depth": new.depth,
            "tries": 0,
            "asked": "{}",
            "due_at": new.due_at,
            "claimed_until": None,
            "created_at": new.created_at,
        },
        where=and_(
            wanted.c.asked_at <= bindparam("asked_before", type_=Moment()),
            _FREE,
        ),
    ).returning(wanted.c.uri)


def add(
    tx: Transaction, *, uri: str, cause_uri: str, host: str, depth: int, after: timedelta
) -> bool:
    """Want a post that we have not got, because of `cause_uri`. True if it is now asked for.

    What was asked for less than `after` ago is not asked for again, nor is anything when its
    cause has led to enough already, or too much waits for its host.
    """
    if tx.execute(_CAUSED_BY, {"of_cause": cause_uri}).scalar_one() >= PER_CAUSE:
        return False
    if tx.execute(_WAITING_FOR_HOST, {"of_host": host}).scalar_one() >= PER_HOST:
        return False
    row = {
        "uri": uri,
        "cause_uri": cause_uri,
        "host": host,
        "depth": depth,
        "due_at": tx.now,
        "created_at": tx.now,
    }
    again = {"asked_before": tx.now - after, "moment": tx.now}
    if tx.execute(_insert(sql.on_postgresql(tx)), row | again).first() is None:
        return False
    tx.wake("wanted")
    return True


def spent(tx: Transaction, cause_uri: str) -> Counter[str]:
    """How many requests this cause has cost so far, by host."""
    found: Counter[str] = Counter()
    for asked in tx.execute(_SPENT, {"of_cause": cause_uri}).scalars():
        found.update(orjson.loads(asked))
    return found


# --- the worker ----------------------------------------------------------------------------------


_OTHER = wanted.alias("other")
_DUE = (
    select(wanted.c.uri, wanted.c.host, wanted.c.cause_uri)
    .where(
        wanted.c.due_at <= _NOW,
        _FREE,
        wanted.c.host.not_in(sql.one_of("but")),
        ~sql.any_row(
            [_OTHER], _OTHER.c.cause_uri == wanted.c.cause_uri, _OTHER.c.claimed_until > _NOW
        ),
    )
    .order_by(wanted.c.due_at)
    .limit(bindparam("most", type_=Integer))
)
_CLAIM = (
    update(wanted)
    .where(wanted.c.uri.in_(sql.one_of("taken")))
    .values(claimed_until=bindparam("lease_end", type_=Moment()))
    .returning(*_COLUMNS)
)
_END = (
    update(wanted)
    .where(_URI)
    .values(
        due_at=bindparam("next_at", type_=Moment()),
        tries=wanted.c.tries + 1,
        asked=sql.words("requests"),
        asked_at=_NOW,
        claimed_until=None,
    )
)
_RELEASE = update(wanted).where(wanted.c.uri.in_(sql.one_of("uris"))).values(claimed_until=None)


def claim(
    tx: Transaction, *, limit: int, share: int, lease: timedelta, but: Collection[str] = ()
) -> list[Wanted]:
    """Take up to `limit` rows that are due, for as long as `lease`, at most `share` of one host.

    Hosts in `but` are left out. However much waits for one host, the others get their turn. Of
    one cause only one row is out at a time, else none would know what the others spend.
    """
    if sql.on_postgresql(tx):
        tx.execute(select(func.pg_advisory_xact_lock(_CLAIMING)))
    passed_over = set(but)
    taken: dict[str, str] = {}  # by cause
    while len(taken) < limit:
        room = limit - len(taken)
        rows = tx.execute(_DUE, {"moment": tx.now, "but": sorted(passed_over), "most": room}).all()
        theirs: Counter[str] = Counter()
        for uri, host, cause_uri in rows:
            if theirs[host] < share and cause_uri not in taken:
                taken[cause_uri] = uri
                theirs[host] += 1
        if len(rows) < room:
            break
        passed_over |= {host for _, host, _ in rows}
    if not taken:
        return []
    claimed = tx.execute(_CLAIM, {"taken": sorted(taken.values()), "lease_end": tx.now + lease})
    return sorted((Wanted(*row) for row in claimed), key=lambda row: (row.created_at, row.uri))


def ended(
    tx: Transaction, row: Wanted, asked: Mapping[str, int], next_at: datetime | None = None
) -> None:
    """It was tried, for so many requests to each host: had or given up, or tried again then."""
    so_far = Counter(orjson.loads(row.asked)) + Counter(asked)
    tx.execute(
        _END,
        {
            "of_uri": row.uri,
            "requests": sql.json_text(so_far),
            "next_at": next_at,
            "moment": tx.now,
        },
    )


def release(tx: Transaction, uris: Collection[str]) -> None:
    """Give back rows that were claimed and not tried."""
    tx.execute(_RELEASE, {"uris": sorted(uris)})


def forget(tx: Transaction, uri: str) -> None:
    """As if nobody had pointed there: whoever does so next has it asked for."""
    tx.execute(delete(wanted).where(wanted.c.uri == uri))


def waiting(tx: Transaction) -> int:
    """How many posts are still to be had, put off ones included."""
    rows = select(func.count()).select_from(wanted).where(wanted.c.due_at.is_not(None))
    return tx.execute(rows).scalar_one()


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget what was wanted before that; how many rows those were, `limit` at most."""
    old = select(wanted.c.uri).where(wanted.c.created_at < before).limit(limit)
    return tx.execute(delete(wanted).where(wanted.c.uri.in_(old))).rowcount
