"""Someone is asked to be in a project.

https://www.w3.org/TR/activitystreams-vocabulary/#dfn-invite: a lead has a project of ours ask
somebody, or a project of another school asks one of ours. Nobody is in it before they say yes.
"""

from actors import local, remote
from federation import keys, vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, projects, rosters
from outbox import projects as host
from storage import actors
from storage.actors import Actor
from storage.database import Transaction


def screen(tx: Transaction, activity: Activity) -> None:
    """Raise Refused for who cannot invite, before anybody is asked about the person."""
    actor = concerned.sender(tx, activity)
    projects.directly(activity)
    if not _by_project(actor, activity):
        project, _ = _named(tx, activity)
        host.check_lead(tx, project, actor)


def receive(tx: Transaction, activity: Activity) -> None:
    """Ask them. Raises Refused for who is no lead, no project, or cannot be asked."""
    screen(tx, activity)
    concerned.not_taken_back(tx, activity)
    actor = concerned.sender(tx, activity)
    if _by_project(actor, activity):
        person = local.ours(tx, vocabulary.uri_of(activity.target, activity.rules))
        rosters.invited(tx, activity, actor, person)
        return
    project, named = _named(tx, activity)
    projects.invite(tx, project, actor, _person(tx, activity, named), activity)


def _by_project(actor: Actor, activity: Activity) -> bool:
    """Whether it is a group that invites into itself."""
    return actor.type == "Group" and vocabulary.id_of(activity.object) == actor.uri


def _named(tx: Transaction, activity: Activity) -> tuple[Actor, object]:
    """The project of ours, and who is to be asked; ForgeFed names them the other way round."""
    ways = (
        (vocabulary.one(activity.object), vocabulary.one(activity.target)),
        (vocabulary.one(activity.target), vocabulary.one(activity.object)),
    )
    for project, person in ways:
        uri = vocabulary.id_of(project) or ""
        if local.in_projects(tx.school, uri):
            return projects.about(tx, activity, project), person
    raise Refused("an invitation to something else than a project of this school")


def _person(tx: Transaction, activity: Activity, named: object) -> Actor:
    """Who is to be asked: known here, or as their own server says."""
    uri = vocabulary.uri_of(named, activity.rules)
    document = activity.fetched.get(vocabulary.id_of(named) or "")
    if document is not None:
        read = remote.fields(document, activity.rules)
        if read.uri != uri:
            raise Refused("they have another id than the one they are called by")
        return remote.save(tx, read, keys.listed(document))
    known = actors.by_uri(tx, uri)
    if known is None:
        raise Refused("nobody whom we know")
    return known
