"""What each of our people reads at home: one row per reader and post, written when it arrives."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Integer, and_, func, literal_column, or_, select, true, union

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

    The author, if one of ours, reads it too; a post for this school, everybody here; one for the
    members of a project, its members. With `announced_by` it is those who follow that actor, and
    that actor; if that is the project that it was written in, its members. Whoever has it already
    keeps it where it stands.
    """
    tx.execute(
        _place(sql.on_postgresql(tx)),
        {
            "the_post": post_id,
            "the_author": author_id,
            "the_source": author_id if announced_by is None else announced_by,
            "the_announcer": announced_by,
            "the_position": tx.new_id(),
        },
    )


@cache
def _place(for_postgresql: bool) -> Any:
    follows = tables.follows
    source = sql.number("the_source")
    member, for_school = actors.alias("member"), tables.objects.alias("for_school")
    in_project, membership = tables.objects.alias("in_project"), tables.memberships.alias()
    sources = union(
        select(follows.c.follower_id.label("id")).where(
            follows.c.followee_id == source, follows.c.state == "accepted"
        ),
        select(actors.c.id).where(actors.c.id == source),
        select(member.c.id)
        .select_from(for_school)
        .join(member, member.c.peer_id.is_(None))
        .where(
            for_school.c.id == sql.number("the_post"),
            for_school.c.audience == "school",
            member.c.type == "Person",
        ),
        select(membership.c.actor_id)
        .select_from(in_project)
        .join(membership, membership.c.project_id == in_project.c.project_id)
        .where(
            in_project.c.id == sql.number("the_post"),
            or_(in_project.c.audience == "project", in_project.c.project_id == source),
            audience.lasting(membership),
        ),
    ).subquery("sources")
    reader = actors.alias("reader")
    post = tables.objects
    readers = (
        select(reader.c.id, post.c.id, sql.number("the_position"), sql.number("the_announcer"))
        .select_from(sources)
        .join(reader, reader.c.id == sources.c.id)
        .join(post, post.c.id == sql.number("the_post"))
        .where(
            reader.c.peer_id.is_(None),
            reader.c.state == "active",
            post.c.author_id == sql.number("the_author"),
            post.c.deleted_at.is_(None),
            audience.visible_to(reader.c.id, true()),
            # Of the author this was asked already.
            or_(post.c.author_id == source, audience.at_peace(reader.c.id, source)),
        )
    )
    return (
        sql.insert_for(for_postgresql, timelines)
        .from_select(["reader_id", "object_id", "position", "announced_by"], readers)
        .on_conflict_do_nothing()
    )


_AUTHOR = actors.alias("author")
_ANNOUNCER = actors.alias("announcer")
_HOME = sql.newest(
    select(
        timelines.c.position,
        *objects.COLUMNS,
        *sql.columns(_AUTHOR, Actor),
        *sql.columns(_ANNOUNCER, Actor),
    )
    .select_from(timelines)
    .join(tables.objects, tables.objects.c.id == timelines.c.object_id)
    .join(_AUTHOR, _AUTHOR.c.id == tables.objects.c.author_id)
    .outerjoin(_ANNOUNCER, _ANNOUNCER.c.id == timelines.c.announced_by)
    .where(
        timelines.c.reader_id == audience.VIEWER,
        *objects.SHOWN,
        or_(
            timelines.c.announced_by.is_(None),
            and_(
                _ANNOUNCER.c.id.is_not(None),
                audience.welcome(_ANNOUNCER),
                audience.knows(audience.VIEWER, _ANNOUNCER),
                audience.at_peace(audience.VIEWER, _ANNOUNCER.c.id),
            ),
        ),
    ),
    timelines.c.position,
)


# PostgreSQL takes four times as long to plan this question as to answer it, and without being told
# it plans anew for every page. One plan fits every reader: the page is short, and its length stands
# in the text, so that the planner knows.
_PLAN_ONCE, _PLAN_AS_USUAL = (
    select(func.set_config("plan_cache_mode", mode, True))
    for mode in ("force_generic_plan", "auto")
)


@cache
def _page_of(rows: sql.Rows, length: int) -> sql.Rows:
    return rows.limit(literal_column(str(length), Integer))


def home(tx: Transaction, reader_id: int, *, before: int | None, limit: int) -> list[TimelineRow]:
    """One page of what someone reads at home, newest first; `before` is a position."""
    page = sql.page(before, limit)
    asked = audience.seen_by(Viewer(reader_id, local=True), page_before=page["page_before"])
    statement = _page_of(_HOME, page["page_limit"])
    if not sql.on_postgresql(tx):
        return [_row(row) for row in tx.execute(statement, asked)]
    tx.execute(_PLAN_ONCE).all()
    rows = tx.execute(statement, asked).all()
    tx.execute(_PLAN_AS_USUAL).all()
    return [_row(row) for row in rows]


def _row(row: sql.AnyRow) -> TimelineRow:
    author_at = 1 + len(objects.COLUMNS)
    announcer_at = author_at + len(ACTOR_COLUMNS)
    return TimelineRow(
        position=row[0],
        post=sql.part(Post, row, 1),
        author=sql.part(Actor, row, author_at),
        announced_by=None if row[announcer_at] is None else sql.part(Actor, row, announcer_at),
    )
