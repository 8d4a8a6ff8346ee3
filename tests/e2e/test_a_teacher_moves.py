"""Bob changes school, and the power goes at both schools meanwhile: nobody loses anybody.

Carol of Hillcrest follows Bob of Riverside, Bob follows Dave of Oakfield, and edits a project at
Hillcrest. Then he moves to Oakfield.
"""

import asyncio
import json
import sqlite3
from contextlib import closing

from tests.e2e.conftest import Build
from tests.e2e.neighbours import accept, listed, three_schools, totals
from tests.e2e.running import RunningSchool, until

WITHIN = 60.0  # seconds after both schools are up again


async def test_a_teacher_moves_while_the_power_goes_and_everybody_goes_along(
    build: Build,
) -> None:
    schools = await three_schools(build, ("dave", "bob"), ("bob",), ("carol",))
    oakfield, riverside, hillcrest = schools
    old, new = riverside.uri("bob"), oakfield.uri("bob")
    project = f"{hillcrest.url}/projects/transition"
    await hillcrest.command(
        "project", "add", "transition", "--name", "Transition", "--owner", "carol", "--private"
    )
    await asyncio.gather(*(school.serve() for school in schools))
    await hillcrest.act("carol", {"type": "Follow", "object": old})
    await riverside.act("bob", {"type": "Follow", "object": oakfield.uri("dave")})
    editor = {"type": "Invite", "object": project, "target": old, "instrument": "write"}
    await hillcrest.act("carol", {**editor, "to": [project]})
    await accept(riverside, "bob", project)
    await until(lambda: _roles(hillcrest, project), lambda seen: seen.get(old) == "write")
    await until(lambda: totals(hillcrest, "carol"), lambda seen: seen == (0, 1))
    await until(lambda: totals(oakfield, "dave"), lambda seen: seen == (1, 0))
    before = await _totals(schools)

    # --- he moves, and the power goes at each of the two schools once ----------------------------
    await oakfield.command("staff", "alias", "bob", old)
    starting = asyncio.create_task(riverside.command("move", "start", "bob", new))
    # As soon as the new school knows that he comes, and has hardly begun to ask for anybody.
    await until(lambda: _counted(oakfield, "moves"), lambda seen: seen > 0)
    await oakfield.kill()
    await starting
    await riverside.kill()
    assert await _counted(riverside, "moved_things WHERE outcome <> 'moved'") > 0
    await asyncio.gather(oakfield.serve(), riverside.serve())

    async def everybody() -> tuple[bool, ...]:
        return (
            await listed(hillcrest, "carol", "following") == [new],
            await listed(oakfield, "bob", "followers") == [hillcrest.uri("carol")],
            await listed(oakfield, "bob", "following") == [oakfield.uri("dave")],
            await listed(oakfield, "dave", "followers") == [new],
            await totals(riverside, "bob") == (0, 0),
            (await _roles(hillcrest, project)).get(new) == "write",
            old not in await _roles(hillcrest, project),
        )

    await until(everybody, all, WITHIN)
    assert await _totals(schools) == before

    # --- each of them is accounted for, and a second run does nothing ----------------------------
    everything = (hillcrest.uri("carol"), oakfield.uri("dave"), project)
    await until(
        lambda: _outcomes(riverside), lambda seen: seen == dict.fromkeys(everything, "moved")
    )
    sent = await _counted(riverside, "deliveries")
    again = await riverside.command("move", "start", "bob", new)
    assert "already" in again
    assert await _counted(riverside, "deliveries") == sent
    assert await _totals(schools) == before
    note = {"type": "Note", "content": "Still here?", "to": [f"{old}/followers"]}
    async with riverside._session.post(
        f"{old}/outbox", json=note, headers=riverside._headers("bob")
    ) as answer:
        assert answer.status == 403
        assert new in await answer.text()
    async with riverside._session.get(
        f"{riverside.url}/@bob", headers={"Accept": "text/html"}
    ) as page:
        assert f"@bob@{oakfield.host}" in await page.text()
    for school in schools:
        assert await school.stop() == 0


async def _roles(school: RunningSchool, project: str) -> dict[str, str]:
    """The members of a project by id, with their roles."""
    members = await school.read("carol", f"{project}/members?page=first")
    return {one["object"]: one["instrument"] for one in members["orderedItems"]}


async def _totals(schools: tuple[RunningSchool, ...]) -> tuple[int, int]:
    """All followers of everybody at the three schools, and all whom they follow."""
    each = [await totals(school, username) for school in schools for username in school.tokens]
    return sum(followers for followers, _ in each), sum(following for _, following in each)


async def _outcomes(school: RunningSchool) -> dict[str, str]:
    """What became of everything that goes along with Bob, as the command tells it."""
    told = json.loads(await school.command("move", "status", "bob", "--json", "--all"))
    return {thing["id"]: thing["outcome"] for move in told["moves"] for thing in move["things"]}


async def _counted(school: RunningSchool, what: str) -> int:
    """How many rows a school has of something, whether or not it is open."""
    with closing(sqlite3.connect(school.folder / "staffroom.sqlite")) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0]
    return count
