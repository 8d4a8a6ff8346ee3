"""What a project of ours says: whom it asks, whom it answers, who is in it now and who no more.

The host decides, and each decision is one transaction: the row changes, and the project tells it
under its own name to all members (Add, Remove), a newcomer gets everybody who is in it (Update),
and whoever asked an answer (Accept, Reject). Who may decide is checked by whoever calls, for the
project itself may (SECURITY R36). Nobody is a member who did not ask to be, or say yes; and there
is always somebody responsible.
https://www.w3.org/TR/activitystreams-vocabulary/#dfn-join, the collection `members` is Mobilizon's.
"""

from collections.abc import Mapping
from typing import Any, Final

from actors import projects
from federation.errors import Refused
from federation.vocabulary import PUBLIC, embedded
from outbox.publish import publish
from storage import actors, deliveries, memberships
from storage import projects as rows
from storage.actors import Actor
from storage.database import Transaction
from storage.memberships import Membership, Role

LAST_LEAD: Final = "the only lead stays: make somebody else a lead first"

# Who leads least comes first: of two roles of one person the later counts.
_RISING: Final[tuple[Role, ...]] = ("observer", "editor", "lead")


# --- who may -----------------------------------------------------------------------------------


def leads(tx: Transaction, project: Actor, actor: Actor) -> bool:
    return memberships.role(tx, project.id, actor.id) == "lead"


def check_lead(tx: Transaction, project: Actor, actor: Actor) -> None:
    """Raise Refused for anybody but a lead, in the words for what is not there where the project
    is not known to them."""
    if leads(tx, project, actor):
        return
    if rows.hidden(tx, actor.id, project):
        raise Refused(projects.NO_PROJECT)
    raise Refused("only a lead of the project decides who is in it, and as what")


def check_person(person: Actor) -> None:
    """Raise Refused for who cannot be in a project: groups, schools, who is gone or moved away."""
    if person.type != "Person":
        raise Refused(f"{person.handle} is no person: projects are for people")
    if person.state != "active":
        raise Refused(f"{person.handle} cannot be reached: this account is {person.state}")
    if person.moved_to:
        raise Refused(f"{person.handle} moved to {person.moved_to}")


def check_not_last(tx: Transaction, project: Actor, known: Membership) -> None:
    """Raise Refused where nobody would be responsible any more without this one."""
    if known.state != "member" or known.role != "lead":
        return
    if all(lead.id == known.actor_id for lead in memberships.leads(tx, project.id)):
        raise Refused(LAST_LEAD)


def wished(join: Mapping[str, Any]) -> Role:
    """What somebody who asks wants to be: nobody asks to be a lead, a lead makes one."""
    role = projects.role_of(dict(join))
    return "editor" if role == "lead" else role


def stronger(one: Role, other: Role) -> Role:
    """The role of the two that may do more."""
    return max(one, other, key=_RISING.index)


# --- asking and being asked --------------------------------------------------------------------


def invite(tx: Transaction, project: Actor, person: Actor, role: Role) -> None:
    """The project asks somebody to be in it. Who asked for that is in it at once.

    Asked again, the latest invitation counts. Raises Refused for who cannot be asked.
    """
    rows.hold(tx, project.id)
    check_person(person)
    known = memberships.now(tx, project.id, person.id)
    if known is not None and known.state == "member":
        raise Refused(f"{person.handle} is in the project already")
    if known is not None and known.state == "asked":
        admit(tx, project, person, role, known)
        return
    sent = publish(
        tx,
        project,
        {
            "type": "Invite",
            "object": embedded(projects.document(tx, project)),
            "target": person.uri,
            "instrument": projects.role_word(role),
        },
        to=person.uri,
    )
    memberships.invite(tx, project.id, person.id, role, sent)


def pass_to_leads(tx: Transaction, project: Actor, join: Mapping[str, Any]) -> None:
    """Leads of other schools get to see that somebody asks: the unchanged Join, proof inside."""
    elsewhere = _leads_elsewhere(tx, project)
    if elsewhere:
        publish(tx, project, {"type": "Announce", "object": dict(join)}, to=elsewhere)


def confirm(tx: Transaction, project: Actor, person: Actor, join: str) -> None:
    """Who asks is in it: yes, and once more who else is, for the last answer may be lost."""
    _answer(tx, project, person, "Accept", join)
    _tell_newcomer(tx, project, person)


def admit(
    tx: Transaction,
    project: Actor,
    person: Actor,
    role: Role,
    known: Membership,
    formerly: Actor | None = None,
) -> None:
    """Somebody who asked (`known`), said yes or moved here is in the project from now on.

    Who they were before they moved, `formerly`, is in it no more from the same moment.
    """
    if formerly is None and known.formerly_id is not None:
        formerly = actors.by_id(tx, known.formerly_id)
    if known.state == "asked" and known.formerly_id is None:
        _answer(tx, project, person, "Accept", known.uri, role)
    before = None if formerly is None else memberships.now(tx, project.id, formerly.id)
    began = memberships.begin(
        tx, project.id, person.id, role, known.uri, None if formerly is None else formerly.id
    )
    _tell_of(tx, project, person, began, formerly)
    if formerly is not None and before is not None:
        _tell_gone(tx, project, [str(project.members), formerly.uri], formerly)
    _tell_newcomer(tx, project, person)


def decline(tx: Transaction, project: Actor, person: Actor, known: Membership) -> None:
    """Who asked (`known`) does not come in, and may ask again."""
    memberships.end(tx, project.id, person.id)
    if known.formerly_id is None:
        _answer(tx, project, person, "Reject", known.uri)
        forget_request(tx, project, person)


def forget_request(tx: Transaction, project: Actor, person: Actor) -> None:
    """Leads of other schools, who saw that somebody asked, see it no more."""
    _tell_gone(tx, project, _leads_elsewhere(tx, project), person)


def leave_elsewhere(tx: Transaction, project: Actor, person: Actor) -> None:
    """One of ours has nothing to do any more with a project of another school, from this moment.

    When nobody here has, nobody tells us any more who else is in it: that counts no more either.
    """
    if project.local:
        return
    rows.hold(tx, project.id)
    memberships.end(tx, project.id, person.id)
    if not memberships.ours(tx, project.id):
        memberships.end_all(tx, project.id)


# --- being in it -------------------------------------------------------------------------------


def change_role(tx: Transaction, project: Actor, person: Actor, role: Role) -> None:
    """A member has another role from now on. Raises Refused for others, and for the only lead."""
    rows.hold(tx, project.id)
    known = memberships.now(tx, project.id, person.id)
    if known is None or known.state != "member":
        raise Refused(f"{person.handle} is not in the project: invite them")
    if role != "lead":
        check_not_last(tx, project, known)
    if memberships.set_role(tx, known.id, role):
        changed = memberships.now(tx, project.id, person.id)
        assert changed is not None
        _tell_of(tx, project, person, changed, None)


def remove(tx: Transaction, project: Actor, person: Actor) -> None:
    """The project parts with a member, or takes back an invitation, or declines a request.

    Raises Refused for who is none of these, and for the only lead.
    """
    rows.hold(tx, project.id)
    known = memberships.now(tx, project.id, person.id)
    if known is None:
        raise Refused(f"{person.handle} is not in the project")
    if known.state == "asked":
        decline(tx, project, person, known)
        return
    check_not_last(tx, project, known)
    memberships.end(tx, project.id, person.id)
    told = [person.uri]
    if known.state == "member":
        told.insert(0, str(project.members))
    _tell_gone(tx, project, told, person)


def part(tx: Transaction, project: Actor, person: Actor) -> None:
    """A member leaves of their own will. Raises Refused for the only lead."""
    known = memberships.now(tx, project.id, person.id)
    assert known is not None
    check_not_last(tx, project, known)
    memberships.end(tx, project.id, person.id)
    _tell_gone(tx, project, [str(project.members)], person)


def revise(tx: Transaction, lead: Actor, uri: str, said: dict[str, Any]) -> str:
    """One of our people who leads a project of ours changes its name, aim or dates; the id of the
    Update that tells everybody who may know. Raises Refused, Malformed."""
    project = projects.ours(tx, uri)
    rows.hold(tx, project.id)
    check_lead(tx, project, lead)
    changed = projects.edited(tx, project, said)
    known = rows.get(tx, project.id)
    told = [str(project.members)]
    if known is not None and not known.private:
        told = [PUBLIC, str(project.followers), *told]
    document = embedded(projects.document(tx, changed))
    return publish(tx, changed, {"type": "Update", "object": document}, to=told)


# --- what is told ------------------------------------------------------------------------------


def _leads_elsewhere(tx: Transaction, project: Actor) -> list[str]:
    return [lead.uri for lead in memberships.leads(tx, project.id) if not lead.local]


def _answer(
    tx: Transaction,
    project: Actor,
    person: Actor,
    kind: str,
    join: str,
    role: Role | None = None,
) -> None:
    """Say yes or no to who asked."""
    request = {"id": join, "type": "Join", "actor": person.uri, "object": project.uri}
    answer: dict[str, Any] = {"type": kind, "object": request}
    if role is not None:
        answer["instrument"] = projects.role_word(role)
    publish(tx, project, answer, to=person.uri)


def _tell_of(
    tx: Transaction, project: Actor, person: Actor, known: Membership, formerly: Actor | None
) -> None:
    """Every member hears that somebody is in it, and as what."""
    told = projects.relationship(
        project,
        person.uri,
        known.role,
        since=known.began_at,
        formerly=None if formerly is None else formerly.uri,
    )
    target = str(project.members)
    publish(tx, project, {"type": "Add", "object": told, "target": target}, to=target)


def _tell_gone(tx: Transaction, project: Actor, told: list[str], person: Actor) -> None:
    """Others hear that somebody has gone, and nothing that was said before is brought to them."""
    if person.peer_id is not None:
        inbox = person.shared_inbox or person.inbox
        deliveries.withhold(tx, project.id, person.peer_id, inbox)
    if told:
        gone = {"type": "Remove", "object": person.uri, "target": project.members}
        publish(tx, project, gone, to=told)


def _tell_newcomer(tx: Transaction, project: Actor, person: Actor) -> None:
    """Somebody of another school gets to know all that the project is, and who is in it."""
    if not person.local:
        document = embedded(projects.with_roster(tx, project))
        publish(tx, project, {"type": "Update", "object": document}, to=person.uri)
