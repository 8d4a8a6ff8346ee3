"""What this server is, for whoever wonders: software, version, and how many people use it.

https://nodeinfo.diaspora.software/protocol, FEP-2677 (the link to the instance actor)
"""

from functools import lru_cache
from importlib import metadata

from aiohttp import web

from actors import local
from actors.server import SERVER
from storage import actors
from storage.actors import LocalCounts
from storage.database import School

SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/2.1"
APPLICATION = "https://www.w3.org/ns/activitystreams#Application"
OPEN = {"Access-Control-Allow-Origin": "*", "Cache-Control": "private, max-age=60"}


async def links(request: web.Request) -> web.Response:
    """`/.well-known/nodeinfo`: where the document is."""
    school = request.app[SERVER].school
    found = [
        {"rel": SCHEMA, "href": f"{school.url}/nodeinfo/2.1"},
        {"rel": APPLICATION, "href": local.instance_uri(school)},
    ]
    return web.json_response({"links": found}, headers=OPEN)


async def usage(request: web.Request) -> web.Response:
    """`/nodeinfo/2.1`: honest numbers, of our own people only."""
    server = request.app[SERVER]
    counts = await server.database.read(actors.counts)
    response = web.json_response(document(server.school, counts), headers=OPEN)
    response.headers["Content-Type"] = f'application/json; profile="{SCHEMA}#"; charset=utf-8'
    return response


def document(school: School, counts: LocalCounts) -> dict[str, object]:
    return {
        "version": "2.1",
        "software": {"name": "staffroom", "version": _version()},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {
            "users": {
                "total": counts.people,
                "activeMonth": counts.active_month,
                "activeHalfyear": counts.active_halfyear,
            },
            "localPosts": counts.posts,
        },
        "metadata": {"nodeName": school.name},
    }


@lru_cache(maxsize=1)
def _version() -> str:
    return metadata.version("staffroom")
