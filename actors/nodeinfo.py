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

SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/"
VERSIONS = ("2.0", "2.1")  # for us they differ in the number alone
APPLICATION = "https://www.w3.org/ns/activitystreams#Application"
OPEN = {"Access-Control-Allow-Origin": "*", "Cache-Control": "private, max-age=60"}


async def links(request: web.Request) -> web.Response:
    """`/.well-known/nodeinfo`: where the documents are."""
    school = request.app[SERVER].school
    found = [
        *({"rel": SCHEMA + one, "href": f"{school.url}/nodeinfo/{one}"} for one in VERSIONS),
        {"rel": APPLICATION, "href": local.instance_uri(school)},
    ]
    return web.json_response({"links": found}, headers=OPEN)


async def usage(request: web.Request) -> web.Response:
    """`/nodeinfo/2.0`, `/nodeinfo/2.1`: honest numbers, of our own people only."""
    server = request.app[SERVER]
    version = request.path.rpartition("/")[2]
    counts = await server.database.read(actors.counts)
    response = web.json_response(document(server.school, counts, version), headers=OPEN)
    profile = f'application/json; profile="{SCHEMA}{version}#"; charset=utf-8'
    response.headers["Content-Type"] = profile
    return response


def document(school: School, counts: LocalCounts, version: str) -> dict[str, object]:
    return {
        "version": version,
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
