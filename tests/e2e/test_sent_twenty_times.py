"""The same activity comes twenty times at once to three inboxes, and again after a restart.

A sender that heard no answer sends again, and one post reaches a school by several ways: it has
its effect once, whoever brings it and however often.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from sqlalchemy import text

from storage.database import Transaction
from tests.e2e.crashing import MortalSchool
from tests.e2e.running import until
from tests.e2e.village import Brought, Village

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
TIMES = 20
NOTE = {"type": "Note", "content": "<p>The hall is free.</p>", "to": [PUBLIC]}
INBOXES = ("/users/alice/inbox", "/users/bob/inbox", "/inbox")

_LEFT = text("""
    SELECT (SELECT count(*) FROM received WHERE state <> 'done')
    + (SELECT count(*) FROM deliveries WHERE state = 'waiting')
""")
_TOLD = text("""
    SELECT notifications.kind, count(*) FROM notifications
    JOIN actors ON actors.id = notifications.owner_id AND actors.username = 'alice'
    GROUP BY notifications.kind
""")
_POSTS = text("SELECT count(*) FROM objects WHERE uri LIKE :by_them")
_LIKES = text("SELECT count(*) FROM likes")


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"])
def engine_url(request: pytest.FixtureRequest) -> str | None:
    """Where the school keeps everything; None is its own file."""
    if request.param == "sqlite":
        return None
    return str(request.getfixturevalue("fresh_postgresql")())


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as opened:
        yield opened


async def test_an_activity_that_comes_sixty_times_and_again_after_a_restart_has_one_effect(
    engine_url: str | None, tmp_path: Path, session: ClientSession
) -> None:
    village = Village()
    oakfield = MortalSchool(tmp_path / "oakfield", session, engine_url)
    async with village.open():
        await oakfield.open_for("alice", "bob", knowing=village.followers)
        alice = oakfield.uri("alice")
        try:
            await oakfield.serve()
            post = await oakfield.read("alice", await oakfield.act("alice", NOTE))
            activities = [
                village.create(1, alice),
                village.follow(100, alice),
                village.like(101, post["object"]["id"], alice),
            ]
            await brought(village, session, oakfield, activities)
            await oakfield.kill()
            await oakfield.serve()
            await brought(village, session, oakfield, activities)
            await until(lambda: left(oakfield), lambda rows: rows == 0)
            await had_one_effect_each(village, oakfield, activities)
            assert await oakfield.stop() == 0
            await oakfield.command("fsck")
            assert not oakfield.mistakes()
        finally:
            await oakfield.end()


async def brought(
    village: Village, session: ClientSession, school: MortalSchool, activities: list[Brought]
) -> None:
    """All of them to all inboxes, twenty times each, all at once."""
    answers = await asyncio.gather(
        *(
            village.bring(session, school.url, activity, path=path)
            for _ in range(TIMES)
            for activity in activities
            for path in INBOXES
        )
    )
    assert {status for status, _ in answers} == {202}


async def left(school: MortalSchool) -> int:
    async with school.records() as database:
        return await database.read(lambda tx: int(tx.execute(_LEFT).scalar_one()))


async def had_one_effect_each(
    village: Village, school: MortalSchool, activities: list[Brought]
) -> None:
    for username in ("alice", "bob"):
        there = Counter(one["id"] for one in await school.inbox(username))
        assert {one.id for one in activities} <= there.keys()
        assert set(there.values()) == {1}
    followers = await school.read("alice", f"{school.uri('alice')}/followers")
    assert followers["totalItems"] == 1 + len(village.lanes)

    def look(tx: Transaction) -> tuple[dict[str, int], int, int]:
        told = {str(kind): int(times) for kind, times in tx.execute(_TOLD)}
        posts = tx.execute(_POSTS, {"by_them": f"{village.url}/notes/%"}).scalar_one()
        return told, posts, tx.execute(_LIKES).scalar_one()

    async with school.records() as database:
        told, posts, likes = await database.read(look)
    assert told == {"mention": 1, "follow": 1, "like": 1}
    assert (posts, likes) == (1, 1)
    accepts = {one["id"] for one in village.told[village.host] if one["type"] == "Accept"}
    assert len(accepts) == 1
