"""Everyone we know: our own people and those of other schools.

An actor is known by its id, the `uri`. Username and host make the handle, which is for showing:
several actors may share one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, FromClause, and_, case, func, or_, select, update

from storage import audience, burials, peers, sql
from storage.tables import actors, objects, published
from storage.tables import peers as peer_rows
from storage.transaction import Transaction

State = Literal["active", "suspended", "deleted"]


class UsernameTaken(Exception):
    """Another actor of this school has this username, whatever its letter case or kind."""


class NotRemote(Exception):
    """A document of another server claims the id of one of our own actors."""


@dataclass(frozen=True, slots=True)
class Actor:
    id: int
    uri: str
    peer_id: int | None
    type: str
    username: str
    host: str
    name: str
    summary: str
    url: str
    inbox: str
    shared_inbox: str | None
    outbox: str | None
    followers: str | None
    following: str | None
    featured: str | None
    approves_followers: bool
    moved_to: str | None
    state: State
    document: str  # JSON text
    created_at: datetime
    updated_at: datetime
    fetched_at: datetime | None
    moved_at: datetime | None = None  # when a Move led followers from or to them
    suspended_here: bool = False  # by our administrator: no word of theirs ends it
    members: str | None = None  # of a project: the collection of its members

    @property
    def local(self) -> bool:
        return self.peer_id is None

    @property
    def handle(self) -> str:
        return f"@{self.username}@{self.host}"


@dataclass(frozen=True, slots=True)
class RemoteFields:
    """What an actor's document says, read and checked."""

    uri: str
    peer_host: str  # of the uri, as peers are written
    type: str
    username: str
    host: str
    name: str
    summary: str
    url: str
    inbox: str
    shared_inbox: str | None
    outbox: str | None
    followers: str | None
    following: str | None
    featured: str | None
    approves_followers: bool
    moved_to: str | None
    state: State
    document: str  # JSON text
    members: str | None = None  # of a project


@dataclass(frozen=True, slots=True)
class LocalCounts:
    people: int
    posts: int  # those that everybody may see
    active_month: int
    active_halfyear: int


@dataclass(frozen=True, slots=True)
class Found:
    """Actors by their id, and the ids of those who share their handle with another."""

    actors: dict[str, Actor]
    shared: frozenset[str]


COLUMNS = sql.columns(actors, Actor)


# --- finding -----------------------------------------------------------------------------------


_BY_URI = select(*COLUMNS).where(actors.c.uri == sql.words("of_uri"))
_BY_ID = select(*COLUMNS).where(actors.c.id == sql.number("of_id"))
_BY_URIS = select(*COLUMNS).where(actors.c.uri.in_(sql.one_of("uris")))
_BY_IDS = select(*COLUMNS).where(actors.c.id.in_(sql.one_of("ids")))
_BY_USERNAME = select(*COLUMNS).where(
    actors.c.peer_id.is_(None), func.lower(actors.c.username) == sql.words("of_username")
)


def _introduced(actor: FromClause) -> ColumnElement[bool]:
    """True for those of whom their own server told us: what others call them is no handle."""
    return or_(actor.c.peer_id.is_(None), actor.c.fetched_at.is_not(None))


_BY_HANDLE = (
    select(*COLUMNS)
    .where(
        func.lower(actors.c.username) == sql.words("of_username"),
        actors.c.host == sql.words("of_host"),
        _introduced(actors),
        audience.known_to_all(actors),
    )
    .order_by(actors.c.id)
)


_others = actors.alias("others")
# One statement: whom our people may have a page about (SECURITY R16), and who else is called so.
_MENTIONED = (
    select(
        *COLUMNS,
        sql.any_row(
            (_others,),
            func.lower(_others.c.username) == func.lower(actors.c.username),
            _others.c.host == actors.c.host,
            _others.c.id != actors.c.id,
            _others.c.state == "active",
            _introduced(_others),
            audience.known_to_all(_others),
        ).label("shared"),
    )
    .select_from(actors.outerjoin(peer_rows, peer_rows.c.id == actors.c.peer_id))
    .where(
        actors.c.uri.in_(sql.one_of("uris")),
        actors.c.state == "active",
        _introduced(actors),
        audience.known_to_all(actors),
        or_(
            and_(actors.c.peer_id.is_(None), actors.c.type.in_(("Person", "Organization"))),
            ~peer_rows.c.blocked,
        ),
    )
)


def by_uri(tx: Transaction, uri: str) -> Actor | None:
    known = tx.known("actors")
    if known is None:
        return _one(tx.execute(_BY_URI, {"of_uri": uri}).first())
    if uri not in known:
        known[uri] = _one(tx.execute(_BY_URI, {"of_uri": uri}).first())
    found: Actor | None = known[uri]
    return found


def by_id(tx: Transaction, actor_id: int) -> Actor | None:
    known = tx.known("actors")
    if known is None:
        return _one(tx.execute(_BY_ID, {"of_id": actor_id}).first())
    if actor_id not in known:
        known[actor_id] = _one(tx.execute(_BY_ID, {"of_id": actor_id}).first())
    found: Actor | None = known[actor_id]
    return found


def by_uris(tx: Transaction, uris: Iterable[str]) -> dict[str, Actor]:
    """Those of these ids that are known, by id."""
    known = tx.known("actors")
    asked = sorted(set(uris))
    wanted = asked if known is None else [uri for uri in asked if uri not in known]
    rows = tx.execute(_BY_URIS, {"uris": wanted}) if wanted else ()
    found = {actor.uri: actor for actor in (Actor(*row) for row in rows)}
    if known is None:
        return found
    for uri in wanted:
        known[uri] = found.get(uri)
    return {uri: known[uri] for uri in asked if known[uri] is not None}


def by_ids(tx: Transaction, ids: Iterable[int]) -> dict[int, Actor]:
    wanted = sorted(set(ids))
    rows = tx.execute(_BY_IDS, {"ids": wanted}) if wanted else ()
    return {row.id: Actor(*row) for row in rows}


def mentioned(tx: Transaction, uris: Iterable[str]) -> Found:
    """Those of these ids about whom there is a page for all our people; not private projects."""
    wanted = sorted(set(uris))
    rows = tx.execute(_MENTIONED, {"uris": wanted}).all() if wanted else []
    return Found(
        {row.uri: Actor(*row[:-1]) for row in rows},
        frozenset(row.uri for row in rows if row.shared),
    )


def local_by_username(tx: Transaction, username: str) -> Actor | None:
    """One of ours, of any kind and in any state; letter case is ignored."""
    return _one(tx.execute(_BY_USERNAME, {"of_username": username.lower()}).first())


def by_handle(tx: Transaction, username: str, host: str) -> list[Actor]:
    """Everyone known under `@username@host`, in any state; letter case of the name is ignored.
    Private projects are found by nobody, nor are people whose own server has not been asked yet.

    Often one, but a person and a group of some servers share a handle. `host` is name[:port] in
    lower case, as it is kept.
    """
    rows = tx.execute(_BY_HANDLE, {"of_username": username.lower(), "of_host": host})
    return [Actor(*row) for row in rows]


def at_inbox(tx: Transaction, peer_id: int, inbox: str) -> list[Actor]:
    """Active actors of a peer whose own inbox this is."""
    rows = tx.execute(
        select(*COLUMNS).where(
            actors.c.peer_id == peer_id, actors.c.inbox == inbox, actors.c.state == "active"
        )
    )
    return [Actor(*row) for row in rows]


def local_people(tx: Transaction) -> list[Actor]:
    """The people of this school by username, without those who were removed."""
    rows = tx.execute(
        select(*COLUMNS)
        .where(*_people(), actors.c.state != "deleted")
        .order_by(func.lower(actors.c.username))
    )
    return [Actor(*row) for row in rows]


def counts(tx: Transaction) -> LocalCounts:
    """The figures that a school tells about itself; nothing that only some may see counts."""
    newest = (
        select(published.c.published_at)
        .where(published.c.actor_id == actors.c.id, ~published.c.forwarded)
        .order_by(published.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    lately = select(newest.label("at")).where(*_people(), actors.c.state == "active").subquery()
    month, halfyear = tx.now - timedelta(days=30), tx.now - timedelta(days=180)
    people, active_month, active_halfyear = tx.execute(
        select(
            func.count(),
            func.count(case((lately.c.at >= month, 1))),
            func.count(case((lately.c.at >= halfyear, 1))),
        ).select_from(lately)
    ).one()
    posts = tx.execute(
        select(func.count())
        .select_from(actors)
        .join(objects, objects.c.author_id == actors.c.id)
        .where(
            actors.c.peer_id.is_(None),
            actors.c.state == "active",
            objects.c.deleted_at.is_(None),
            objects.c.audience.in_(("public", "unlisted")),
        )
    ).scalar_one()
    return LocalCounts(people, posts, active_month, active_halfyear)


def _people() -> tuple[ColumnElement[bool], ...]:
    return (actors.c.peer_id.is_(None), actors.c.type == "Person")


def _one(row: sql.AnyRow | None) -> Actor | None:
    return None if row is None else Actor(*row)


# --- ours --------------------------------------------------------------------------------------


def add_local(
    tx: Transaction,
    *,
    uri: str,
    type: str,  # noqa: A002  the standard's word
    username: str,
    name: str,
    summary: str = "",
    url: str,
    inbox: str,
    shared_inbox: str | None,
    outbox: str | None,
    followers: str | None,
    following: str | None,
    featured: str | None,
    approves_followers: bool = False,
    members: str | None = None,
    document: dict[str, Any],
) -> Actor:
    """A new actor of this school. Raises UsernameTaken."""
    actor = Actor(
        id=tx.new_id(),
        uri=uri,
        peer_id=None,
        type=type,
        username=username,
        host=tx.school.host,
        name=name,
        summary=summary,
        url=url,
        inbox=inbox,
        shared_inbox=shared_inbox,
        outbox=outbox,
        followers=followers,
        following=following,
        featured=featured,
        approves_followers=approves_followers,
        moved_to=None,
        state="active",
        document=sql.json_text(document),
        created_at=tx.now,
        updated_at=tx.now,
        fetched_at=None,
        members=members,
    )
    if not sql.is_new(tx, actors, sql.row_of(actor)):
        raise UsernameTaken(f"{username} is taken")
    return actor


def update_local(
    tx: Transaction,
    actor_id: int,
    *,
    name: str | None = None,
    summary: str | None = None,
    document: dict[str, Any] | None = None,
    approves_followers: bool | None = None,
    state: State | None = None,
    moved_to: str | None = None,
) -> Actor:
    """Change what is given of one of ours. Raises LookupError if there is no such actor here."""
    given = {
        "name": name,
        "summary": summary,
        "document": None if document is None else sql.json_text(document),
        "approves_followers": approves_followers,
        "state": state,
        "moved_to": moved_to,
    }
    changes = {column: value for column, value in given.items() if value is not None}
    row = tx.execute(
        update(actors)
        .where(actors.c.id == actor_id, actors.c.peer_id.is_(None))
        .values(**changes, updated_at=tx.now)
        .returning(*COLUMNS)
    ).first()
    if row is None:
        raise LookupError(f"no actor of this school has the row {actor_id}")
    return Actor(*row)


def set_lists(
    tx: Transaction, actor_id: int, *, followers: str | None, featured: str | None
) -> None:
    """Which lists for everybody one of ours has: a project that closes or opens changes them."""
    tx.execute(
        update(actors)
        .where(actors.c.id == actor_id, actors.c.peer_id.is_(None))
        .values(followers=followers, featured=featured)
    )


# --- others ------------------------------------------------------------------------------------


def save_remote(tx: Transaction, fields: RemoteFields) -> Actor:
    """Keep what a fetched document says, whether we knew its actor or not.

    Who was deleted stays deleted, and is returned as such; whom our administrator suspended
    stays suspended. Raises NotRemote if the document claims an id of this school.
    """
    if fields.peer_host == tx.school.host:
        raise NotRemote(f"{fields.uri} is of this school")
    said = sql.row_of(fields)
    del said["peer_host"]
    said |= {
        "id": tx.new_id(),
        "peer_id": peers.ensure(tx, fields.peer_host).id,
        "created_at": tx.now,
        "updated_at": tx.now,
        "fetched_at": tx.now,
    }
    row = tx.execute(_save(sql.on_postgresql(tx)), said).first()
    if row is not None:
        return Actor(*row)
    known = by_uri(tx, fields.uri)
    if known is None or known.local:
        raise NotRemote(f"{fields.uri} is one of ours")
    return known


def name_remote(tx: Transaction, uri: str, *, host: str, username: str) -> Actor:
    """Somebody of another school of whom we know the id alone, because a project named them.

    `host` is the peer's, `username` what stands last in the id. They have no inbox and no keys;
    `fetched_at` is null until their own server is asked. Whom we know stays as known. Raises
    NotRemote for an id of this school.
    """
    if host == tx.school.host:
        raise NotRemote(f"{uri} is of this school")
    named = Actor(
        id=tx.new_id(),
        uri=uri,
        peer_id=peers.ensure(tx, host).id,
        type="Person",
        username=username,
        host=host,
        name=username,
        summary="",
        url=uri,
        inbox="",
        shared_inbox=None,
        outbox=None,
        followers=None,
        following=None,
        featured=None,
        approves_followers=False,
        moved_to=None,
        state="active",
        document="{}",
        created_at=tx.now,
        updated_at=tx.now,
        fetched_at=None,
    )
    sql.is_new(tx, actors, sql.row_of(named))
    known = by_uri(tx, uri)
    assert known is not None
    return known


def set_handle_host(tx: Transaction, actor_id: int, host: str) -> Actor:
    """Someone's handle ends in `host`, as both servers concerned say. Raises LookupError."""
    row = tx.execute(
        update(actors)
        .where(actors.c.id == actor_id, actors.c.peer_id.is_not(None))
        .values(host=host)
        .returning(*COLUMNS)
    ).first()
    if row is None:
        raise LookupError(f"no actor of another server has the row {actor_id}")
    return Actor(*row)


@cache
def _save(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, actors)
    stays = ("id", "uri", "host", "created_at", "moved_at", "suspended_here")
    said: dict[str, Any] = {
        column.name: statement.excluded[column.name]
        for column in actors.c
        if column.name not in stays
    }
    said["state"] = case((actors.c.suspended_here, "suspended"), else_=said["state"])
    # Another domain than their server's agreed to this one handle, and to no other name.
    same_name = func.lower(actors.c.username) == func.lower(statement.excluded.username)
    said["host"] = case((same_name, actors.c.host), else_=statement.excluded.host)
    return statement.on_conflict_do_update(
        index_elements=[actors.c.uri],
        set_=said,
        where=(actors.c.peer_id.is_not(None)) & (actors.c.state != "deleted"),
    ).returning(*COLUMNS)


def bury(tx: Transaction, actor_id: int) -> None:
    """An actor is gone, for ever: from now on nobody sees anything of them.

    What they said becomes tombstones, what else they did goes with them: the first rows at once,
    and where there are many, the others later (`storage/burials.py`). The rows of the actor, of
    their keys and posts stay, empty: an id is never used again.
    """
    gone = tx.execute(
        update(actors)
        .where(actors.c.id == actor_id, actors.c.state != "deleted")
        .values(state="deleted", name="", summary="", document="{}", updated_at=tx.now)
    )
    if gone.rowcount:
        burials.begin(tx, actor_id)
