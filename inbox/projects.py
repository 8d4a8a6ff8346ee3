"""What happens in a project of ours when its people, or others, ask something of it.

The host decides, by its own rows and never by what was sent (SECURITY R6, R36): who asks is kept
and the leads are told; only a lead, of whatever school, lets people in, invites them, changes what
they are or parts with them; everybody speaks for themselves alone. For whoever is neither in a
private project nor invited there is none. What was decided says `outbox/projects.py`.
"""

from actors import local, projects
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned
from outbox import projects as host
from storage import actors, blocks, memberships
from storage import projects as rows
from storage.actors import Actor
from storage.database import Transaction
from storage.memberships import Membership


def directly(activity: Activity) -> None:
    """Raise Refused for what somebody else passed on: who is in a project is settled between the
    two whom it concerns."""
    if activity.passed_on_by is not None:
        raise Refused("what is asked of a project is not passed on")


def about(tx: Transaction, activity: Activity, named: object) -> Actor:
    """The project of ours that is named. Raises Refused, by name, for anything else."""
    uri = vocabulary.uri_of(named, activity.rules)
    if not uri.startswith(f"{tx.school.url}/"):
        raise Refused(f"{activity.type} is about {uri[:200]}, which is no project of this school")
    return projects.ours(tx, uri)


def listed(tx: Transaction, activity: Activity) -> Actor | None:
    """The project of ours whose list of members is the target; None where it is another list."""
    uri = vocabulary.id_of(activity.target) or ""
    if not local.in_projects(tx.school, uri):
        return None
    found = rows.by_members(tx, uri)
    return found if found is not None and found.local else None


# --- for oneself -------------------------------------------------------------------------------


def ask(tx: Transaction, project: Actor, asker: Actor, activity: Activity) -> None:
    """Somebody asks to be in it: the leads are told, and the latest request counts.

    Whom the project invited is in it at once, as what it invited them; who is in it already hears
    so again.
    """
    row = rows.hold(tx, project.id)
    host.check_person(asker)
    concerned.under_its_own_id(tx, activity, project, asker)
    known = memberships.now(tx, project.id, asker.id)
    if known is None and (row is None or row.private):
        raise Refused(projects.NO_PROJECT)
    if known is not None and known.state == "member":
        host.confirm(tx, project, asker, activity.id)
    elif known is not None and known.state == "invited":
        host.admit(tx, project, asker, known.role, known)
    elif known is None or known.formerly_id is None:
        memberships.ask(tx, project.id, asker.id, host.wished(activity.json), activity.id)
        host.pass_to_leads(tx, project, activity.json)
        tell_leads(tx, project, asker)


def tell_leads(tx: Transaction, project: Actor, asker: Actor) -> None:
    """Our people who lead it are told that somebody asks."""
    for lead in memberships.leads(tx, project.id):
        concerned.notify(tx, lead, "join", asker, anew=True)


def leave(tx: Transaction, project: Actor, person: Actor) -> None:
    """Somebody is in it no more, or takes back a request, or says no to an invitation.

    Raises Refused for who is none of these, and for the only lead.
    """
    row = rows.hold(tx, project.id)
    known = memberships.now(tx, project.id, person.id)
    if known is None:
        hidden = row is None or row.private
        raise Refused(projects.NO_PROJECT if hidden else "they are not in this project")
    if known.state == "member":
        host.part(tx, project, person)
        return
    memberships.end(tx, project.id, person.id)
    if known.state == "asked":
        host.forget_request(tx, project, person)


# --- yes and no --------------------------------------------------------------------------------


def accept(
    tx: Transaction, project: Actor, who: Actor, known: Membership, activity: Activity
) -> None:
    """Somebody says yes to their invitation, or a lead to a request. Raises Refused for others."""
    known, person = _open(tx, project, known)
    if known.state == "invited" and known.actor_id == who.id:
        host.check_person(person)
        host.admit(tx, project, person, known.role, known)
    elif known.state == "asked" and host.leads(tx, project, who):
        host.check_person(person)
        said = activity.json
        role = projects.role_of(said) if projects.says_role(said) else known.role
        host.admit(tx, project, person, role, known)
    else:
        raise Refused("nobody here asked for that")


def reject(tx: Transaction, project: Actor, who: Actor, known: Membership) -> None:
    """Somebody says no to their invitation, or a lead to a request. Raises Refused for others."""
    known, person = _open(tx, project, known)
    if known.state == "invited" and known.actor_id == who.id:
        memberships.end(tx, project.id, person.id)
    elif known.state == "asked" and host.leads(tx, project, who):
        host.decline(tx, project, person, known)
    else:
        raise Refused("nobody here asked for that")


def _open(tx: Transaction, project: Actor, known: Membership) -> tuple[Membership, Actor]:
    """What stands between the project and somebody now that nobody else can change it."""
    rows.hold(tx, project.id)
    current = memberships.now(tx, project.id, known.actor_id)
    person = actors.by_id(tx, known.actor_id)
    if current is None or person is None or current.id != known.id:
        raise Refused("nobody here asked for that")
    return current, person


# --- what leads do -----------------------------------------------------------------------------


def invite(tx: Transaction, project: Actor, lead: Actor, person: Actor, activity: Activity) -> None:
    """A lead has the project ask somebody. Raises Refused for who is no lead, or kept apart."""
    _lead_decides(tx, project, lead)
    if blocks.between(tx, lead.id, person.id) or blocks.between(tx, project.id, person.id):
        raise Refused(f"{person.handle} cannot be reached by them")
    host.invite(tx, project, person, projects.role_of(activity.json))


def change_role(tx: Transaction, project: Actor, lead: Actor, activity: Activity) -> None:
    """A lead makes a member something else. Raises Refused for who is no lead or no member."""
    _lead_decides(tx, project, lead)
    role = projects.role_given(activity.json)
    host.change_role(tx, project, _person(tx, activity), role)


def remove(tx: Transaction, project: Actor, lead: Actor, activity: Activity) -> None:
    """A lead parts with a member, an invitation or a request. Raises Refused for who is no lead."""
    _lead_decides(tx, project, lead)
    host.remove(tx, project, _person(tx, activity))


def _lead_decides(tx: Transaction, project: Actor, lead: Actor) -> None:
    """Nobody else decides anything in it until COMMIT: who leads was perhaps settled just now."""
    rows.hold(tx, project.id)
    host.check_lead(tx, project, lead)


def _person(tx: Transaction, activity: Activity) -> Actor:
    person = actors.by_uri(tx, vocabulary.uri_of(projects.whom(activity.json), activity.rules))
    if person is None:
        raise Refused("somebody who is not in the project")
    return person


# --- who moves school --------------------------------------------------------------------------


def carry_over(tx: Transaction, old: Actor, new: Actor) -> None:
    """Somebody's move was verified: their roles in our projects are those of the new account.

    Where the project is set to ask, a lead of this school is asked, and the old account stays in it
    until then. Where there is none to ask, the role goes along: it is the same person. What the old
    account asked, or was asked, is asked anew: nothing can come of it there any more.
    """
    if new.type != "Person":
        return
    for project_id in sorted(one.project_id for one in memberships.of_actor(tx, old.id)):
        row, project = rows.hold(tx, project_id), actors.by_id(tx, project_id)
        known = memberships.now(tx, project_id, old.id)
        if row is None or project is None or not project.local or known is None:
            continue
        there = memberships.now(tx, project.id, new.id)
        if known.state != "member":
            _ask_anew(tx, project, old, new, known, there)
            continue
        others = [
            one for one in memberships.leads(tx, project.id) if one.id not in (old.id, new.id)
        ]
        if row.moves == "automatic" or not any(lead.local for lead in others):
            _carry(tx, project, old, new, known, there)
        elif there is None or there.state != "member":
            number = tx.new_id()
            memberships.ask(tx, project.id, new.id, known.role, f"{project.uri}#{number}", old.id)
            tell_leads(tx, project, new)


def _ask_anew(
    tx: Transaction,
    project: Actor,
    old: Actor,
    new: Actor,
    known: Membership,
    there: Membership | None,
) -> None:
    """A request or an invitation of the old account is one of the new account."""
    memberships.end(tx, project.id, old.id)
    if known.state == "asked":
        host.forget_request(tx, project, old)
    if there is not None:
        return
    if known.state == "invited":
        host.invite(tx, project, new, known.role)
        return
    if not any(lead.local for lead in memberships.leads(tx, project.id)):
        return  # leads of other schools answer what the new account asks itself
    number = tx.new_id()
    memberships.ask(tx, project.id, new.id, known.role, f"{project.uri}#{number}", old.id)
    tell_leads(tx, project, new)


def _carry(
    tx: Transaction,
    project: Actor,
    old: Actor,
    new: Actor,
    known: Membership,
    there: Membership | None,
) -> None:
    role = known.role
    if there is not None and there.state == "member":
        role = host.stronger(role, there.role)
    host.admit(tx, project, new, role, there or known, old)
