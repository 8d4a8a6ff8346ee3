"""Activities as they came, first kept, then worked on: in order per sending actor.

One row per inbox that a copy came to. A row is new, then done, or aside where it could not be
worked on and waits for a person. While a worker has it, it is leased: `claimed_until`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    update,
)

from storage import sql
from storage.tables import Moment, actors, peers, received
from storage.transaction import Transaction

# Workers take rows one after the other, so that no two have rows of the same actor.
_CLAIMING = 0x5374_6166_6601

NO_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Incoming:
    uri: str
    actor_uri: str
    owner_id: int  # whose inbox; 0 is the shared one
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Received:
    id: int
    uri: str
    actor_uri: str
    owner_id: int
    type: str
    body: bytes
    tries: int
    received_at: datetime


_COLUMNS = sql.columns(received, Received)


_NOW = bindparam("moment", type_=Moment())


# --- at the door -------------------------------------------------------------------------------


def add_all(tx: Transaction, rows: list[Incoming]) -> list[bool]:
    """Keep what arrived; for each row, True if it is new, False if that inbox has it already."""
    first: dict[tuple[str, str, int], int] = {}
    for place, row in enumerate(rows):
        first.setdefault((row.uri, row.actor_uri, row.owner_id), place)
    if not first:
        return []
    ids = {place: tx.new_id() for place in first.values()}
    added = set(_insert_together(tx, [(id_, rows[place]) for place, id_ in ids.items()]))
    tx.wake("received")
    return [ids.get(place) in added for place in range(len(rows))]


# Rows that one statement adds. A statement for each number would be many to remember; one for
# each row lets another thread in between two rows, and with it all that waits for that thread.
AT_ONCE = (32, 8, 2, 1)
_GIVEN = ("id", "uri", "actor_uri", "owner_id", "type", "object_uri", "body")


def _insert_together(tx: Transaction, rows: list[tuple[int, Incoming]]) -> Iterator[int]:
    """Add new rows under these ids. Answers the ids of those that were not there already."""
    begin = 0
    for size in AT_ONCE:
        while len(rows) - begin >= size:
            values: list[Any] = []
            for id_, row in rows[begin : begin + size]:
                about = _object_uri(row)
                values += (id_, row.uri, row.actor_uri, row.owner_id, row.type, about, row.body)
            begin += size
            statement, names = _insert_many(sql.on_postgresql(tx), size)
            which = dict(zip(names, values, strict=True))
            which["moment"] = tx.now
            yield from tx.execute(statement, which).scalars()


@cache
def _insert_many(for_postgresql: bool, size: int) -> tuple[Any, list[str]]:
    """An INSERT of so many rows, and the names of the places for what they are given."""
    rows = [
        {name: bindparam(f"{name}_{n}", type_=received.c[name].type) for name in _GIVEN}
        for n in range(size)
    ]
    new = {"state": literal_column("'new'"), "due_at": _NOW, "received_at": _NOW}
    statement = sql.insert_for(for_postgresql, received).values([{**row, **new} for row in rows])
    names = [f"{name}_{n}" for n in range(size) for name in _GIVEN]
    return statement.on_conflict_do_nothing().returning(received.c.id), names


@cache
def _insert(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, received)
    return statement.on_conflict_do_nothing().returning(received.c.id)


def _new(tx: Transaction, id_: int, row: Incoming) -> dict[str, Any]:
    return {
        "id": id_,
        "uri": row.uri,
        "actor_uri": row.actor_uri,
        "owner_id": row.owner_id,
        "type": row.type,
        "object_uri": _object_uri(row),
        "body": row.body,
        "state": "new",
        "due_at": tx.now,
        "received_at": tx.now,
    }


def came_inside(tx: Transaction, row: Incoming) -> bool:
    """An activity came inside another, and has its effect now: true if it never had it before.

    From now on a copy of it, wherever it comes, is a further copy. One that came by itself and
    was refused, since it had to come from a project, has its effect when that passes it on; so
    has one that lies in somebody's own inbox and was not looked at yet.
    """
    which = {"of_uri": row.uri, "of_actor": row.actor_uri}
    ended = [reason for (reason,) in tx.execute(_ENDED_COPIES, which)]
    if None in ended:
        return False
    if ended:
        return tx.execute(_NOT_REFUSED, which).rowcount > 0
    new = _new(tx, tx.new_id(), row) | {"state": "done"}
    return tx.execute(_insert(sql.on_postgresql(tx)), new).first() is not None


_ENDED_COPY = (
    received.c.uri == sql.words("of_uri"),
    received.c.actor_uri == sql.words("of_actor"),
    received.c.state == "done",
)
_ENDED_COPIES = select(received.c.reason).where(*_ENDED_COPY)
_NOT_REFUSED = update(received).where(*_ENDED_COPY).values(reason=None)


_EARLIER = (
    select(received.c.type, received.c.object_uri)
    .where(received.c.uri == sql.words("of_uri"), received.c.actor_uri == sql.words("of_actor"))
    .limit(1)
)


def earlier(tx: Transaction, uri: str, actor_uri: str) -> tuple[str, str | None] | None:
    """The type of what came from this actor under that id, and what it was about; None: nothing."""
    row = tx.execute(_EARLIER, {"of_uri": uri, "of_actor": actor_uri}).first()
    return None if row is None else (row[0], row[1])


def _object_uri(row: Incoming) -> str | None:
    try:
        return subject(row.type, orjson.loads(row.body))
    except orjson.JSONDecodeError:
        return None


def subject(kind: str, activity: Any) -> str | None:
    """The id of what an activity of this type is about, however it is written.

    Who passes on an activity speaks of what that one is about.
    """
    about = _object(activity)
    while kind == "Announce" and isinstance(about, dict) and about.get("object") is not None:
        about = _object(about)
    if isinstance(about, dict):
        about = about.get("id")
    return about if isinstance(about, str) else None


def _object(activity: Any) -> Any:
    about = activity.get("object") if isinstance(activity, dict) else None
    if isinstance(about, list):
        about = next((one for one in about if one is not None), None)
    return about


# --- the worker --------------------------------------------------------------------------------


_OTHER = received.alias("other")
_DUE = (
    select(received.c.id, func.length(received.c.body))
    .where(
        received.c.state == "new",
        received.c.due_at <= _NOW,
        ~sql.any_row(
            [_OTHER],
            _OTHER.c.actor_uri == received.c.actor_uri,
            _OTHER.c.claimed_until.is_not(None),
            _OTHER.c.claimed_until > _NOW,
        ),
    )
    .order_by(received.c.due_at, received.c.id)
    .limit(bindparam("most", type_=Integer))
)
_DUE_FROM_OTHERS = _DUE.where(
    ~sql.any_row(
        [actors, peers],
        actors.c.uri == received.c.actor_uri,
        peers.c.id == actors.c.peer_id,
        peers.c.host.in_(sql.one_of("but")),
    )
)
_CLAIM = (
    update(received)
    .where(received.c.id.in_(sql.one_of("taken")))
    .values(
        claimed_until=bindparam("lease_end", type_=Moment()),
        claimed_by=sql.number("worker"),
        waits_for=None,
    )
    .returning(*_COLUMNS)
)
_DONE = (
    update(received)
    .where(received.c.id.in_(sql.one_of("ended")))
    .values(state="done", reason=sql.words("the_reason"), claimed_until=None)
)
_ENDED_AMONG = select(
    received.c.id,
    received.c.uri,
    received.c.actor_uri,
    received.c.reason,
    func.length(received.c.body),
).where(received.c.uri.in_(sql.one_of("these")), received.c.state == "done")
_GIVE_BODY = (
    update(received)
    .where(received.c.id == sql.number("of_row"))
    .values(body=bindparam("the_body", type_=LargeBinary))
)


def claim(
    tx: Transaction,
    *,
    limit: int,
    lease: timedelta,
    octets: int = NO_LIMIT,
    but: Collection[str] = (),
) -> list[Received]:
    """Take up to `limit` rows that are due, for as long as `lease`, in order of arrival.

    An actor of whom somebody else has a row is left out, and so is whoever is of one of the hosts
    in `but`; a row put off until later does not hold up what came after it. The bodies are
    `octets` long at most, if the first alone is not longer.
    """
    if sql.on_postgresql(tx):
        tx.execute(select(func.pg_advisory_xact_lock(_CLAIMING)))
    which = {"moment": tx.now, "most": limit}
    if but:
        due = tx.execute(_DUE_FROM_OTHERS, {**which, "but": sorted(but)}).all()
    else:
        due = tx.execute(_DUE, which).all()
    if not due:
        return []
    sizes = accumulate(size for _, size in due)
    ids = [id_ for (id_, _), so_far in zip(due, sizes, strict=True) if so_far <= octets]
    hands = {"lease_end": tx.now + lease, "worker": tx.tag}
    taken = tx.execute(_CLAIM, {"taken": ids or [due[0][0]], **hands})
    return sorted((Received(*row) for row in taken), key=lambda row: row.id)


def done(tx: Transaction, ids: Iterable[int], reason: str | None = None) -> None:
    """Worked on; with a reason: dropped without effect."""
    tx.execute(_DONE, {"ended": sorted(ids), "the_reason": reason})


def again(
    tx: Transaction,
    received_id: int,
    *,
    due_at: datetime,
    reason: str,
    waits_for: str | None = None,
) -> None:
    """Not possible now: one more try at `due_at`, or as soon as the host `waits_for` is heard."""
    _end(
        tx,
        received.c.id == received_id,
        tries=received.c.tries + 1,
        due_at=due_at,
        reason=reason,
        waits_for=waits_for,
    )


# Tries after which a row waits its time, whatever is heard; and rows that are hurried at once.
HURRIED = 3
HURRIED_AT_ONCE = 200

_WAITING_FOR = (
    select(received.c.id)
    .where(
        received.c.waits_for == sql.words("of_host"),
        received.c.state == "new",
        received.c.tries < HURRIED,
    )
    .order_by(received.c.id)
    .limit(HURRIED_AT_ONCE)
    # Who has it in hand has heard of the host as well.
    .with_for_update(skip_locked=True)
)
_HURRY = (
    update(received)
    .where(received.c.id.in_(sql.one_of("hurried")))
    .values(due_at=case((received.c.due_at < _NOW, received.c.due_at), else_=_NOW), waits_for=None)
)


def waits(host: ColumnElement[str]) -> ColumnElement[bool]:
    """True for a host that something waits for and would be hurried by a word of it."""
    row = received.alias()
    return sql.any_row([row], row.c.waits_for == host, row.c.state == "new", row.c.tries < HURRIED)


def heard(tx: Transaction, host: str, due_at: datetime) -> None:
    """This host lives: what waits for it is due at `due_at`, if it was not to be sooner.

    At most 200 at once; each a few times only, for a host may talk and still have nothing to give.
    """
    rows = tx.execute(_WAITING_FOR, {"of_host": host}).scalars().all()
    if rows:
        tx.execute(_HURRY, {"hurried": rows, "moment": due_at})
        tx.wake("received")


def aside(tx: Transaction, received_id: int, reason: str) -> None:
    """Not possible at all: it waits for a person, with the reason."""
    _end(tx, received.c.id == received_id, state="aside", tries=received.c.tries + 1, reason=reason)


def release(tx: Transaction, ids: Iterable[int]) -> None:
    """Give back rows that were claimed and not worked on."""
    _end(tx, and_(received.c.id.in_(sorted(ids)), received.c.state == "new"))


def release_all(tx: Transaction, but: Collection[int] = ()) -> None:
    """The same for all rows, after a crash, except those that the processes with the tags `but`
    work on."""
    left = or_(received.c.claimed_by.is_(None), received.c.claimed_by.not_in(sorted(but)))
    _end(tx, and_(received.c.claimed_until.is_not(None), left))
    tx.wake("received")


class Copies:
    """The copies of some activities that came to several inboxes, as far as they ended."""

    def __init__(self, tx: Transaction, uris: Iterable[str]) -> None:
        self._ended: dict[tuple[str, str], list[tuple[int, str | None, bool]]] = {}
        for id_, uri, actor_uri, reason, octets in tx.execute(
            _ENDED_AMONG, {"these": sorted(set(uris))}
        ):
            self._note(uri, actor_uri, id_, reason, bool(octets))

    def first(self, tx: Transaction, row: Received, reason: str | None = None) -> int | None:
        """The copy of the same activity, in another inbox, that already had its effect.

        With a reason: that already had none, for this reason. One whose body was forgotten
        meanwhile, since nobody had it in their inbox, has it again.
        """
        found = [
            (id_, whole)
            for id_, why, whole in self._ended.get((row.uri, row.actor_uri), ())
            if id_ != row.id and why == reason
        ]
        if not found:
            return None
        first, whole = min(found)
        if not whole:
            tx.execute(_GIVE_BODY, {"of_row": first, "the_body": row.body})
        return first

    def add(self, row: Received, reason: str | None = None) -> None:
        """This one ended too, though the database is not told yet."""
        self._note(row.uri, row.actor_uri, row.id, reason, True)

    def _note(self, uri: str, actor_uri: str, id_: int, reason: str | None, whole: bool) -> None:
        self._ended.setdefault((uri, actor_uri), []).append((id_, reason, whole))


def pending(tx: Transaction) -> int:
    """How many rows are not worked on yet, leased and put off ones included."""
    return tx.execute(
        select(func.count()).select_from(received).where(received.c.state == "new")
    ).scalar_one()


def _end(tx: Transaction, which: ColumnElement[bool], **changes: Any) -> None:
    tx.execute(update(received).where(which).values(claimed_until=None, **changes))
