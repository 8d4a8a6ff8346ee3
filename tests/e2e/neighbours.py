"""Three schools as three processes that allow each other, and what their people do in them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import ClientSession

from actors import local
from federation.signatures import Signer, sign
from staffroom import config
from storage import actors
from storage.database import Database, School, Transaction
from tests.e2e.conftest import Build
from tests.e2e.running import RunningSchool, until

ACTIVITY = "application/activity+json"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def three_schools(
    build: Build, *staff: tuple[str, ...], password: str | None = None
) -> tuple[RunningSchool, RunningSchool, RunningSchool]:
    """Oakfield, Riverside and Hillcrest with these people, founded and allowing each other."""
    schools = build("oakfield"), build("riverside"), build("hillcrest")
    await asyncio.gather(
        *(
            school.found(*people, password=password)
            for school, people in zip(schools, staff, strict=True)
        )
    )
    hosts = [school.host for school in schools]
    await asyncio.gather(
        *(
            school.command("peers", "allow", *(host for host in hosts if host != school.host))
            for school in schools
        )
    )
    return schools


# --- what people do ------------------------------------------------------------------------------


async def invited(school: RunningSchool, username: str, project: str) -> dict[str, Any]:
    """The invitation of a project in somebody's inbox, once it is there."""

    async def look() -> list[dict[str, Any]]:
        return [
            one
            for one in await school.inbox(username)
            if one["type"] == "Invite" and one["actor"] == project
        ]

    return (await until(look, lambda seen: len(seen) > 0))[0]


async def accept(school: RunningSchool, username: str, project: str) -> None:
    """Somebody accepts the invitation of a project."""
    invitation = await invited(school, username, project)
    await school.act(username, {"type": "Accept", "object": invitation["id"], "to": [project]})


@dataclass(frozen=True)
class Written:
    """A post, by its id, and the activity that it went out in."""

    id: str
    activity: str


async def write_in(school: RunningSchool, username: str, project: str, text: str) -> Written:
    """A post for the members of a project."""
    note = {
        "type": "Note",
        "content": f"<p>{text}</p>",
        "to": [f"{project}/members"],
        "cc": [project],
        "audience": project,
    }
    activity = await school.act(username, note)
    return Written((await school.read(username, activity))["object"]["id"], activity)


def innermost(activity: Any) -> Any:
    """What an activity is about, however often it was passed on."""
    while isinstance(activity, dict) and "actor" in activity:
        activity = activity.get("object")
    return activity


async def read_in(school: RunningSchool, username: str) -> dict[str, str]:
    """The posts that somebody has got, by id: their words, or "gone"."""
    found: dict[str, str] = {}
    for activity in await school.inbox(username):
        post = innermost(activity)
        if isinstance(post, dict) and post.get("type") in ("Note", "Tombstone"):
            words = "gone" if post["type"] == "Tombstone" else post["content"]
            found.setdefault(post["id"], words)
    return found


async def totals(school: RunningSchool, username: str) -> tuple[int, int]:
    """How many follow somebody, and whom they follow, as their own school counts."""
    followers = await school.read(username, f"{school.uri(username)}/followers")
    following = await school.read(username, f"{school.uri(username)}/following")
    return followers["totalItems"], following["totalItems"]


async def listed(school: RunningSchool, username: str, name: str) -> list[str]:
    """Everybody in the first page of somebody's followers or following."""
    page = await school.read(username, f"{school.uri(username)}/{name}?page=first")
    return [str(one) for one in page["orderedItems"]]


# --- asking in somebody's name -------------------------------------------------------------------


@asynccontextmanager
async def records(school: RunningSchool) -> AsyncIterator[Database]:
    """The database of a school, beside the process that serves it."""
    house = School(school.host, school.url, "", config.secret(school.folder))
    database = await Database.open(f"sqlite:///{school.folder / 'staffroom.sqlite'}", house)
    try:
        yield database
    finally:
        await database.close()


async def signer_of(school: RunningSchool, path: str) -> Signer:
    """What signs requests in the name of one of a school's actors: "/actor", "/users/NAME"."""

    def look(tx: Transaction) -> Signer:
        actor = actors.by_uri(tx, f"{school.url}{path}")
        assert actor is not None
        return local.signer(tx, actor)

    async with records(school) as database:
        return await database.read(look)


async def knock(
    session: ClientSession, url: str, signer: Signer, *, body: dict[str, Any] | None = None
) -> tuple[int, bytes]:
    """GET, or POST of a body, signed; answers the status and what came."""
    method = "GET" if body is None else "POST"
    sent = None if body is None else orjson.dumps(body)
    signed = sign(
        method,
        url,
        signer=signer,
        now=datetime.now(UTC),
        body=sent,
        content_type=None if sent is None else ACTIVITY,
    )
    headers = {"Accept": ACTIVITY} | signed
    async with session.request(method, url, headers=headers, data=sent) as answer:
        return answer.status, await answer.read()
