"""Many people and many posts at once, for schools that are founded only to be measured.

Nothing here looks at what is there already, and whoever is made is at no real server. Rows are
made by the database itself, a slice of a million takes seconds. Their ids lie below all that
`Transaction.new_id` gives, so that they are older than whatever is written afterwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    Text,
    bindparam,
    case,
    cast,
    insert,
    literal,
    null,
    select,
    update,
)

from storage import sql
from storage.tables import (
    EPOCH,
    MICROSECOND,
    Moment,
    actors,
    deliveries,
    follows,
    objects,
    peers,
    published,
    received,
    timelines,
)
from storage.transaction import Transaction

# Where the ids of each kind begin.
FIRST_PEER = 10**9
FIRST_PERSON = 2 * 10**9
FIRST_POST = 10**12

TERM = (datetime(2026, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
SECOND = 1_000_000

# Neighbours in time are by people who are not neighbours.
SHUFFLE = 7919

WORDS = "<p>Minutes of the science network are up. Next meeting at Hillcrest on Thursday.</p>"
# A document of the usual length; nobody reads what it says.
DOCUMENT = '{"type": "Note", "content": "%s"}' % ("Minutes of the science network. " * 16)


# --- people ------------------------------------------------------------------------------------


def people(tx: Transaction, hosts: Sequence[str], each: int = 1, *, scheme: str = "http") -> None:
    """So many people at each of these servers, who share its inbox. Person n lives at host n of
    them in turn; `person_id` is their id."""
    tx.execute(
        insert(peers),
        [
            {"id": FIRST_PEER + number, "host": host, "policy": "allowed", "created_at": tx.now}
            for number, host in enumerate(hosts)
        ],
    )
    tx.execute(
        insert(actors),
        [
            _person(
                tx, number, FIRST_PEER + number % len(hosts), hosts[number % len(hosts)], scheme
            )
            for number in range(len(hosts) * each)
        ],
    )


def person_id(number: int) -> int:
    return FIRST_PERSON + number


def _person(tx: Transaction, number: int, peer_id: int, host: str, scheme: str) -> dict[str, Any]:
    uri = f"{scheme}://{host}/people/{number}"
    return {
        "id": person_id(number),
        "uri": uri,
        "peer_id": peer_id,
        "type": "Person",
        "username": f"person{number}",
        "host": host,
        "name": f"Person {number}",
        "url": uri,
        "inbox": f"{uri}/inbox",
        "shared_inbox": f"{scheme}://{host}/inbox",
        "document": f'{{"id": "{uri}", "type": "Person"}}',
        "created_at": tx.now,
        "updated_at": tx.now,
        "fetched_at": tx.now,
    }


def follow(tx: Transaction, pairs: Iterable[tuple[int, int]]) -> None:
    """Each first of these follows the second, and was accepted."""
    tx.execute(
        insert(follows),
        [
            {
                "id": tx.new_id(),
                "follower_id": follower,
                "followee_id": followee,
                "uri": f"http://localhost/follows/{follower}/{followee}",
                "state": "accepted",
                "created_at": tx.now,
            }
            for follower, followee in pairs
        ],
    )


def take(tx: Transaction, form: str) -> None:
    """All servers are known to take this form of signature."""
    tx.execute(update(peers).values(signature_form=form, form_learned_at=tx.now))


# --- posts -------------------------------------------------------------------------------------


def posts(tx: Transaction, first: int, count: int, authors: int) -> None:
    """Posts number `first` and on, by the first so many people in turn: seven in ten public, one
    unlisted, two for followers."""
    series = _series(first, count)
    number: ColumnElement[int] = series.c.number
    uri = literal("http://localhost/notes/", Text) + cast(number, Text)
    kind = number % 10
    audience = case((kind < 2, "followers"), (kind == 2, "unlisted"), else_="public")
    rows = select(
        number + FIRST_POST,
        uri,
        (number * SHUFFLE) % authors + FIRST_PERSON,
        literal("Note", Text),
        audience,
        literal(WORDS, Text),
        uri,
        literal(DOCUMENT, Text),
        number * SECOND + TERM,
    )
    named = ["id", "uri", "author_id", "type", "audience", "content", "url", "document"]
    tx.execute(insert(objects).from_select([*named, "published_at"], rows))


def at_home(
    tx: Transaction, reader_id: int, first: int, count: int, authors: int, follows: int
) -> None:
    """Of these posts those by the first `follows` people, in the home timeline of a reader; one in
    twenty was announced by somebody."""
    series = _series(first, count)
    number: ColumnElement[int] = series.c.number
    announcer = case((number % 20 == 0, (number * 31) % follows + FIRST_PERSON), else_=null())
    rows = select(
        literal(reader_id, BigInteger),
        number + FIRST_POST,
        number + FIRST_POST,
        cast(announcer, BigInteger),
    ).where((number * SHUFFLE) % authors < follows)
    names = ["reader_id", "object_id", "position", "announced_by"]
    tx.execute(insert(timelines).from_select(names, rows))


def position(number: int) -> int:
    """Where post number so many stands in a timeline."""
    return FIRST_POST + number


def _series(first: int, count: int) -> Any:
    """The numbers from `first` on, as one column."""
    start = select(literal(first, BigInteger).label("number")).cte("series", recursive=True)
    return start.union_all(
        select(start.c.number + 1).where(start.c.number < literal(first + count - 1, BigInteger))
    )


# --- the rows of one post ----------------------------------------------------------------------


@dataclass(frozen=True)
class PostRows:
    """Everything that was written when somebody posted, by table."""

    post: dict[str, Any]
    activity: dict[str, Any]
    deliveries: list[dict[str, Any]]
    arrivals: list[dict[str, Any]]  # rows of `received`


def rows_of(tx: Transaction, activity_uri: str) -> PostRows:
    """What is there of a post that was just published."""

    def found(table: Any, *which: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in tx.execute(select(table).where(*which)).mappings()]

    (activity,) = found(published, published.c.uri == activity_uri)
    (post,) = found(objects, objects.c.uri == activity["object_uri"])
    return PostRows(
        post,
        activity,
        found(deliveries, deliveries.c.activity_id == activity["id"]),
        found(received, received.c.uri == activity_uri),
    )


def write_again(tx: Transaction, rows: PostRows, actor_id: int) -> None:
    """The same rows under other ids, by an actor of this school, with nothing looked up."""
    number = tx.new_id()
    uri = f"{rows.activity['uri']}/{number}"
    about = f"{rows.post['uri']}/{number}"
    lanes = [row["peer_id"] for row in rows.deliveries]
    tx.execute(
        insert(objects), {**rows.post, "id": tx.new_id(), "uri": about, "author_id": actor_id}
    )
    tx.execute(
        insert(published),
        {**rows.activity, "id": number, "uri": uri, "object_uri": about, "actor_id": actor_id},
    )
    _straight(
        tx,
        deliveries,
        [
            {**row, "activity_id": number, "state": "waiting", "ended_at": None}
            for row in rows.deliveries
        ],
    )
    tx.execute(
        update(peers).where(peers.c.id.in_(sql.one_of("lanes"))).values(due_at=_MOMENT),
        {"lanes": sorted(lanes), "moment": tx.now},
    )
    new = {"uri": uri, "state": "new", "claimed_until": None}
    tx.execute(insert(received), [{**row, **new, "id": tx.new_id()} for row in rows.arrivals])


def _straight(tx: Transaction, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows through the driver itself: nothing writes them faster, one by one. The counter
    gives their ids."""
    names = [column.name for column in table.c if column.name != "id"]
    compiled = insert(table).compile(dialect=tx.connection.dialect, column_keys=names)
    values = [{name: _kept(row[name]) for name in names} for row in rows]
    if compiled.positiontup is None:
        tx.connection.exec_driver_sql(str(compiled), values)
    else:
        places = compiled.positiontup
        tx.connection.exec_driver_sql(
            str(compiled), [tuple(row[name] for name in places) for row in values]
        )


def _kept(value: Any) -> Any:
    """As it stands in the row: moments are microseconds."""
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value


_MOMENT = bindparam("moment", type_=Moment())
