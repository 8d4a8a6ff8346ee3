"""Posts, ours and copies of others'.

A post belongs for ever to the author who brought it, and its id is never used again: deleting
empties the row and leaves a tombstone. Every question that gives posts to somebody names the
viewer; the others are for checking who may change what.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import delete, func, select, update

from storage import audience, sql, tables
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.audience import OPEN, Viewer
from storage.tables import actors, objects, recipients, tombstones
from storage.transaction import Transaction

# Times in documents are whole seconds, ours in rows are finer: within it nothing is "older".
ONE_SECOND = timedelta(seconds=1)


class Clash(Exception):
    """This id belongs to another author, or to a post that was deleted."""


@dataclass(frozen=True, slots=True)
class Post:
    id: int
    uri: str
    author_id: int
    type: str
    audience: str  # public|unlisted|followers|school|project|direct
    name: str | None
    summary: str | None
    content: str  # clean HTML
    url: str
    in_reply_to: str | None
    quotes: str | None  # the id of the post that this one quotes
    document: str  # JSON text, without bto and bcc
    published_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    project_id: int | None = None  # the actor of the project that it was written in

    @property
    def warning(self) -> str | None:
        """What a reader is to know before the words; of other types the summary is an abstract."""
        return self.summary if self.type in ("Note", "Question") else None


COLUMNS = sql.columns(objects, Post)

# What a page may list of what its viewer may see.
SHOWN = (objects.c.deleted_at.is_(None), audience.VISIBLE)


# --- writing -----------------------------------------------------------------------------------


def add(
    tx: Transaction,
    *,
    uri: str,
    author_id: int,
    type: str,  # noqa: A002  the standard's word
    audience: str,
    name: str | None,
    summary: str | None,
    content: str,
    url: str,
    in_reply_to: str | None,
    document: dict[str, Any] | str,
    published_at: datetime,
    recipients: Iterable[tuple[int, bool]],
    quotes: str | None = None,
    project_id: int | None = None,
    id: int | None = None,  # noqa: A002  the column's word
) -> tuple[Post, bool]:
    """A post, and True if it is new. `recipients` are (actor, hidden) pairs.

    The same author again: the post as it stands, with these recipients joined. Raises Clash if
    the id is another author's, or was deleted, also before it was known.
    """
    post = Post(
        id=tx.new_id() if id is None else id,
        uri=uri,
        author_id=author_id,
        type=type,
        audience=audience,
        name=name,
        summary=summary,
        content=content,
        url=url,
        in_reply_to=in_reply_to,
        quotes=quotes,
        document=sql.json_text(document),
        published_at=published_at,
        edited_at=None,
        deleted_at=None,
        project_id=project_id,
    )
    if tx.execute(_WAS_BURIED, {"of_uri": uri, "of_author": author_id}).first() is not None:
        raise Clash(f"{uri} was deleted before it came")
    added = tx.execute(_insert(sql.on_postgresql(tx)), sql.row_of(post)).first() is not None
    if not added:
        post = _known(tx, uri, author_id)
    _join(tx, post.id, recipients)
    return post, added


def _known(tx: Transaction, uri: str, author_id: int) -> Post:
    """The post that this author brought before. Raises Clash."""
    known = by_uri(tx, uri)
    assert known is not None
    if known.author_id != author_id:
        raise Clash(f"{uri} is another author's")
    if known.deleted_at is not None:
        raise Clash(f"{uri} was deleted")
    return known


def edit(
    tx: Transaction,
    post_id: int,
    *,
    name: str | None,
    summary: str | None,
    content: str,
    url: str,
    document: dict[str, Any] | str,
    edited_at: datetime,
    quotes: str | None = None,
    type: str | None = None,  # noqa: A002  the standard's word
) -> bool:
    """The author changed a post. False if we have a later edit already, or it is deleted.

    What it quotes now is part of what it says: without `quotes` it quotes nothing any more.
    """
    changes: dict[str, Any] = {
        "name": name,
        "summary": summary,
        "content": content,
        "url": url,
        "quotes": quotes,
        "document": sql.json_text(document),
        "edited_at": edited_at,
    }
    if type is not None:
        changes["type"] = type
    changed = tx.execute(
        update(objects)
        .where(
            objects.c.id == post_id,
            objects.c.deleted_at.is_(None),
            func.coalesce(objects.c.edited_at, objects.c.published_at) < edited_at + ONE_SECOND,
        )
        .values(changes)
    )
    return changed.rowcount > 0


def refresh(tx: Transaction, post_id: int, document: dict[str, Any] | str) -> None:
    """New figures in the document of a post: what it says is the same, so this is no edit."""
    tx.execute(_REFRESH, {"of_id": post_id, "new_document": sql.json_text(document)})


def into_project(tx: Transaction, post_id: int, project_id: int) -> None:
    """A public post that we had already was written in a project, as that says by passing it on."""
    tx.execute(_INTO_PROJECT, {"of_id": post_id, "new_project": project_id})


def bury(tx: Transaction, post_id: int, tombstone: dict[str, Any]) -> None:
    """The author deleted a post: what it said goes, and what others did with it."""
    tx.execute(
        update(objects)
        .where(objects.c.id == post_id, objects.c.deleted_at.is_(None))
        .values(
            deleted_at=tx.now,
            name=None,
            summary=None,
            content="",
            quotes=None,
            document=sql.json_text(tombstone),
        )
    )
    for table in (
        tables.likes,
        tables.announces,
        tables.timelines,
        tables.notifications,
        tables.featured,
        tables.hashtags,
        tables.polls,
    ):
        tx.execute(delete(table).where(table.c.object_id == post_id))


def bury_unknown(tx: Transaction, uri: str, actor_uri: str) -> None:
    """An actor deleted something that we do not know: if it comes later, it is refused."""
    sql.is_new(tx, tombstones, {"uri": uri, "actor_uri": actor_uri, "deleted_at": tx.now})


def is_buried(tx: Transaction, uri: str, actor_uri: str) -> bool:
    """Whether this actor deleted this before it was known here."""
    row = tx.execute(
        select(tombstones.c.uri).where(tombstones.c.uri == uri, tombstones.c.actor_uri == actor_uri)
    ).first()
    return row is not None


def join_recipients(tx: Transaction, post_id: int, actor_ids: Iterable[int], hidden: bool) -> None:
    """Name further people; whoever was named openly once stays so."""
    _join(tx, post_id, [(actor_id, hidden) for actor_id in actor_ids])


def note_fetch(tx: Transaction, post_id: int, actor_id: int) -> None:
    """Someone of another server asked for this post and got it."""
    sql.is_new(tx, tables.fetched, {"object_id": post_id, "actor_id": actor_id})


_WAS_BURIED = (
    select(tombstones.c.uri)
    .join(actors, actors.c.uri == tombstones.c.actor_uri)
    .where(tombstones.c.uri == sql.words("of_uri"), actors.c.id == sql.number("of_author"))
)


_REFRESH = (
    update(objects)
    .where(objects.c.id == sql.number("of_id"), objects.c.deleted_at.is_(None))
    .values(document=sql.words("new_document"))
)
_INTO_PROJECT = (
    update(objects)
    .where(objects.c.id == sql.number("of_id"), objects.c.project_id.is_(None))
    .values(project_id=sql.number("new_project"))
)


@cache
def _insert(for_postgresql: bool) -> Any:
    """Insert a post. Only its uri may be there already; an id given twice is an error."""
    statement = sql.insert_for(for_postgresql, objects)
    return statement.on_conflict_do_nothing(index_elements=[objects.c.uri]).returning(objects.c.id)


@cache
def _insert_recipients(for_postgresql: bool) -> Any:
    """Name people; hidden stays only who is hidden both times."""
    statement = sql.insert_for(for_postgresql, recipients)
    return statement.on_conflict_do_update(
        index_elements=[recipients.c.object_id, recipients.c.actor_id],
        set_={"hidden": recipients.c.hidden & statement.excluded.hidden},
    )


def _join(tx: Transaction, post_id: int, named: Iterable[tuple[int, bool]]) -> None:
    openly: dict[int, bool] = {}
    for actor_id, hidden in named:
        openly[actor_id] = openly.get(actor_id, False) or not hidden
    if not openly:
        return
    tx.execute(
        _insert_recipients(sql.on_postgresql(tx)),
        [
            {"object_id": post_id, "actor_id": actor_id, "hidden": not openly[actor_id]}
            for actor_id in sorted(openly)
        ],
    )


# --- reading -----------------------------------------------------------------------------------

_BY_URI = select(*COLUMNS).where(objects.c.uri == sql.words("of_uri"))
_BY_ID = select(*COLUMNS).where(objects.c.id == sql.number("of_id"))
_BY_AUTHOR = objects.c.author_id == sql.number("of_author")
_REPLIES = objects.c.in_reply_to == sql.words("of_uri")
_SEEN_BY_URI = _BY_URI.where(audience.VISIBLE)
_SEEN_BY_ID = select(*COLUMNS).where(objects.c.id == sql.number("of_id"), audience.VISIBLE)
_PAGE_BY_AUTHOR = sql.newest(select(*COLUMNS).where(_BY_AUTHOR, *SHOWN), objects.c.id)
_OPEN_PAGE_BY_AUTHOR = _PAGE_BY_AUTHOR.where(objects.c.audience.in_(OPEN))
_PAGE_OF_REPLIES = sql.newest(select(*COLUMNS).where(_REPLIES, *SHOWN), objects.c.id)
_PROJECT = actors.alias("project")
_OF_PROJECT = select(*COLUMNS).where(
    objects.c.project_id == sql.number("of_project"),
    sql.any_row(
        [_PROJECT],
        _PROJECT.c.id == sql.number("of_project"),
        audience.knows(audience.VIEWER, _PROJECT),
    ),
    *SHOWN,
)
_PAGE_OF_PROJECT = sql.newest(_OF_PROJECT, objects.c.id)
_COUNT_REPLIES = select(func.count()).select_from(objects).where(_REPLIES, *SHOWN)


def by_uri(tx: Transaction, uri: str) -> Post | None:
    """What we keep under this id, for checking who may change it: never to be shown."""
    row = tx.execute(_BY_URI, {"of_uri": uri}).first()
    return None if row is None else Post(*row)


def by_id(tx: Transaction, post_id: int) -> Post | None:
    """The post with this row id: for working on it, never to be shown."""
    row = tx.execute(_BY_ID, {"of_id": post_id}).first()
    return None if row is None else Post(*row)


def seen_by_uri(tx: Transaction, viewer: Viewer, uri: str) -> Post | None:
    """The post under this id if the viewer may see it; a deleted one if they could have."""
    row = tx.execute(_SEEN_BY_URI, audience.seen_by(viewer, of_uri=uri)).first()
    return None if row is None else Post(*row)


def seen_by_id(tx: Transaction, viewer: Viewer, post_id: int) -> Post | None:
    """The same for the number of its row, as pages name it."""
    row = tx.execute(_SEEN_BY_ID, audience.seen_by(viewer, of_id=post_id)).first()
    return None if row is None else Post(*row)


def by_author(
    tx: Transaction,
    viewer: Viewer,
    author_id: int,
    *,
    before: int | None,
    limit: int,
    public_only: bool = False,
) -> list[Post]:
    """What someone wrote, newest first; `public_only` leaves out what is not for everybody."""
    statement = _OPEN_PAGE_BY_AUTHOR if public_only else _PAGE_BY_AUTHOR
    rows = tx.execute(
        statement, audience.seen_by(viewer, of_author=author_id, **sql.page(before, limit))
    )
    return [Post(*row) for row in rows]


def replies(
    tx: Transaction, viewer: Viewer, uri: str, *, before: int | None, limit: int
) -> list[Post]:
    """Answers to a post, newest first."""
    rows = tx.execute(
        _PAGE_OF_REPLIES, audience.seen_by(viewer, of_uri=uri, **sql.page(before, limit))
    )
    return [Post(*row) for row in rows]


def count_replies(tx: Transaction, viewer: Viewer, uri: str) -> int:
    """How many answers to a post the viewer may see."""
    return tx.execute(_COUNT_REPLIES, audience.seen_by(viewer, of_uri=uri)).scalar_one()


def of_project(
    tx: Transaction, viewer: Viewer, project_id: int, *, before: int | None, limit: int
) -> list[Post]:
    """What was written in a project, newest first."""
    rows = tx.execute(
        _PAGE_OF_PROJECT, audience.seen_by(viewer, of_project=project_id, **sql.page(before, limit))
    )
    return [Post(*row) for row in rows]


def recipients_of(tx: Transaction, post_id: int) -> list[Actor]:
    """Everyone whom a post names, hidden ones included: for delivering, never to be shown."""
    rows = tx.execute(
        select(*ACTOR_COLUMNS)
        .select_from(recipients)
        .join(actors, actors.c.id == recipients.c.actor_id)
        .where(recipients.c.object_id == post_id)
        .order_by(actors.c.id)
    )
    return [Actor(*row) for row in rows]
