"""What each of our people reads at home: one row per reader and post, written when it arrives."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, and_, literal, or_, select, union

from storage import audience, objects, sql, tables
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.audience import Viewer
from storage.objects import Post
from storage.tables import actors, timelines
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class TimelineRow:
    position: int
    post: Post
    author: Actor
    announced_by: Actor | None


def place(
    tx: Transaction, post_id: int, author_id: int, *, announced_by: int | None = None
) -> None:
    """Show a post at home to those of our people who follow its author and may see it.

    The author, if one of ours, reads it too. With `announced_by` it is those who follow that
    actor, and that actor. Whoever has it already keeps it where it stands.
    """
    source = author_id if announced_by is None else announced_by
    follows = tables.follows
    sources = union(
        select(follows.c.follower_id.label("id")).where(
            follows.c.followee_id == source, follows.c.state == "accepted"
        ),
        select(actors.c.id).where(actors.c.id == source),
    ).subquery()
    reader = actors.alias("reader")
    post = tables.objects
    readers = (
        select(
            reader.c.id,
            post.c.id,
            literal(tx.new_id(), BigInteger),
            literal(announced_by, BigInteger),
        )
        .select_from(sources)
        .join(reader, reader.c.id == sources.c.id)
        .join(post, post.c.id == post_id)
        .where(
            reader.c.peer_id.is_(None),
            reader.c.state == "active",
            post.c.author_id == author_id,
            post.c.deleted_at.is_(None),
            audience.visible_to(reader.c.id, local=True),
        )
    )
    tx.execute(
        sql.insert_ignore(tx, timelines).from_select(
            ["reader_id", "object_id", "position", "announced_by"], readers
        )
    )


def home(tx: Transaction, reader_id: int, *, before: int | None, limit: int) -> list[TimelineRow]:
    """One page of what someone reads at home, newest first; `before` is a position."""
    author = actors.alias("author")
    announcer = actors.alias("announcer")
    post = tables.objects
    statement = (
        select(
            timelines.c.position,
            *objects.COLUMNS,
            *sql.columns(author, Actor),
            *sql.columns(announcer, Actor),
        )
        .select_from(timelines)
        .join(post, post.c.id == timelines.c.object_id)
        .join(author, author.c.id == post.c.author_id)
        .outerjoin(announcer, announcer.c.id == timelines.c.announced_by)
        .where(
            timelines.c.reader_id == reader_id,
            *objects.shown(Viewer(reader_id, local=True)),
            _announced_well(announcer.c.id, audience.welcome(announcer)),
        )
    )
    rows = tx.execute(sql.newest(statement, timelines.c.position, before, limit))
    return [_row(row) for row in rows]


def _announced_well(
    announcer_id: ColumnElement[int], welcome: ColumnElement[bool]
) -> ColumnElement[bool]:
    return or_(timelines.c.announced_by.is_(None), and_(announcer_id.is_not(None), welcome))


def _row(row: sql.AnyRow) -> TimelineRow:
    author_at = 1 + len(objects.COLUMNS)
    announcer_at = author_at + len(ACTOR_COLUMNS)
    return TimelineRow(
        position=row[0],
        post=sql.part(Post, row, 1),
        author=sql.part(Actor, row, author_at),
        announced_by=None if row[announcer_at] is None else sql.part(Actor, row, announcer_at),
    )
