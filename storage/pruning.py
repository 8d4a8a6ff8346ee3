"""What others sent and nobody here kept goes after a while: what they said, then who they are.

A conversation goes as a whole or not at all. It stays, with what it quotes and what quotes it,
as long as anything in it is young, or is by somebody here, names them, was liked, passed on,
voted on or brought to their notice here, or stands in a project that is ours or has any of us in
it; so whatever our people can still reach from what is theirs is there, and what a later Update
or Delete of ours must reach is known.

What may go is found by reading, a few rows at a time; only then is something written, and looked
at again first: in between somebody may have kept it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from storage import audience, ids, sql, tables
from storage.rounds import Slice
from storage.tables import EPOCH, Moment, actors, arrivals, deliveries, objects, published, received
from storage.transaction import Transaction

# Rows that are looked at in one go, and rows that are removed in one: nobody else writes meanwhile.
LOOKED_AT = 200
AT_ONCE = 25
# A conversation of more posts than this stays: to look at it would take too long.
LONGEST = 1_000

_AFTER = sql.number("after")
_UNTIL = sql.number("until")
_SOME = bindparam("some", type_=Integer)


def _page(table: FromClause) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.id > _AFTER, table.c.id <= _UNTIL


def _look(tx: Transaction, statement: sql.Rows, after: int, until: int, **more: object) -> Slice:
    """Those rows of the next few that `statement`, which answers (id, wanted), wants."""
    where = {"after": after, "until": until, "some": LOOKED_AT, **more}
    rows = tx.execute(statement, where).all()
    last = rows[-1][0] if len(rows) == LOOKED_AT else until
    return Slice(tuple(row[0] for row in rows if row[1]), last)


# --- posts -------------------------------------------------------------------------------------


def _by_ours(table: FromClause, post: FromClause) -> ColumnElement[bool]:
    """Somebody here is in this table beside the post, be it as who did it or as who is named."""
    who = actors.alias()
    return sql.any_row(
        [table, who],
        table.c.object_id == post.c.id,
        who.c.id == table.c.actor_id,
        who.c.peer_id.is_(None),
        who.c.state != "deleted",
    )


def _pinned(post: FromClause) -> ColumnElement[bool]:
    """It stands on top of the profile of somebody whom we follow."""
    pin, follow = tables.featured.alias(), tables.follows.alias()
    return sql.any_row(
        [pin, follow], pin.c.object_id == post.c.id, follow.c.followee_id == pin.c.actor_id
    )


def _in_our_project(post: FromClause) -> ColumnElement[bool]:
    """It was written in a project of this school, or in one that somebody here is in."""
    project, who, membership = actors.alias(), actors.alias(), tables.memberships.alias()
    return or_(
        sql.any_row([project], project.c.id == post.c.project_id, project.c.peer_id.is_(None)),
        sql.any_row(
            [membership, who],
            membership.c.project_id == post.c.project_id,
            audience.lasting(membership),
            who.c.id == membership.c.actor_id,
            who.c.peer_id.is_(None),
        ),
    )


def _keeps(post: FromClause) -> ColumnElement[bool]:
    """This post keeps the conversation that it stands in."""
    author, lately, report = actors.alias(), tables.timelines.alias(), tables.reports.alias()
    told = tables.notifications.alias()
    return or_(
        post.c.id > _UNTIL,
        sql.any_row([author], author.c.id == post.c.author_id, author.c.peer_id.is_(None)),
        sql.any_row([lately], lately.c.object_id == post.c.id, lately.c.position > _UNTIL),
        sql.any_row([told], told.c.object_id == post.c.id),
        *(
            _by_ours(table.alias(), post)
            for table in (tables.recipients, tables.likes, tables.announces, tables.votes)
        ),
        _pinned(post),
        _in_our_project(post),
        sql.any_row(
            [report], report.c.subject_id == post.c.author_id, report.c.closed_at.is_(None)
        ),
    )


def _older_beside(post: FromClause) -> ColumnElement[bool]:
    """What this post answers or quotes came before it: the conversation is looked at from there."""
    older = objects.alias()
    return or_(
        sql.any_row([older], older.c.uri == post.c.in_reply_to, older.c.id < post.c.id),
        sql.any_row([older], older.c.uri == post.c.quotes, older.c.id < post.c.id),
    )


_POSTS = (
    select(
        objects.c.id,
        and_(actors.c.peer_id.is_not(None), ~_older_beside(objects), ~_keeps(objects)),
    )
    .join(actors, actors.c.id == objects.c.author_id)
    .where(*_page(objects))
    .order_by(objects.c.id)
    .limit(_SOME)
)

_LINKS = (objects.c.id, objects.c.uri, objects.c.in_reply_to, objects.c.quotes)
_BEGINNING = (
    select(*_LINKS).where(objects.c.id == sql.number("start")).cte("conversation", recursive=True)
)
_CONVERSATION = _BEGINNING.union(
    select(*_LINKS).join_from(
        _BEGINNING,
        objects,
        or_(
            objects.c.uri == _BEGINNING.c.in_reply_to,
            objects.c.in_reply_to == _BEGINNING.c.uri,
            objects.c.uri == _BEGINNING.c.quotes,
            objects.c.quotes == _BEGINNING.c.uri,
        ),
    )
)
_POST = objects.alias("post")
_MEMBERS = (
    select(_POST.c.id, _keeps(_POST))
    .join_from(_CONVERSATION, _POST, _POST.c.id == _CONVERSATION.c.id)
    .limit(bindparam("longest", type_=Integer))
)
_LOCK_POSTS = (
    select(objects.c.id)
    .where(objects.c.id.in_(sql.one_of("some_posts")))
    .order_by(objects.c.id)
    .with_for_update()
)
_BURIED = (
    select(objects.c.uri, actors.c.uri, objects.c.deleted_at)
    .join_from(objects, actors, actors.c.id == objects.c.author_id)
    .where(objects.c.id.in_(sql.one_of("some_posts")), objects.c.deleted_at.is_not(None))
)
_DELETE_POSTS = delete(objects).where(objects.c.id.in_(sql.one_of("some_posts")))


def look_at_posts(tx: Transaction, after: int, until: int) -> Slice:
    """Where conversations begin that perhaps go: not before all else of them was looked at."""
    return _look(tx, _POSTS, after, until)


def unkept(tx: Transaction, starts: Sequence[int], until: int) -> list[int]:
    """Those of these beginnings whose whole conversation was kept by nobody."""
    return [start for start in starts if _doomed(tx, start, until)]


def remove_posts(tx: Transaction, starts: Sequence[int], until: int) -> tuple[int, list[int]]:
    """Remove the conversations that begin with these posts, as far as nobody kept them.

    Answers how many posts went, and the beginnings that are still to be looked at: it ends where
    enough was done at once. Of a long conversation the far end goes first.
    """
    removed = looked_at = 0
    for place, start in enumerate(starts):
        doomed = _doomed(tx, start, until)
        if doomed and sql.on_postgresql(tx):
            # Whoever likes one of them now waits until it is gone, or we until it is liked.
            tx.execute(_LOCK_POSTS, {"some_posts": doomed}).all()
            doomed = _doomed(tx, start, until)
        going = doomed[removed - AT_ONCE :]
        if going:
            _delete_posts(tx, going)
        removed += len(going)
        looked_at += max(len(doomed), 1)
        if len(going) < len(doomed):
            return removed, list(starts[place:])
        if looked_at >= AT_ONCE:
            return removed, list(starts[place + 1 :])
    return removed, []


def _doomed(tx: Transaction, start: int, until: int) -> list[int]:
    """The posts that go if the conversation of `start` goes; none if something keeps it."""
    which = {"start": start, "until": until, "longest": LONGEST + 1}
    members = tx.execute(_MEMBERS, which).all()
    if len(members) > LONGEST or any(keeps for _, keeps in members):
        return []
    return [id_ for id_, _ in members]


def _delete_posts(tx: Transaction, post_ids: list[int]) -> None:
    """The rows go, and all that hangs on them. An id that was deleted stays used for ever."""
    some = {"some_posts": sorted(post_ids)}
    buried = tx.execute(_BURIED, some).all()
    if buried:
        tx.execute(
            sql.insert_ignore(tx, tables.tombstones),
            [dict(zip(("uri", "actor_uri", "deleted_at"), row, strict=True)) for row in buried],
        )
    tx.execute(_DELETE_POSTS, some)


# --- what came with them -----------------------------------------------------------------------

# Activities whose object is a post.
_ABOUT_POSTS = ("Create", "Update", "Delete", "Announce", "Like", "EmojiReact", "Dislike", "Add")

_INNER = received.alias("inner")
_HAS_READERS = sql.any_row([arrivals], arrivals.c.received_id == received.c.id)
_POST_IS_GONE = and_(
    received.c.type.in_(_ABOUT_POSTS),
    received.c.object_uri.is_not(None),
    ~sql.any_row([objects], objects.c.uri == received.c.object_uri),
    ~sql.any_row([actors], actors.c.uri == received.c.object_uri),
    # A group passes on an activity: it is about what that one is about.
    ~sql.any_row(
        [_INNER, objects],
        _INNER.c.uri == received.c.object_uri,
        objects.c.uri == _INNER.c.object_uri,
    ),
)
_SENDER = actors.alias("sender")
_IDLE_BODY = and_(
    received.c.state == "done",
    func.length(received.c.body) > 0,
    or_(
        ~_HAS_READERS,
        sql.any_row([_SENDER], _SENDER.c.uri == received.c.actor_uri, _SENDER.c.state == "deleted"),
    ),
)


def _received(wanted: ColumnElement[bool]) -> sql.Rows:
    return (
        select(received.c.id, wanted).where(*_page(received)).order_by(received.c.id).limit(_SOME)
    )


_ARRIVALS = _received(and_(received.c.state == "done", _HAS_READERS, _POST_IS_GONE))
_BODIES = _received(_IDLE_BODY)
_SOME_RECEIVED = received.c.id.in_(sql.one_of("some_received"))
_DELETE_ARRIVALS = delete(arrivals).where(
    arrivals.c.received_id.in_(select(received.c.id).where(_SOME_RECEIVED, _POST_IS_GONE))
)
_EMPTY = update(received).where(_SOME_RECEIVED, _IDLE_BODY).values(body=b"")


def look_at_arrivals(tx: Transaction, after: int, until: int) -> Slice:
    """What lies in somebody's inbox and is about a post that was removed."""
    return _look(tx, _ARRIVALS, after, until)


def remove_arrivals(tx: Transaction, received_ids: Sequence[int]) -> int:
    """Take these out of all inboxes, unless their post is here again; how many entries went."""
    return tx.execute(_DELETE_ARRIVALS, {"some_received": sorted(received_ids)}).rowcount


def look_at_bodies(tx: Transaction, after: int, until: int) -> Slice:
    """Activities that were worked on, that nobody finds in an inbox, and that have their body."""
    return _look(tx, _BODIES, after, until)


def empty_bodies(tx: Transaction, received_ids: Sequence[int]) -> int:
    """Forget what these said, not that they came: an id counts once, for ever."""
    return tx.execute(_EMPTY, {"some_received": sorted(received_ids)}).rowcount


# --- what we sent ------------------------------------------------------------------------------

_AUTHOR = actors.alias("author")
# Who got a post of ours is told when it changes or goes: that is known as long as it lives.
_LIVES = sql.any_row(
    [objects, _AUTHOR],
    objects.c.uri == published.c.object_uri,
    objects.c.deleted_at.is_(None),
    _AUTHOR.c.id == objects.c.author_id,
    _AUTHOR.c.peer_id.is_(None),
)
_OF_ACTIVITY = deliveries.c.activity_id == published.c.id
_ENDED = or_(and_(deliveries.c.state.in_(("done", "aside")), ~_LIVES), deliveries.c.state == "over")
_SENT = (
    select(published.c.id, sql.any_row([deliveries], _OF_ACTIVITY, _ENDED))
    .where(*_page(published))
    .order_by(published.c.id)
    .limit(_SOME)
)
_SOME_ENDED = (
    select(deliveries.c.id)
    .join(published, _OF_ACTIVITY)
    .where(published.c.id.in_(sql.one_of("some_sent")), _ENDED)
    .order_by(deliveries.c.id)
    .limit(_SOME)
)
_DELETE_DELIVERIES = delete(deliveries).where(deliveries.c.id.in_(sql.one_of("some_deliveries")))


def look_at_sent(tx: Transaction, after: int, until: int) -> Slice:
    """Activities of ours with deliveries that ended and that nobody will ask for."""
    return _look(tx, _SENT, after, until)


def remove_deliveries(tx: Transaction, activity_ids: Sequence[int]) -> tuple[int, bool]:
    """Remove what ended of these activities: how many rows, and whether there may be more."""
    some = {"some_sent": sorted(activity_ids), "some": LOOKED_AT}
    ended = tx.execute(_SOME_ENDED, some).scalars().all()
    if ended:
        tx.execute(_DELETE_DELIVERIES, {"some_deliveries": ended})
    return len(ended), len(ended) == LOOKED_AT


# --- people ------------------------------------------------------------------------------------

_FIRST = actors.alias("first")
_MET = (
    (tables.follows, ("follower_id", "followee_id")),
    (tables.blocks, ("actor_id", "target_id")),
    (tables.memberships, ("project_id", "actor_id", "formerly_id")),
    (tables.projects, ("actor_id",)),
    (tables.moves, ("actor_id", "other_id")),
    (tables.objects, ("author_id", "project_id")),
    (tables.votes, ("actor_id",)),
    (tables.recipients, ("actor_id",)),
    (tables.fetched, ("actor_id",)),
    (tables.likes, ("actor_id",)),
    (tables.announces, ("actor_id",)),
    (tables.featured, ("actor_id",)),
    (tables.timelines, ("announced_by",)),
    (tables.notifications, ("actor_id",)),
    (tables.published, ("actor_id", "project_id")),
    (tables.reports, ("subject_id", "reporter_id")),
)
_STRANGER = and_(
    actors.c.peer_id.is_not(None),
    # Who was deleted does not come back, who was suspended by us stays so.
    actors.c.state != "deleted",
    ~actors.c.suspended_here,
    # Somebody of each server stays known, and who signs for it: to knock, and to be told.
    actors.c.type != "Application",
    sql.any_row(
        [_FIRST],
        _FIRST.c.peer_id == actors.c.peer_id,
        _FIRST.c.id < actors.c.id,
        _FIRST.c.state == "active",
    ),
    func.coalesce(actors.c.fetched_at, actors.c.created_at) < bindparam("old", type_=Moment()),
    *(
        ~sql.any_row([table], table.c[name] == actors.c.id)
        for table, names in _MET
        for name in names
    ),
)
_PEOPLE = select(actors.c.id, _STRANGER).where(*_page(actors)).order_by(actors.c.id).limit(_SOME)
_SOME_PEOPLE = actors.c.id.in_(sql.one_of("some_people"))
_LOCK_PEOPLE = select(actors.c.id).where(_SOME_PEOPLE).order_by(actors.c.id).with_for_update()
_DELETE_PEOPLE = delete(actors).where(_SOME_PEOPLE, _STRANGER)


def look_at_people(tx: Transaction, after: int, until: int) -> Slice:
    """Actors of other servers with whom nobody here has to do, and whom nobody asked for since."""
    return _look(tx, _PEOPLE, after, until, old=_moment(until))


def remove_people(tx: Transaction, actor_ids: Sequence[int], until: int) -> int:
    """Forget these, as far as that still holds for them; how many those were."""
    some = sorted(actor_ids)
    if sql.on_postgresql(tx):
        # Whoever meets one of them now waits until they are gone, or we until they are met.
        tx.execute(_LOCK_PEOPLE, {"some_people": some}).all()
    return tx.execute(_DELETE_PEOPLE, {"some_people": some, "old": _moment(until)}).rowcount


def _moment(id_: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ids.moment(id_))
