"""Who something is for, and the project that it is said in, as its author says.

What is addressed to the members of a project is for them alone. What is for everybody can be said
in an open project too: then it names the project as its `audience` (FEP-1b12). That the author may
speak there is asked elsewhere (`inbox/passing_on.py`, `outbox/audience.py`).
"""

from collections.abc import Container
from dataclasses import dataclass

from actors import local
from federation.vocabulary import MOST_RECIPIENTS, PUBLIC, Addressing
from storage import actors, projects
from storage.actors import Actor
from storage.audience import OPEN
from storage.database import Transaction
from storage.objects import Post


@dataclass(frozen=True, slots=True)
class Intended:
    kind: str  # public|unlisted|followers|school|project|direct
    project: Actor | None = None


def of(
    tx: Transaction, author: Actor, addressed: Addressing, people: Container[str] = ()
) -> Intended:
    """Who something of `author` with these addresses is for; those of `people` are known to be
    somebody, and so nobody's list of members."""
    kind = local.audience_of(tx, author, addressed)
    if kind in OPEN:
        return Intended(kind, named(tx, author, addressed))
    project = None if kind == "school" else members_addressed(tx, author, addressed, people)
    return Intended(kind) if project is None else Intended("project", project)


def members_addressed(
    tx: Transaction, author: Actor, addressed: Addressing, people: Container[str] = ()
) -> Actor | None:
    """The project whose members are among the addresses; no more of them are looked at than
    anything of ours may have."""
    uris = (*addressed.to, *addressed.cc)[:MOST_RECIPIENTS]
    if author.members is not None and author.members in uris:
        return author
    # Of our own addresses only those of projects can be such a list: most posts ask nothing.
    return projects.first_by_members(
        tx,
        (
            uri
            for uri in uris
            if uri not in (PUBLIC, author.followers)
            and uri not in people
            and (local.in_projects(tx.school, uri) or not uri.startswith(f"{tx.school.url}/"))
        ),
    )


def named(tx: Transaction, author: Actor, addressed: Addressing) -> Actor | None:
    """The project that something for everybody is said in: one of ours, or one that our people
    have to do with; not any group."""
    if author.members is not None and author.members in (*addressed.to, *addressed.cc):
        return author
    return projects.first_by_uri(tx, addressed.audience[:MOST_RECIPIENTS])


def project_of(tx: Transaction, post: Post) -> Actor | None:
    """The project that a post we keep was written in."""
    return None if post.project_id is None else actors.by_id(tx, post.project_id)
