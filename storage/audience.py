"""Who may see what: the one condition that every query returning posts carries.

Public and unlisted posts are for everybody. Those for followers are for the author, for whom they
name, and for whom our own records hold as accepted followers. School posts are for the people of
this school, those of a project for whoever is a member of it now, and for the project itself.
Direct ones are for the author and whom they name. Whoever was suspended or deleted, or comes from
a blocked server, is seen by nobody: not their posts, old ones included, and not what they
announced. Where one person blocks another, neither sees what the other says or does, public or
not; it stays where it is, and shows again once nobody blocks any more.

A private project does not exist for anybody who is neither in it nor asked to be (PROTOCOL §9).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, FromClause, Select, and_, bindparam, or_, select

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
        _is_for(post, reader, local),
        sql.any_row(
            [author], author.c.id == post.c.author_id, welcome(author), knows(reader, author)
        ),
        at_peace(reader, post.c.author_id),
    )


def _is_for(
    post: FromClause, reader: ColumnElement[int], local: ColumnElement[bool]
) -> ColumnElement[bool]:
    is_named = named(post.c.id, reader)
    return admits(post.c.audience, post.c.author_id, post.c.project_id, is_named, reader, local)


def admits(
    audience: ColumnElement[str],
    author_id: ColumnElement[int],
    project_id: ColumnElement[int],
    is_named: ColumnElement[bool],
    reader: ColumnElement[int],
    local: ColumnElement[bool],
) -> ColumnElement[bool]:
    """The rule itself, for whatever has an audience, an author, a project and people it names.

    `project_id` is null where it is of no project.
    """
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
        and_(audience == "project", or_(project_id == reader, is_member(project_id, reader))),
    )


def is_member(project_id: ColumnElement[int], reader: ColumnElement[int]) -> ColumnElement[bool]:
    """True while the reader is in the project."""
    membership = tables.memberships.alias()
    return sql.any_row(
        [membership],
        membership.c.project_id == project_id,
        membership.c.actor_id == reader,
        lasting(membership),
    )


def members_of(project_id: ColumnElement[int]) -> Select[tuple[int]]:
    """Those who are in the project now: one column of actors, `id`."""
    membership = tables.memberships.alias()
    return select(membership.c.actor_id.label("id")).where(
        membership.c.project_id == project_id, lasting(membership)
    )


def lasting(membership: FromClause) -> ColumnElement[bool]:
    """True for memberships that hold now: neither only asked for or offered, nor ended."""
    return and_(membership.c.ended_at.is_(None), membership.c.state == "member")


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


def knows(reader: ColumnElement[int], actor: FromClause) -> ColumnElement[bool]:
    """True for actors of whom `reader` may know that there are such.

    Of a private project that is whoever is in it, was asked into it, or asks to be; and itself.
    """
    membership = tables.memberships.alias()
    concerned = sql.any_row(
        [membership],
        membership.c.project_id == actor.c.id,
        membership.c.actor_id == reader,
        membership.c.ended_at.is_(None),
    )
    return or_(known_to_all(actor), actor.c.id == reader, concerned)


def known_to_all(actor: FromClause) -> ColumnElement[bool]:
    """True for actors of whom everybody may know: for lists that are the same for every viewer."""
    project = tables.projects.alias()
    return ~sql.any_row(
        [project], project.c.actor_id == actor.c.id, project.c.openness == "private"
    )


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
    _is_for(tables.objects, VIEWER, VIEWER_IS_LOCAL),
)


def is_for(tx: Transaction, viewer: Viewer, object_id: int) -> bool:
    """Whether a post was written for the viewer too, blocked by now or not: never for showing it,
    only for what they may say of it to our administrator."""
    return tx.execute(_IS_FOR, seen_by(viewer, post_id=object_id)).first() is not None


_CAN_SEE = select(tables.objects.c.id).where(tables.objects.c.id == sql.number("post_id"), VISIBLE)


def can_see(tx: Transaction, viewer: Viewer, object_id: int) -> bool:
    return tx.execute(_CAN_SEE, seen_by(viewer, post_id=object_id)).first() is not None
