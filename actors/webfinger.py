"""From a name to an actor: `acct:lee@oakfield.example` leads to Lee. Open to everybody.

https://www.rfc-editor.org/rfc/rfc7033, FEP-d556 (the school's address leads to its instance actor)
"""

import html
from typing import Any

from aiohttp import web

from actors import local
from actors.server import SERVER
from federation import addresses
from federation import webfinger as discovery
from federation.addresses import Rules
from federation.errors import Malformed
from storage import actors, projects
from storage.actors import Actor
from storage.database import School, Transaction

OPEN = {"Access-Control-Allow-Origin": "*", "Cache-Control": "private, max-age=60"}
RESOURCE_LIMIT = 2_048


async def webfinger(request: web.Request) -> web.Response:
    """Who is that? Answers for people and open projects of this school only, whatever the letter
    case. 410 for those who left: their name is never given again.
    """
    server = request.app[SERVER]
    asked = request.query.getall("resource", [])
    if len(asked) != 1 or not asked[0] or len(asked[0]) > RESOURCE_LIMIT:
        raise _bad("ask with one resource, such as acct:name@" + server.school.host)
    try:
        found = await server.database.read(_jrd, asked[0], server.rules)
    except Malformed as bad:
        raise _bad(str(bad)) from bad
    if found is None:
        raise web.HTTPNotFound(headers=OPEN)
    return web.json_response(found, content_type="application/jrd+json", headers=OPEN)


def _bad(reason: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=reason, headers=OPEN)


def _jrd(tx: Transaction, resource: str, rules: Rules) -> dict[str, Any] | None:
    if resource.lower().startswith(("https:", "http:")):
        return _jrd_of_address(tx, resource, rules)
    school = tx.school
    if resource.lower() == f"acct:{school.host}@{school.host}":
        return _jrd_of(school, actors.by_uri(tx, local.instance_uri(school)))
    username, host = discovery.handle(resource, rules)
    if host != tx.school.host:
        return None
    return _jrd_of(school, _by_name(tx, username))


def _by_name(tx: Transaction, username: str) -> Actor | None:
    return _not_hidden(tx, actors.local_by_username(tx, username))


def _not_hidden(tx: Transaction, found: Actor | None) -> Actor | None:
    """Who asks is not known here, so a private project is not there, nor was it ever."""
    return None if found is None or projects.hidden(tx, None, found) else found


def _jrd_of_address(tx: Transaction, url: str, rules: Rules) -> dict[str, Any] | None:
    """An actor's id or page, or the school's own address."""
    school = tx.school
    if not addresses.same_origin(url, school.url, rules):
        return None
    path = addresses.parse(url, rules).path_qs
    if path == "/":
        service = actors.by_uri(tx, local.instance_uri(school))
        described = _jrd_of(school, service)
        if described is not None and service is not None:
            described["subject"] = f"{school.url}/"
            described["links"].append(
                {"rel": discovery.SERVICE, "type": "application/activity+json", "href": service.uri}
            )
        return described
    if path.startswith("/@"):
        return _jrd_of(school, _by_name(tx, path.removeprefix("/@")))
    return _jrd_of(school, _not_hidden(tx, actors.by_uri(tx, school.url + path)))


def _jrd_of(school: School, actor: Actor | None) -> dict[str, Any] | None:
    if actor is not None and actor.local and actor.state == "deleted":
        raise web.HTTPGone(headers=OPEN)
    if actor is None or not actor.local or actor.state != "active":
        return None
    return discovery.jrd(f"acct:{actor.username}@{school.host}", actor.uri, actor.url)


async def host_meta(request: web.Request) -> web.Response:
    """The older way to the same place: an XRD document that names the WebFinger address."""
    url = html.escape(request.app[SERVER].school.url)
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n'
        f'  <Link rel="lrdd" template="{url}/.well-known/webfinger?resource={{uri}}"/>\n'
        "</XRD>\n"
    )
    return web.Response(
        text=document, content_type="application/xrd+xml", charset="utf-8", headers=OPEN
    )
