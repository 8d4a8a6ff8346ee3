"""Two schools as two processes: post crosses, and a power cut loses nothing."""

import asyncio
from typing import Any

from tests.e2e.conftest import Build
from tests.e2e.running import RunningSchool, until

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def two_schools(build: Build) -> tuple[RunningSchool, RunningSchool]:
    """Alice works at the first, Bob at the second, and the schools allow each other."""
    first, second = build("oakfield"), build("riverside")
    await asyncio.gather(first.found("alice"), second.found("bob"))
    await asyncio.gather(
        first.command("peers", "allow", second.host),
        second.command("peers", "allow", first.host),
    )
    await asyncio.gather(first.serve(), second.serve())
    return first, second


async def say(school: RunningSchool, username: str, text: str) -> dict[str, Any]:
    """Post a Note to everybody; answers it as made."""
    note = {
        "type": "Note",
        "content": f"<p>{text}</p>",
        "to": [PUBLIC],
        "cc": [f"{school.uri(username)}/followers"],
    }
    made = (await school.read(username, await school.act(username, note)))["object"]
    assert isinstance(made, dict)
    return made


async def arrived(school: RunningSchool, username: str, note: dict[str, Any]) -> dict[str, Any]:
    """The Note as it stands in somebody's inbox, once it is there."""

    async def look() -> list[dict[str, Any]]:
        return [
            one["object"]
            for one in await school.inbox(username)
            if one["type"] == "Create" and one["object"]["id"] == note["id"]
        ]

    found = await until(look, lambda seen: len(seen) > 0)
    assert len(found) == 1
    return found[0]


async def test_a_post_crosses_and_is_edited_and_deleted_and_waits_for_a_school_without_power(
    build: Build,
) -> None:
    oakfield, riverside = await two_schools(build)
    await oakfield.act("alice", {"type": "Follow", "object": riverside.uri("bob")})
    following = f"{oakfield.uri('alice')}/following"
    await until(
        lambda: oakfield.read("alice", following), lambda seen: bool(seen["totalItems"] == 1)
    )

    note = await say(riverside, "bob", "The ripple tank works.")
    assert "The ripple tank works." in (await arrived(oakfield, "alice", note))["content"]

    await riverside.act("bob", {"type": "Update", "object": note | {"content": "It does not."}})
    await until(
        lambda: arrived(oakfield, "alice", note), lambda seen: "It does not." in seen["content"]
    )

    await riverside.act("bob", {"type": "Delete", "object": note["id"]})
    await until(
        lambda: arrived(oakfield, "alice", note), lambda seen: bool(seen["type"] == "Tombstone")
    )

    await oakfield.kill()
    late = await say(riverside, "bob", "Is anybody there?")

    async def waiting() -> str:
        return await riverside.command("peers", "list")

    await until(waiting, lambda seen: "failing since" in seen and "1 waiting" in seen)
    await oakfield.serve()
    assert "Is anybody there?" in (await arrived(oakfield, "alice", late))["content"]
    await until(waiting, lambda seen: "\tidle\t" in seen)

    assert await oakfield.stop() == 0
    assert await riverside.stop() == 0


async def test_the_command_line_works_while_the_school_is_served(build: Build) -> None:
    oakfield, riverside = await two_schools(build)
    await oakfield.command("staff", "add", "tom", "--name", "Tom Ashworth")
    oakfield.tokens["tom"] = await oakfield.command("staff", "token", "tom")
    await oakfield.act("tom", {"type": "Follow", "object": riverside.uri("bob")})
    assert "@tom@" in await oakfield.command("staff", "list")

    await oakfield.command("staff", "suspend", "tom")
    headers = {"Authorization": f"Bearer {oakfield.tokens['tom']}"}
    async with oakfield._session.get(f"{oakfield.uri('tom')}/inbox", headers=headers) as answer:
        assert answer.status == 401
