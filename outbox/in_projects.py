"""One of our people says something in a project: who that is for.

What is for its members goes to the project alone, which brings it to them. What is for everybody
goes where it always goes, and to the project, which passes it on to its members and to whoever
follows it (FEP-1b12). What answers words that were for the members stays among them.
"""

from typing import Any

from actors import audiences, local
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC, Addressing
from storage import memberships, projects
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post


def among_members(
    tx: Transaction, actor: Actor, said: Addressing, answered: Post | None
) -> Actor | None:
    """The project for whose members a post with these addresses is, if it is for those alone.

    Raises Refused for an answer to words that were for members, and that is to go elsewhere;
    Malformed for a mixture with everybody or with followers.
    """
    kept = _answered_among_members(tx, said, answered)
    if kept is not None:
        _stay(tx, actor, said, kept)
        return kept
    addressed = audiences.members_addressed(tx, actor, said)
    if addressed is not None and projects.hidden(tx, actor.id, addressed):
        return None  # then nobody knows that address
    project = addressed or (None if PUBLIC in said.everyone else _named(tx, actor, said))
    if project is not None and not _wider(tx, actor).isdisjoint(said.everyone):
        raise Malformed("what is said in a project is for its members alone, or for everybody")
    return project


def in_public(
    tx: Transaction, actor: Actor, said: Addressing, answered: Post | None
) -> Actor | None:
    """The project in which a post is that is for everybody, because it says so or answers one."""
    if PUBLIC not in said.everyone:
        return None
    project = _named(tx, actor, said)
    if project is not None or answered is None:
        return project
    project = audiences.project_of(tx, answered)
    if project is None or memberships.role(tx, project.id, actor.id) not in ("lead", "editor"):
        return None
    return project


def to_members(
    project: Actor, actor: Actor, said: Addressing, mentioned: list[Actor]
) -> dict[str, Any]:
    """The addresses of a Create that is for the members of a project."""
    wanted = [project.uri, *said.to, *said.cc]
    wanted += [person.uri for person in mentioned if person.id != actor.id]
    return {
        "type": "Create",
        "to": [project.members],
        "cc": [uri for uri in dict.fromkeys(wanted) if uri != project.members],
        "bcc": list(said.hidden),
        "audience": [project.uri],
    }


def _answered_among_members(
    tx: Transaction, said: Addressing, answered: Post | None
) -> Actor | None:
    if answered is None or answered.audience != "project":
        return None
    return audiences.project_of(tx, answered)


def _stay(tx: Transaction, actor: Actor, said: Addressing, project: Actor) -> None:
    """Raise Refused for an answer that is addressed past the members of the project: it is never
    shown to more people than somebody wanted, nor to others than those who read the question."""
    meant = not said.everyone or {project.uri, project.members} & {*said.to, *said.cc}
    if not meant or not _wider(tx, actor).isdisjoint(said.everyone):
        name = project.name or project.handle
        raise Refused(
            f"an answer to what was said among the members of {name} is for them: "
            f"address it to {project.members}"
        )


def _wider(tx: Transaction, actor: Actor) -> set[str | None]:
    return {PUBLIC, actor.followers, local.members_uri(tx.school)}


def _named(tx: Transaction, actor: Actor, said: Addressing) -> Actor | None:
    """The project that is named as the audience, if our actor may know of it."""
    project = audiences.named(tx, actor, said)
    return None if project is None or projects.hidden(tx, actor.id, project) else project
