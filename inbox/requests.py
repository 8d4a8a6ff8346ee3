"""Which request an answer is about. Our record decides, never the copy in the answer."""

from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, projects
from storage import actors, follows, memberships
from storage.actors import Actor
from storage.database import Transaction
from storage.follows import Follow
from storage.memberships import Membership


def answered(tx: Transaction, activity: Activity) -> tuple[Follow, Actor]:
    """The Follow one of us sent to the activity's actor, and who sent it; raises Refused.

    It is found by its id, else by who follows whom: some servers answer without our id.
    """
    followee = concerned.sender(tx, activity)
    subject = vocabulary.one(activity.object)
    uri = vocabulary.id_of(subject)
    follow = follows.by_uri(tx, uri) if uri else None
    if follow is None and isinstance(subject, dict):
        named = vocabulary.id_of(subject.get("actor"))
        follower = actors.by_uri(tx, named) if named else None
        if follower is not None and vocabulary.id_of(subject.get("object")) == followee.uri:
            follow = follows.get(tx, follower.id, followee.id)
    if follow is None or follow.followee_id != followee.id:
        raise Refused("nobody here asked for that")
    follower = actors.by_id(tx, follow.follower_id)
    if follower is None or not follower.local:
        raise Refused("nobody here asked for that")
    return follow, follower


def of_project(tx: Transaction, activity: Activity) -> tuple[Membership, Actor, Actor] | None:
    """What the answer ends between a project and somebody, that project, and who answers.

    It is found by the id of the Join or Invite, else by whom that names. None if it is about no
    such thing; raises Refused for an answer by who has none to give: in a project of ours that is
    decided later, of others only the project itself answers here.
    """
    subject = vocabulary.one(activity.object)
    uri = vocabulary.id_of(subject)
    known = memberships.by_uri(tx, uri) if uri else None
    if known is None and isinstance(subject, dict):
        known = _described(tx, activity, subject)
    project = None if known is None else actors.by_id(tx, known.project_id)
    if known is None or project is None:
        return None
    actor = concerned.sender(tx, activity)
    projects.directly(activity)
    if not project.local and actor.id != project.id:
        raise Refused("nobody here asked for that")
    return known, project, actor


def _described(
    tx: Transaction, activity: Activity, subject: dict[str, object]
) -> Membership | None:
    """By what it was: a Join names the project as its object, an Invite as its actor."""
    kinds = vocabulary.types_of(subject)
    if "Join" in kinds:
        group, person = subject.get("object"), subject.get("actor")
    elif "Invite" in kinds:
        group, person = subject.get("actor"), subject.get("target")
    else:
        return None
    named = [vocabulary.id_of(group), vocabulary.id_of(person)]
    found = actors.by_uris(tx, vocabulary.uris_of([one for one in named if one], activity.rules))
    project, somebody = (found.get(one or "") for one in named)
    if project is None or somebody is None:
        return None
    return memberships.now(tx, project.id, somebody.id)
