"""Who an activity of ours is for: read from its addresses, once, before anything is written.

Five audiences: public, unlisted, followers, this school only, named people only. A post for this
school only never leaves it; naming somebody outside beside it is a mistake that we say aloud.
https://www.w3.org/TR/activitypub/#delivery
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors import local
from federation.errors import Malformed
from federation.vocabulary import MOST_RECIPIENTS, PUBLIC, addressing
from storage import actors, blocks, deliveries
from storage.actors import Actor
from storage.database import Transaction

# What ends something reaches those too who are kept apart from its author: they had it before.
_ENDING = frozenset({"Block", "Delete", "Reject", "Undo"})

# One POST to a server reaches everyone there only where all of them may read it anyway.
_BY_SHARED_INBOX = frozenset({"public", "unlisted", "followers"})


@dataclass(frozen=True)
class Audience:
    """`named` stand in to and cc, `hidden` only in bto and bcc; our author is in neither.

    `kind` is public, unlisted, followers, school or direct; `to` and `cc` are spelled in full.
    """

    kind: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    followers: bool
    named: tuple[Actor, ...]
    hidden: tuple[Actor, ...]

    @property
    def everyone(self) -> tuple[Actor, ...]:
        return (*self.named, *self.hidden)


def resolve(tx: Transaction, actor: Actor, activity: Mapping[str, Any]) -> Audience:
    """Who `activity` of our `actor` is for, its embedded object included.

    Raises Malformed, naming the address, for anyone we do not know, for whoever is kept apart
    from our actor by a block, for collections of others, for collections in bto or bcc, and for a
    mixture of this school only with anyone else. A post that is edited keeps its addresses, and
    goes no more to those who were blocked since.
    """
    said = addressing(dict(activity))
    followers = actor.followers or ""
    members = local.members_uri(tx.school)
    open_uris = list(dict.fromkeys((*said.to, *said.cc)))
    hidden_uris = [uri for uri in said.hidden if uri not in open_uris]
    if len(open_uris) + len(hidden_uris) > MOST_RECIPIENTS:
        raise Malformed(f"more than {MOST_RECIPIENTS} recipients")
    collections = {PUBLIC, followers, members}
    for uri in hidden_uris:
        if uri in collections:
            raise Malformed(f"{uri} cannot be addressed in bto or bcc: name it in to or cc")
    people = _people(tx, [uri for uri in (*open_uris, *hidden_uris) if uri not in collections])
    people = _reached(tx, actor, str(activity.get("type")), people)
    audience = Audience(
        kind=local.audience_of(tx, actor, said),
        to=said.to,
        cc=tuple(uri for uri in said.cc if uri not in said.to),
        followers=followers in open_uris,
        named=tuple(people[uri] for uri in open_uris if uri in people and uri != actor.uri),
        hidden=tuple(people[uri] for uri in hidden_uris if uri in people and uri != actor.uri),
    )
    if members in open_uris:
        _keep_inside(audience)
    return audience


def _people(tx: Transaction, uris: list[str]) -> dict[str, Actor]:
    known = actors.by_uris(tx, uris)
    for uri in uris:
        if uri not in known:
            raise Malformed(f"cannot address {uri}: it is not a person or group that we know")
    return known


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


def inboxes(audience: Audience, author: Actor, reached_by: str | None = None) -> deliveries.To:
    """Where it is delivered: personal inboxes wherever others on that server may not read it.

    `reached_by` is the id of a post: whoever got, fetched, answered or boosted it is told too.
    """
    by_shared = audience.kind in _BY_SHARED_INBOX
    named = tuple(actor.id for actor in audience.named if not actor.local)
    hidden = tuple(actor.id for actor in audience.hidden if not actor.local)
    return deliveries.To(
        followers_of=author.id if audience.followers else None,
        named=() if by_shared else named,
        shared=named if by_shared else (),
        hidden=hidden,
        reached_by=None if audience.kind == "school" else reached_by,
    )
