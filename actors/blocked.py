"""`/users/NAME/blocked`: whom somebody who moved away blocked here, for their new account alone.

At the new school they are to be as safe as here. Both accounts say that they are one person, and
the key of the new one signs; for everybody else this list does not exist (SECURITY R12).
https://codeberg.org/fediverse/fep/src/branch/main/fep/c648/fep-c648.md
"""

from typing import Any

from aiohttp import web

from actors import access, collections, moving
from actors.documents import answer, missing
from actors.server import SERVER
from federation.addresses import Rules
from storage import actors, blocks
from storage.audience import Viewer
from storage.database import Transaction


async def blocked(request: web.Request) -> web.Response:
    """The list, or a page of it."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    before = collections.cursor(request.query)
    paged = collections.wants_page(request.query)
    uri = server.school.url + request.path
    found = await server.database.read(_listed, viewer, uri, before, paged, server.rules)
    if found is None:
        raise missing()
    return answer(found, public=False)


def _listed(
    tx: Transaction, viewer: Viewer, uri: str, before: int | None, paged: bool, rules: Rules
) -> dict[str, Any] | None:
    old = actors.by_uri(tx, uri.rpartition("/")[0])
    new = actors.by_id(tx, viewer.actor_id) if viewer.actor_id is not None else None
    if old is None or new is None or not old.local or old.state != "active":
        return None
    if old.moved_to != new.uri or old.uri not in moving.aliases(new, rules):
        return None
    total = blocks.count_of_actor(tx, old.id)
    if not paged:
        return collections.collection(uri, total)
    rows = blocks.of_actor(tx, old.id, before=before, limit=collections.PAGE_SIZE + 1)
    shown, more = collections.cut(rows, collections.PAGE_SIZE)
    return collections.page(
        uri,
        before=before,
        items=[person.uri for _, person in shown],
        after_this=shown[-1][0] if more else None,
        total=total,
    )
