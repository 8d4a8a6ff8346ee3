"""Who may see what: the one condition that every query returning posts carries.

Public and unlisted posts are for everybody. Those for followers are for the author, for whom they
name, and for whom our own records hold as accepted followers. School posts are for the people of
this school. Direct ones are for the author and whom they name. Whoever was suspended or deleted,
or comes from a blocked server, is seen by nobody: not their posts, old ones included, and not
what they announced. Where one person blocks another, neither sees what the other says or does,
public or not; it stays where it is, and shows again once nobody blocks any more.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, FromClause, and_, bindparam, or_, select

from storage import sql, tables
from storage.transaction import Transaction

# Audiences that include everybody.
OPEN = ("public", "unlisted")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking: an actor or nobody known, of this school or from outside."""

    actor_id: int | None
    local: bool


NOBODY = Viewer(None, False)


def visible_to(
    reader: ColumnElement[int],
    local: ColumnElement[bool],
    post: FromClause = tables.objects,
) -> ColumnElement[bool]:
    """True for the posts that `reader` may see, be it one viewer or a column of them.

    `local` is true where the reader is of this school. Says nothing about deleted posts.
    """
    author = tables.actors.alias()
    return and_(
        admits(post.c.audience, post.c.author_id, named(post.c.id, reader), reader, local),
        sql.any_row([author], author.c.id == post.c.author_id, welcome(author)),
        at_peace(reader, post.c.author_id),
    )


def admits(
    audience: ColumnElement[str],
    author_id: ColumnElement[int],
    is_named: ColumnElement[bool],
    reader: ColumnElement[int],
    local: ColumnElement[bool],
) -> ColumnElement[bool]:
    """The rule itself, for whatever has an audience, an author and people it names."""
    follow = tables.follows.alias()
    follows = sql.any_row(
        [follow],
        follow.c.follower_id == reader,
        follow.c.followee_id == author_id,
        follow.c.state == "accepted",
    )
    return or_(
        audience.in_(OPEN),
        author_id == reader,
        and_(audience == "school", local),
        and_(audience == "followers", follows),
        and_(audience.in_(("followers", "direct")), is_named),
    )


def named(object_id: ColumnElement[int], reader: ColumnElement[int]) -> ColumnElement[bool]:
    """True where the post names the reader, openly or not."""
    recipient = tables.recipients.alias()
    return sql.any_row(
        [recipient], recipient.c.object_id == object_id, recipient.c.actor_id == reader
    )


def welcome(actor: FromClause) -> ColumnElement[bool]:
    """True for actors who are active and not from a blocked server."""
    peer = tables.peers.alias()
    blocked = sql.any_row([peer], peer.c.id == actor.c.peer_id, peer.c.blocked)
    return and_(actor.c.state == "active", ~blocked)


def at_peace(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[bool]:
    """True where neither of the two blocks the other."""
    there, back = tables.blocks.alias(), tables.blocks.alias()
    # Two questions, so that each is one look into the unique index.
    return and_(
        ~sql.any_row([there], there.c.actor_id == one, there.c.target_id == other),
        ~sql.any_row([back], back.c.actor_id == other, back.c.target_id == one),
    )


# The condition for one viewer. Statements with it, or with these two, run with `seen_by`.
VIEWER = sql.number("viewer_id")
VIEWER_IS_LOCAL = bindparam("viewer_is_local", type_=Boolean)
VISIBLE = visible_to(VIEWER, VIEWER_IS_LOCAL)


def seen_by(viewer: Viewer, **more: Any) -> dict[str, Any]:
    """The parameters for a statement with `VISIBLE`, and what else it needs."""
    # No row has the id 0.
    return {"viewer_id": viewer.actor_id or 0, "viewer_is_local": viewer.local, **more}


_IS_FOR = select(tables.objects.c.id).where(
    tables.objects.c.id == sql.number("post_id"),
    admits(
        tables.objects.c.audience,
        tables.objects.c.author_id,
        named(tables.objects.c.id, VIEWER),
        VIEWER,
        VIEWER_IS_LOCAL,
    ),
)


def is_for(tx: Transaction, viewer: Viewer, object_id: int) -> bool:
    """Whether a post was written for the viewer too, blocked by now or not: never for showing it,
    only for what they may say of it to our administrator."""
    return tx.execute(_IS_FOR, seen_by(viewer, post_id=object_id)).first() is not None


_CAN_SEE = select(tables.objects.c.id).where(tables.objects.c.id == sql.number("post_id"), VISIBLE)


def can_see(tx: Transaction, viewer: Viewer, object_id: int) -> bool:
    return tx.execute(_CAN_SEE, seen_by(viewer, post_id=object_id)).first() is not None
