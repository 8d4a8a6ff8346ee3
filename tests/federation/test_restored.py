"""A school burns down and comes back from its backup, while the other schools went on.

`tests/e2e/test_backup.py` does it under load, with real processes.
"""

import asyncio
from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from outbox import knock
from staffroom import soundness
from storage import backup, snapshot, tables
from storage.database import Transaction
from tests.town import Person, Town, TownSchool


async def came_back(school: TownSchool, copy: Path) -> None:
    """The school as it was when the copy was made, on another machine."""
    await asyncio.to_thread(backup.modernise, copy)
    await asyncio.to_thread(backup.let_go, copy)
    school.database_url = f"sqlite:///{copy}"
    await school.open()
    await knock.knock(school.server)


async def posts_of(reader: Person) -> Counter[str]:
    """What somebody finds in their inbox, by its words, and how often."""
    return Counter(
        one["object"]["content"] for one in await reader.inbox() if one["type"] == "Create"
    )


def brought_again(tx: Transaction) -> set[str]:
    """What became of the post that waited when the copy was made."""
    ending = (
        select(tables.deliveries.c.state)
        .join(tables.published, tables.published.c.id == tables.deliveries.c.activity_id)
        .join(tables.objects, tables.objects.c.uri == tables.published.c.object_uri)
        .where(tables.objects.c.content.contains("waits when"))
    )
    return set(tx.execute(ending).scalars())


def mentions(tx: Transaction) -> int:
    """How often people here were told that they are named."""
    return tx.execute(
        select(func.count()).where(tables.notifications.c.kind == "mention")
    ).scalar_one()


async def test_peers_see_nothing_twice_of_a_school_that_comes_back_from_its_backup(
    town: Town, oakfield: TownSchool, alice: Person, tmp_path: Path
) -> None:
    riverside = await town.school("riverside")
    bob = await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    await alice.say("before")
    await town.settle()
    await riverside.go_silent()
    await alice.say("waits when the copy is made", to=bob.uri)
    await town.settle()

    copy = tmp_path / "copy"
    await asyncio.to_thread(backup.take, oakfield.database_url, copy, lambda _done, _of: None)
    await riverside.listen()
    town.clock.advance(minutes=2)
    await alice.say("after the copy")
    await town.settle()
    seen = await posts_of(bob)
    assert len(seen) == 3

    with snapshot.of(f"sqlite:///{copy}") as tx:
        assert brought_again(tx) == {"waiting"}  # though Bob has it by now
    await oakfield.shut()
    await bob.say("nobody there?", to=alice.uri)
    await town.settle()
    town.clock.advance(minutes=10)
    await came_back(oakfield, copy)
    await alice.say("here we are again")
    await town.settle()
    town.clock.advance(minutes=10)
    await town.settle()

    assert await oakfield.read(brought_again) == {"done"}
    assert await riverside.read(mentions) == 1
    assert await posts_of(bob) == seen + Counter(["here we are again"])
    assert await posts_of(alice) == Counter(["nobody there?"])
    for school in (oakfield, riverside):
        with snapshot.of(school.database_url, now=town.clock) as tx:
            assert not soundness.look(tx, school.server.school.secret).findings
