"""Who an activity of ours is for: read from its addresses, once, before anything is written.

Six audiences: public, unlisted, followers, this school only, the members of a project, named people
only. A post for this school only never leaves it, and one for the members of a project goes to the
project alone, which brings it to them; naming somebody outside beside it is a mistake that we say
aloud. https://www.w3.org/TR/activitypub/#delivery
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors import audiences, local
from actors.audiences import Intended
from federation.errors import Malformed, Refused
from federation.vocabulary import MOST_RECIPIENTS, PUBLIC, addressing
from storage import actors, blocks, deliveries, memberships, projects
from storage.actors import Actor
from storage.database import Transaction

# What ends something reaches those too who are kept apart from its author: they had it before.
_ENDING = frozenset({"Block", "Delete", "Leave", "Reject", "Undo"})
# What every member may do in a project; for all else one has to be an editor or lead.
_FOR_OBSERVERS = frozenset({"Like"})

# One POST to a server reaches everyone there only where all of them may read it anyway.
_BY_SHARED_INBOX = frozenset({"public", "unlisted", "followers"})


@dataclass(frozen=True)
class Audience:
    """`named` stand in to and cc, `hidden` only in bto and bcc; our author is in neither.

    `kind` is public, unlisted, followers, school, project or direct; `to` and `cc` are spelled in
    full. `project` is the one that it is said in, `members` whether those are addressed; `ending`
    is what takes something back.
    """

    kind: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    followers: bool
    named: tuple[Actor, ...]
    hidden: tuple[Actor, ...]
    project: Actor | None = None
    members: bool = False
    ending: bool = False

    @property
    def everyone(self) -> tuple[Actor, ...]:
        return (*self.named, *self.hidden)

    def spoken_by(self, actor: Actor) -> bool:
        """Whether it is the project itself that speaks."""
        return self.project is not None and self.project.id == actor.id


def resolve(tx: Transaction, actor: Actor, activity: Mapping[str, Any]) -> Audience:
    """Who `activity` of our `actor` is for, its embedded object included.

    Raises Malformed, naming the address, for anyone we do not know, for whoever is kept apart
    from our actor by a block, for collections of others, for collections in bto or bcc, and for a
    mixture of this school only, or of members of a project, with anyone else; Refused for who may
    not write in the project. A post that is edited keeps its addresses, and goes no more to those
    who were blocked since.
    """
    kind = str(activity.get("type"))
    said = addressing(dict(activity))
    open_uris = list(dict.fromkeys((*said.to, *said.cc)))
    hidden_uris = [uri for uri in said.hidden if uri not in open_uris]
    if len(open_uris) + len(hidden_uris) > MOST_RECIPIENTS:
        raise Malformed(f"more than {MOST_RECIPIENTS} recipients")
    followers = actor.followers or ""
    lists = {PUBLIC, followers, local.members_uri(tx.school)}
    known = actors.by_uris(tx, {*open_uris, *hidden_uris} - lists)
    meant = audiences.of(tx, actor, said, known)
    members = _members(meant.project)
    if meant.project is not None:
        _check_member(tx, actor, kind, meant, members if members in open_uris else None)
    lists.add(members)
    for uri in hidden_uris:
        if uri in lists:
            raise Malformed(f"{uri} cannot be addressed in bto or bcc: name it in to or cc")
    wanted = [uri for uri in (*open_uris, *hidden_uris) if uri not in lists]
    people = _reached(tx, actor, kind, _people(tx, actor, kind, wanted, known))
    audience = Audience(
        kind=meant.kind,
        to=said.to,
        cc=tuple(uri for uri in said.cc if uri not in said.to),
        followers=followers in open_uris,
        named=tuple(people[uri] for uri in open_uris if uri in people and uri != actor.uri),
        hidden=tuple(people[uri] for uri in hidden_uris if uri in people and uri != actor.uri),
        project=meant.project,
        members=members in open_uris,
        ending=kind in _ENDING,
    )
    if local.members_uri(tx.school) in open_uris:
        _keep_inside(audience)
    if audience.kind == "project" and not audience.ending and not audience.spoken_by(actor):
        _keep_among_members(tx, audience)
    return audience


def _members(project: Actor | None) -> str:
    return "" if project is None else str(project.members)


# --- people --------------------------------------------------------------------------------------


def _people(
    tx: Transaction, actor: Actor, kind: str, uris: list[str], known: Mapping[str, Actor]
) -> dict[str, Actor]:
    """Who is at these addresses, of those who are known. Raises Malformed where nobody is."""
    for uri in uris:
        person = known.get(uri)
        if person is None or (kind not in _ENDING and projects.hidden(tx, actor.id, person)):
            raise unknown(uri)
    return {uri: known[uri] for uri in uris}


def unknown(uri: str) -> Malformed:
    return Malformed(f"cannot address {uri}: it is not a person or group that we know")


def _reached(
    tx: Transaction, actor: Actor, kind: str, people: dict[str, Actor]
) -> dict[str, Actor]:
    """Those of `people` whom an activity of that type may reach: not across a block."""
    if kind in _ENDING or not people:
        return people
    apart = blocks.apart(tx, actor.id, [person.id for person in people.values()])
    for uri, person in people.items():
        if person.id in apart and kind != "Update":
            raise Malformed(f"cannot address {uri}: {_why(tx, actor, person)}")
    return {uri: person for uri, person in people.items() if person.id not in apart}


def _why(tx: Transaction, actor: Actor, person: Actor) -> str:
    if blocks.get(tx, actor.id, person.id) is not None:
        return "you block this person"
    return "this person cannot be reached by you"


def _keep_inside(audience: Audience) -> None:
    outside = [actor.uri for actor in audience.everyone if not actor.local]
    if PUBLIC in (*audience.to, *audience.cc):
        outside.append(PUBLIC)
    if audience.followers:
        outside.append("followers")
    if outside or audience.kind != "school":
        raise Malformed(
            "a post for this school only cannot also be addressed to " + ", ".join(outside)
        )


# --- projects ------------------------------------------------------------------------------------


def _check_member(
    tx: Transaction, actor: Actor, kind: str, meant: Intended, members: str | None
) -> None:
    """Raise unless our actor may say this in the project: for others it is as if there were none.

    What its members had from somebody, that one may take back at any time.
    """
    project = meant.project
    if project is None or project.id == actor.id or kind in _ENDING:
        return
    role = memberships.role(tx, project.id, actor.id)
    if role is None:
        if members is not None or projects.hidden(tx, actor.id, project):
            raise unknown(members or project.uri)
        raise Refused(f"only members of {project.name or project.handle} write in it")
    if role == "observer" and kind not in _FOR_OBSERVERS:
        raise Refused(f"you are an observer in {project.name or project.handle}: you may read")
    known = projects.get(tx, project.id)
    if kind == "Create" and meant.kind != "project" and known is not None and known.private:
        raise Malformed(
            f"{project.name or project.handle} is private: what is said in it is for its members"
        )


def _keep_among_members(tx: Transaction, audience: Audience) -> None:
    """What is for the members of a project goes to nobody else."""
    project = audience.project
    assert project is not None
    outside = [
        person.handle
        for person in audience.everyone
        if person.id != project.id and memberships.role(tx, project.id, person.id) is None
    ]
    if audience.followers:
        outside.append("followers")
    if outside:
        raise Malformed(
            "a post for the members of a project cannot also be addressed to " + ", ".join(outside)
        )


# --- where it goes -------------------------------------------------------------------------------


def inboxes(audience: Audience, author: Actor, reached_by: str | None = None) -> deliveries.To:
    """Where it is delivered: personal inboxes wherever others on that server may not read it.

    `reached_by` is the id of a post: whoever got, fetched, answered or boosted it is told too.
    """
    its_own = audience.spoken_by(author)
    past_it = audience.kind == "project" and not its_own
    named = tuple(person for person in audience.named if not person.local)
    if past_it:
        # The project brings it to the others: what comes past it counts for nobody.
        named = tuple(person for person in named if audience.spoken_by(person))
    # The inbox of a private project is shut for who left it; what they take back is still heard.
    by_shared = audience.kind in _BY_SHARED_INBOX or (past_it and audience.ending)
    ids = tuple(person.id for person in named)
    return deliveries.To(
        followers_of=author.id if audience.followers else None,
        members_of=author.id if audience.members and its_own else None,
        named=() if by_shared else ids,
        shared=ids if by_shared else (),
        hidden=tuple(person.id for person in audience.hidden if not person.local),
        reached_by=None if past_it or audience.kind == "school" else reached_by,
    )
