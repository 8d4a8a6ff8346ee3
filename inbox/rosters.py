"""What a project of another school says of itself, and of who is in it: noted as it is told.

Only the project itself counts, signed with its own keys (SECURITY R36), and in one thing not even
that: nobody of ours is in it who did not ask, say yes, or move here from an account that they call
their own. Members whom we never met are kept by their id alone; their own school says the rest.
When the last of ours has gone nobody tells us any more, and nothing of it counts.
"""

from datetime import datetime
from typing import Any

from actors import moving, profile, projects
from federation import addresses, vocabulary
from federation.activity import Activity
from federation.addresses import Rules
from federation.errors import Malformed, Refused, Unreachable
from inbox import concerned
from inbox.projects import directly
from outbox import projects as host
from storage import actors, blocks, memberships, moved_things, moves
from storage import projects as rows
from storage.actors import Actor
from storage.database import Transaction
from storage.memberships import Membership, Role

UNASKED = "nobody here asked for that"

# People of one project of another school, those included who were in it once (SECURITY R20).
MOST_KEPT = 5_000


def speaks(activity: Activity, actor: Actor) -> bool:
    """Whether the target is the list of members of the group that says so."""
    if actor.type != "Group":
        return False
    return is_list(actor, activity.target, activity.rules)


def is_list(project: Actor, named: object, rules: Rules) -> bool:
    """Whether that is the project's list of members. Before we know where it is, as for a private
    one that was only ever asked for its keys, it is where ours are."""
    uri = vocabulary.id_of(named)
    try:
        theirs = addresses.canonical(project.members or f"{project.uri}/members", rules)
        return uri is not None and addresses.canonical(uri, rules) == theirs
    except Malformed:
        return False


# --- before somebody is in it ------------------------------------------------------------------


def invited(tx: Transaction, activity: Activity, project: Actor, person: Actor) -> None:
    """The project asks one of ours. Raises Refused for who cannot be asked, and across a block."""
    if person.type != "Person" or person.state != "active" or person.moved_to:
        raise Refused("nobody to invite")
    if blocks.between(tx, project.id, person.id):
        raise Refused("they want nothing to do with each other")
    if not project.local:
        role = projects.role_of(activity.json)
        concerned.under_its_own_id(tx, activity, project, person)
        project = _described(tx, activity, project)
        known = memberships.now(tx, project.id, person.id)
        if known is not None and known.state != "invited":
            raise Refused("they are in it, or asked to be, already")
        memberships.invite(tx, project.id, person.id, role, activity.id)
    concerned.notify(tx, person, "invite", project, anew=True)


def _described(tx: Transaction, activity: Activity, project: Actor) -> Actor:
    said = vocabulary.one(activity.object)
    if isinstance(said, dict) and vocabulary.id_of(said.get("members")) is not None:
        return projects.keep_document(tx, project, said, activity.rules)
    _known(tx, project)
    return project


def _known(tx: Transaction, project: Actor) -> None:
    """What says nothing of how open it is counts as private."""
    if rows.get(tx, project.id) is None:
        rows.add(tx, project.id, openness="private")


def passed_on(tx: Transaction, activity: Activity, asker: Actor) -> None:
    """Somebody asks to be in a project that one of ours leads: the project passed that on."""
    uri = vocabulary.uri_of(activity.object, activity.rules)
    project = actors.by_uri(tx, uri)
    if project is None or project.local or activity.passed_on_by != project.uri:
        raise Refused("what is asked of a project is passed on by that project alone")
    leads = [lead for lead in memberships.leads(tx, project.id) if lead.local]
    if not leads:
        raise Refused("nobody here leads that project")
    concerned.under_its_own_id(tx, activity, project, asker)
    _asks(tx, activity, project, asker)
    for lead in leads:
        concerned.notify(tx, lead, "join", asker, anew=True)


def _asks(tx: Transaction, activity: Activity, project: Actor, asker: Actor) -> None:
    """Note that they ask. Whether one of ours still does we know ourselves: else a project passes
    on again what they asked before they left, and they seem to want it."""
    if not asker.local:
        memberships.ask(tx, project.id, asker.id, host.wished(activity.json), activity.id)
        return
    known = memberships.now(tx, project.id, asker.id)
    if known is None or known.state != "asked" or known.uri != activity.id:
        raise Refused(UNASKED)


def accepted(tx: Transaction, activity: Activity, project: Actor, known: Membership) -> None:
    """One of ours asked, and the project says yes."""
    person = _ours(tx, known)
    if project.local:
        return
    said = activity.json
    role = projects.role_of(said) if projects.says_role(said) else known.role
    rows.hold(tx, project.id)
    if known.state == "asked" and memberships.now(tx, project.id, person.id) == known:
        _known(tx, project)
        memberships.begin(tx, project.id, person.id, role, known.uri)
        concerned.notify(tx, person, "joined", project, anew=True)


def rejected(tx: Transaction, project: Actor, known: Membership) -> None:
    """One of ours asked, and the project says no."""
    person = _ours(tx, known)
    if not project.local:
        host.leave_elsewhere(tx, project, person)


def _ours(tx: Transaction, known: Membership) -> Actor:
    person = actors.by_id(tx, known.actor_id)
    if person is None or not person.local or known.state == "invited":
        raise Refused(UNASKED)
    return person


# --- who is in it ------------------------------------------------------------------------------


def added(tx: Transaction, activity: Activity, project: Actor) -> None:
    """Somebody is in it now, or is something else in it. Raises Refused without their consent."""
    uri, role = _read(activity, project, vocabulary.one(activity.object))
    person = actors.by_uri(tx, uri)
    if project.local:
        if person is not None:
            concerned.notify(tx, person, "joined", project)
        return
    formerly = _formerly(activity)
    if uri.startswith(f"{tx.school.url}/"):
        _ours_added(tx, activity, project, person, role, formerly)
        return
    if not memberships.ours(tx, project.id):
        raise Refused("nobody here is in that project")
    before = None if formerly is None else actors.by_uri(tx, formerly)
    _note(tx, activity, project, uri, role, None if before is None else before.id)


def _read(activity: Activity, project: Actor, said: Any) -> tuple[str, Role]:
    """Who is in it, and as what; raises Refused for what says something else."""
    if not isinstance(said, dict) or "Relationship" not in vocabulary.types_of(said):
        raise Refused("not who is in a project")
    kind = vocabulary.id_of(said.get("relationship")) or ""
    if vocabulary.id_of(said.get("subject")) != project.uri or not kind.endswith("hasMember"):
        raise Refused("a project says who is in it, and nothing else")
    return vocabulary.uri_of(said.get("object"), activity.rules), projects.role_of(said)


def _formerly(activity: Activity) -> str | None:
    """The account that they had before they moved, as the project says."""
    said = vocabulary.one(activity.object)
    uri = vocabulary.id_of(said.get("origin")) if isinstance(said, dict) else None
    return None if uri is None else vocabulary.uri_of(uri, activity.rules)


def _ours_added(
    tx: Transaction,
    activity: Activity,
    project: Actor,
    person: Actor | None,
    role: Role,
    formerly: str | None,
) -> None:
    """One of ours: only who is in it already, who wants to be, or who moved here from there."""
    if person is None or not person.local or person.type != "Person" or person.state != "active":
        raise Refused("nobody of ours")
    rows.hold(tx, project.id)
    known = memberships.now(tx, project.id, person.id)
    same = formerly if formerly in profile.of(person).aliases else None
    if known is None or known.state == "invited":
        _check_moved(tx, activity, project, person, same)
    _known(tx, project)
    before = None if same is None else actors.by_uri(tx, same)
    memberships.begin(
        tx, project.id, person.id, role, activity.id, None if before is None else before.id
    )
    if known is None or known.state != "member":
        concerned.notify(tx, person, "joined", project, anew=True)


def _check_moved(
    tx: Transaction, activity: Activity, project: Actor, person: Actor, formerly: str | None
) -> None:
    """Raise Refused unless one of ours came from that account lately, and did not leave since.

    That they say so is not enough: everybody can read it. Raises Unreachable until the old account
    says so to us as well, for the project may have heard of it sooner.
    """
    if formerly is None or blocks.between(tx, project.id, person.id):
        raise Refused(UNASKED)
    came_at = _came_at(tx, person, formerly)
    if came_at is None:
        host_name = addresses.authority(formerly, activity.rules)
        raise Unreachable(host_name, "nothing was heard of the move")
    left_at = memberships.ended_at(tx, project.id, person.id)
    if tx.now - came_at > moving.PATIENCE or (left_at is not None and left_at >= came_at):
        raise Refused(UNASKED)


def _came_at(tx: Transaction, person: Actor, formerly: str) -> datetime | None:
    """When one of ours came here from that account; None if both never said so."""
    old = actors.by_uri(tx, formerly)
    if old is None:
        return None
    known = moves.of_actor(tx, person.id)
    came = (one.created_at for one in known if (one.direction, one.other_id) == ("in", old.id))
    return next(came, None)


def _note(
    tx: Transaction,
    activity: Activity,
    project: Actor,
    uri: str,
    role: Role,
    formerly_id: int | None = None,
) -> None:
    """Keep somebody of another school as what the project says, unless it said later that they
    are gone."""
    person = actors.by_uri(tx, uri)
    known = None if person is None else memberships.now(tx, project.id, person.id)
    if known is None and memberships.reaches(tx, project.id, MOST_KEPT):
        raise Refused("more people than we keep of one project")
    person = person or _by_id_alone(tx, uri, activity.rules)
    ended = memberships.ended_at(tx, project.id, person.id)
    said_at = vocabulary.moment(activity.json.get("published"))
    if ended is not None and said_at is not None and said_at < ended.replace(microsecond=0):
        raise Refused("they left since this was said")
    memberships.begin(tx, project.id, person.id, role, activity.id, formerly_id)


def _by_id_alone(tx: Transaction, uri: str, rules: Rules) -> Actor:
    """Somebody whom we never met. Their own school is asked as soon as they do anything."""
    host = addresses.authority(uri, rules)
    if host == tx.school.host:
        raise Refused("nobody of ours")
    # What could be read as a whole handle would look like somebody else's.
    username = uri.rstrip("/").rpartition("/")[2].lstrip("@").partition("@")[0]
    return actors.name_remote(tx, uri, host=host, username=username)


def removed(tx: Transaction, activity: Activity, project: Actor) -> None:
    """Somebody is in it no more, or neither asks nor is asked to be."""
    person = actors.by_uri(tx, vocabulary.uri_of(activity.object, activity.rules))
    if person is None:
        return
    if not project.local:
        memberships.end(tx, project.id, person.id, _said_at(tx, activity))
        host.leave_elsewhere(tx, project, person)
    if person.local and person.moved_to:
        moved_things.settle_for(tx, person.id, "out", "project", project.uri, "moved")


def _said_at(tx: Transaction, activity: Activity) -> datetime:
    """When the project said it, by its own clock: later words of it are compared with that."""
    return vocabulary.timestamp(activity.json.get("published"), tx.now)


# --- all of it ---------------------------------------------------------------------------------


def described(tx: Transaction, activity: Activity, project: Actor, said: dict[str, Any]) -> bool:
    """A project tells what it is, and a newcomer's school who is in it. False for other groups.

    Who is not in a complete list is in it no more; nobody of ours comes in by it.
    """
    members = vocabulary.one(said.get("members"))
    if project.type != "Group" or vocabulary.id_of(members) is None:
        return False
    directly(activity)
    kept = projects.keep_document(tx, project, said, activity.rules)
    if isinstance(members, dict):
        listed = vocabulary.many(members.get("items"))[: projects.ROSTER_LIMIT]
        found = dict(_listed(activity, kept, listed))
        if not memberships.ours(tx, project.id):
            _check_awaited(tx, activity, found)
            return True
        for uri, role in found.items():
            _take_over(tx, activity, kept, uri, role)
        if members.get("totalItems") == len(found):
            _end_others(tx, kept, found, _said_at(tx, activity))
    return True


def _check_awaited(tx: Transaction, activity: Activity, found: dict[str, Role]) -> None:
    """Raise Unreachable where one of ours is in it who may have moved here, of which nothing was
    heard yet: the list is needed once it was."""
    for uri in found:
        person = actors.by_uri(tx, uri)
        if person is None or not person.local or person.type != "Person":
            continue
        for alias in profile.of(person).aliases:
            if _came_at(tx, person, alias) is None:
                host_name = addresses.authority(alias, activity.rules)
                raise Unreachable(host_name, "nothing was heard of the move")


def _listed(activity: Activity, project: Actor, listed: list[Any]) -> list[tuple[str, Role]]:
    found = []
    for one in listed:
        try:
            found.append(_read(activity, project, one))
        except (Malformed, Refused):
            continue
    return found


def _take_over(tx: Transaction, activity: Activity, project: Actor, uri: str, role: Role) -> None:
    if not uri.startswith(f"{tx.school.url}/"):
        try:
            _note(tx, activity, project, uri, role)
        except (Malformed, Refused):
            return
        return
    person = actors.by_uri(tx, uri)
    known = None if person is None else memberships.now(tx, project.id, person.id)
    if known is not None and known.state == "member":
        memberships.set_role(tx, known.id, role)


def _end_others(tx: Transaction, project: Actor, found: dict[str, Role], said_at: datetime) -> None:
    """End what a complete list does not hold. It holds 200 at most, so this is bounded too."""
    before: int | None = None
    for _ in range(projects.ROSTER_LIMIT):
        page = memberships.members(tx, project.id, before=before, limit=80)
        for known, person in page:
            before = known.id
            if person.uri not in found:
                memberships.end(tx, project.id, person.id, said_at)
        if len(page) < 80:
            return
