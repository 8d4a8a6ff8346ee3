"""Who may see what: the one condition that every query returning posts carries.

Public and unlisted posts are for everybody. Those for followers are for the author, for whom they
name, and for whom our own records hold as accepted followers. School posts are for the people of
this school. Direct ones are for the author and whom they name. Whoever was suspended or deleted,
or comes from a blocked server, is seen by nobody: not their posts, old ones included, and not
their boosts.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, and_, false, literal, or_, select

from storage import peers, sql, tables
from storage.transaction import Transaction

# Audiences that include everybody.
OPEN = ("public", "unlisted")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking: an actor or nobody known, of this school or from outside."""

    actor_id: int | None
    local: bool


NOBODY = Viewer(None, False)


def visible(viewer: Viewer, post: FromClause = tables.objects) -> ColumnElement[bool]:
    """True for the posts that `viewer` may see. Says nothing about deleted ones."""
    return visible_to(reader_of(viewer), local=viewer.local, post=post)


def visible_to(
    reader: ColumnElement[int] | None, *, local: bool, post: FromClause = tables.objects
) -> ColumnElement[bool]:
    """The same where the reader is a column: one of many, all local or none."""
    author = tables.actors.alias()
    return and_(
        admits(post.c.audience, post.c.author_id, named(post.c.id, reader), reader, local=local),
        sql.any_row([author], author.c.id == post.c.author_id, welcome(author)),
    )


def admits(
    audience: ColumnElement[str],
    author_id: ColumnElement[int],
    is_named: ColumnElement[bool],
    reader: ColumnElement[int] | None,
    *,
    local: bool,
) -> ColumnElement[bool]:
    """The rule itself, for whatever has an audience, an author and people it names."""
    ways: list[ColumnElement[bool]] = [audience.in_(OPEN)]
    if local:
        ways.append(audience == "school")
    if reader is not None:
        follow = tables.follows.alias()
        follows = sql.any_row(
            [follow],
            follow.c.follower_id == reader,
            follow.c.followee_id == author_id,
            follow.c.state == "accepted",
        )
        ways += [
            author_id == reader,
            and_(audience.in_(("followers", "direct")), is_named),
            and_(audience == "followers", follows),
        ]
    return or_(*ways)


def named(object_id: ColumnElement[int], reader: ColumnElement[int] | None) -> ColumnElement[bool]:
    """True where the post names the reader, openly or not."""
    if reader is None:
        return false()
    recipient = tables.recipients.alias()
    return sql.any_row(
        [recipient], recipient.c.object_id == object_id, recipient.c.actor_id == reader
    )


def welcome(actor: FromClause) -> ColumnElement[bool]:
    """True for actors who are active and not from a blocked server."""
    return and_(actor.c.state == "active", ~peers.peer_blocked(actor.c.peer_id))


def reader_of(viewer: Viewer) -> ColumnElement[int] | None:
    return None if viewer.actor_id is None else literal(viewer.actor_id, tables.actors.c.id.type)


def can_see(tx: Transaction, viewer: Viewer, object_id: int) -> bool:
    row = tx.execute(
        select(tables.objects.c.id).where(tables.objects.c.id == object_id, visible(viewer))
    ).first()
    return row is not None
