"""What is told of our projects to who asks from elsewhere: all, what signatures need, or nothing.

Access is per person. Whoever may not know of a private project gets the answer for what never was;
the instance actor of a server where somebody is in it, or was invited, gets its keys and inbox, or
that server could not check what the project sends (PROTOCOL §9, SECURITY R10–R13).
"""

from typing import Any, Final

from aiohttp import web

from actors import access, documents, local, projects
from actors.server import SERVER
from storage import actors, keys, memberships
from storage import projects as rows
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction

STUB: Final = ("@context", "id", "type", "inbox", "publicKey", "assertionMethod")


async def project(request: web.Request) -> web.Response:
    """`/projects/SLUG`: for who may know of it; to the school of a member what signatures need."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    found = await server.database.read(_project_document, viewer, server.school.url + request.path)
    if found is None:
        raise documents.missing()
    status, document, public = found
    return documents.answer(document, public=public, status=status)


def _project_document(
    tx: Transaction, viewer: Viewer, uri: str
) -> tuple[int, dict[str, Any], bool] | None:
    found = actors.by_uri(tx, uri)
    if found is None or not found.local:
        return None
    known = rows.get(tx, found.id)
    shown = None if known is None else shown_to(tx, viewer, found)
    if known is None or shown is None:
        return None
    if found.state == "deleted" and not ({"publicKey", "assertionMethod"} & shown.keys()):
        return 410, documents.tombstone(uri, found.type, found.updated_at), not known.private
    return 200, shown, not known.private


def shown_to(tx: Transaction, viewer: Viewer, project: Actor) -> dict[str, Any] | None:
    """What that reader may have of a project of ours: all, a stub, or None as if there were none.

    The stub is for the instance actor of a server where somebody is in it or was invited, whose
    signature alone says nothing of who looks.
    """
    if not rows.hidden(tx, viewer.actor_id, project):
        return projects.document(tx, project)
    signer = actors.by_id(tx, viewer.actor_id) if viewer.actor_id is not None else None
    if signer is None or signer.type != "Application" or signer.peer_id is None:
        return None
    return stub(tx, project) if rows.known_by_host(tx, project.id, signer.peer_id) else None


def stub(tx: Transaction, project: Actor) -> dict[str, Any]:
    """What a school needs to check the signatures of a private project, and nothing more."""
    shown = local.document(tx.school, project, keys.of_actor(tx, project.id))
    return {field: shown[field] for field in STUB if field in shown}


async def members(request: web.Request) -> web.Response:
    """`/projects/SLUG/members`: who is in it and as what. Of an open project for our people and
    for whoever signs; of a private one for its members."""
    return await documents.listing(request, _count_members, _members, names_people=True)


def _count_members(tx: Transaction, viewer: Viewer, owner: Actor) -> int | None:
    known = rows.get(tx, owner.id)
    if known is None or (known.private and not _is_member(tx, viewer, owner)):
        return None
    return memberships.count(tx, owner.id)


def _is_member(tx: Transaction, viewer: Viewer, project: Actor) -> bool:
    if viewer.actor_id is None:
        return False
    return memberships.role(tx, project.id, viewer.actor_id) is not None


def _members(
    tx: Transaction, viewer: Viewer, owner: Actor, before: int | None, limit: int
) -> list[tuple[int, Any]]:
    return projects.roster(tx, viewer, owner, before, limit)
