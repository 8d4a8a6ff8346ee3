"""A school that opens again is heard at once by whoever waits for it, met before or not."""

from outbox import knock
from storage import actors, announces, follows, objects
from storage.database import Transaction
from tests.town import Town, TownSchool


async def neighbours(town: Town) -> tuple[TownSchool, TownSchool]:
    """Two schools that allow each other."""
    oakfield = await town.school("oakfield.example")
    hillcrest = await town.school("hillcrest.example")
    await oakfield.allow("hillcrest.example")
    await hillcrest.allow("oakfield.example")
    return oakfield, hillcrest


async def test_what_waits_for_a_school_goes_to_it_as_soon_as_it_knocks(town: Town) -> None:
    oakfield, hillcrest = await neighbours(town)
    alice, carol = await oakfield.staff("alice"), await hillcrest.staff("carol")
    await carol.post({"type": "Follow", "object": alice.uri})
    await oakfield.go_silent()
    await town.settle()
    await oakfield.listen()
    assert await knock.knock(oakfield.server) == 1
    await town.settle()
    known = await hillcrest.read(follows.get, carol.id, await _row(hillcrest, alice.uri))
    assert known is not None
    assert known.state == "accepted"


async def test_a_school_that_was_never_met_is_knocked_at_too_and_what_waits_for_us_there_goes_on(
    town: Town,
) -> None:
    oakfield, hillcrest = await neighbours(town)
    alice = await oakfield.staff("alice")
    note = await alice.say("The ripple tank works.")
    stranger = await town.stranger("social.example")
    await hillcrest.allow("social.example")
    await oakfield.go_silent()
    announce = stranger.person("lee").activity("Announce", note["id"])
    assert (await stranger.person("lee").send(hillcrest.shared_inbox, announce)).status == 202
    await town.settle()

    def passed_on(tx: Transaction) -> bool:
        post = objects.by_uri(tx, note["id"])
        return post is not None and bool(announces.of_object(tx, post.id, before=None, limit=9))

    assert not await hillcrest.read(passed_on)
    await oakfield.listen()
    assert await knock.knock(oakfield.server) == 1
    await town.settle()
    assert await hillcrest.read(passed_on)


async def test_a_knock_makes_nobody_fetch_who_waits_for_nothing(town: Town) -> None:
    hillcrest = await town.school("hillcrest.example")
    stranger = await town.stranger("social.example")
    await hillcrest.allow("social.example")
    reply = await stranger.person("lee").get(f"{hillcrest.url}/actor")
    assert reply.status == 200
    assert stranger.fetched == []


async def _row(school: TownSchool, uri: str) -> int:
    found = await school.read(actors.by_uri, uri)
    assert found is not None
    return found.id
