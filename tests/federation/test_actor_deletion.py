"""Somebody at another server deletes themselves: believed on their own key, or on the word of
their own server, and on nothing else. PROTOCOL §5"""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from actors import remote
from federation.errors import Gone
from storage import actors, follows, objects, received, tables
from storage.actors import Actor
from storage.database import Transaction
from tests.town import Foreigner, Person, Reply, Stranger, Town, TownSchool


@pytest.fixture
async def stranger(town: Town, oakfield: TownSchool) -> Stranger:
    return await town.stranger("stranger")


async def met(oakfield: TownSchool, who: Foreigner) -> str:
    """Oakfield knows them and their key, and keeps something they said; its id."""
    said = who.create("Has anybody seen the ripple tank?")
    assert (await who.send(oakfield.shared_inbox, said)).status == 202
    await oakfield.town.settle()
    note: str = said["object"]["id"]
    assert await oakfield.read(objects.by_uri, note) is not None
    return note


async def kept(oakfield: TownSchool, who: Foreigner) -> Actor:
    found = await oakfield.read(actors.by_uri, who.uri)
    assert found is not None
    return found


async def forget_keys(oakfield: TownSchool, who: Foreigner) -> None:
    known = await kept(oakfield, who)

    def forget(tx: Transaction) -> None:
        tx.execute(delete(tables.keys).where(tables.keys.c.actor_id == known.id))

    await oakfield.write(forget)


async def says_goodbye(oakfield: TownSchool, who: Foreigner) -> Reply:
    reply = await who.send(oakfield.shared_inbox, who.activity("Delete", who.uri))
    await oakfield.town.settle()
    return reply


async def test_by_a_key_that_we_know_they_are_gone_whether_or_not_their_server_shows_it(
    oakfield: TownSchool, stranger: Stranger
) -> None:
    lee = await oakfield.staff("lee")
    for name, shown in (("ana", True), ("eve", False)):
        who = stranger.person(name)
        note = await met(oakfield, who)
        await lee.post({"type": "Follow", "object": who.uri})
        await oakfield.town.settle()
        if not shown:
            stranger.documents[f"/people/{name}"] = 410
        stranger.fetched.clear()
        oakfield.town.clock.advance(minutes=10)

        assert (await says_goodbye(oakfield, who)).status == 202

        assert stranger.fetched == []
        gone = await kept(oakfield, who)
        assert (gone.state, gone.name) == ("deleted", "")
        stone = await oakfield.read(objects.by_uri, note)
        assert stone is not None
        assert (stone.content, stone.deleted_at) == ("", oakfield.town.clock())
        assert await oakfield.read(follows.get, lee.id, gone.id) is None


async def test_without_a_key_it_is_asked_of_their_own_server_and_only_410_is_its_word(
    town: Town, oakfield: TownSchool, stranger: Stranger
) -> None:
    for name, status, state in (("ana", 410, "deleted"), ("eve", 404, "active")):
        who = stranger.person(name)
        await met(oakfield, who)
        await forget_keys(oakfield, who)
        town.clock.advance(minutes=2)  # what the door remembered of them is forgotten
        stranger.documents[f"/people/{name}"] = status
        reply = await says_goodbye(oakfield, who)
        assert reply.status == (202 if state == "deleted" else 401), name
        assert (await kept(oakfield, who)).state == state
        # Once more makes nobody ask again.
        stranger.fetched.clear()
        await says_goodbye(oakfield, who)
        assert stranger.fetched == []
    # A server that is asleep says nothing; later it says it.
    zoe = stranger.person("zoe")
    await met(oakfield, zoe)
    await forget_keys(oakfield, zoe)
    town.clock.advance(minutes=2)
    stranger.documents["/people/zoe"] = 503
    assert (await says_goodbye(oakfield, zoe)).status == 503
    stranger.documents["/people/zoe"] = 410
    town.clock.advance(minutes=10)
    assert (await says_goodbye(oakfield, zoe)).status == 202
    assert (await kept(oakfield, zoe)).state == "deleted"


async def test_nobody_is_deleted_by_a_colleague_or_with_a_false_key(
    oakfield: TownSchool, stranger: Stranger
) -> None:
    ana, mallory = stranger.person("ana"), stranger.person("mallory")
    note = await met(oakfield, ana)
    await met(oakfield, mallory)
    # In her own name, about another person of the same server.
    assert (
        await mallory.send(oakfield.shared_inbox, mallory.activity("Delete", ana.uri))
    ).status == 202
    # In Ana's name, with her own key; and with a key of hers that says to be Ana's.
    forged = ana.activity("Delete", ana.uri)
    assert (await mallory.send(oakfield.shared_inbox, forged)).status == 401
    false = Foreigner(stranger, "ana")
    false.key = mallory.key
    assert (await false.send(oakfield.shared_inbox, forged)).status == 401
    await oakfield.town.settle()
    assert (await kept(oakfield, ana)).state == "active"
    post = await oakfield.read(objects.by_uri, note)
    assert post is not None
    assert post.deleted_at is None


async def test_a_flood_of_goodbyes_by_people_nobody_here_knows_leaves_nothing_and_asks_nothing(
    oakfield: TownSchool, stranger: Stranger
) -> None:
    for number in range(5):
        who = stranger.person(f"somebody{number}")
        assert (await says_goodbye(oakfield, who)).status == 202
        assert await oakfield.read(actors.by_uri, who.uri) is None
    assert stranger.fetched == []
    rows = await oakfield.write(received.claim, limit=10, lease=timedelta(0))
    assert rows == []


async def test_who_is_gone_does_not_come_back(
    town: Town, oakfield: TownSchool, stranger: Stranger
) -> None:
    lee: Person = await oakfield.staff("lee")
    ana = stranger.person("ana")
    note = await met(oakfield, ana)
    assert (await says_goodbye(oakfield, ana)).status == 202

    # Said once more, at once or later, it is not refused: else their server's lane would stop.
    assert (await says_goodbye(oakfield, ana)).status == 202
    town.clock.advance(minutes=5)
    assert (await says_goodbye(oakfield, ana)).status == 202
    again = ana.create("I am back.")
    assert (await ana.send(oakfield.shared_inbox, again)).status == 403
    with pytest.raises(Gone):
        await remote.actor(oakfield.server, ana.uri, max_age=timedelta(0))
    await lee.post({"type": "Follow", "object": ana.uri}, expect=400)
    await town.settle()
    # What she said stays a tombstone, even where somebody still passes it on.
    eve = stranger.person("eve")
    await eve.send(oakfield.shared_inbox, eve.activity("Announce", note))
    await town.settle()
    stone = await oakfield.read(objects.by_uri, note)
    assert stone is not None
    assert stone.deleted_at is not None


async def test_an_inbox_that_is_gone_is_asked_after_and_only_its_owners_document_says_why(
    town: Town, oakfield: TownSchool, stranger: Stranger
) -> None:
    lee = await oakfield.staff("lee")
    ana, eve = stranger.person("ana"), stranger.person("eve")
    for who in (ana, eve):
        await met(oakfield, who)
        stranger.answers[f"/people/{who.username}/inbox"] = 410
    stranger.documents["/people/ana"] = 410
    await lee.say("Only for you two.", to=[ana.uri, eve.uri])
    await town.settle()
    assert (await kept(oakfield, ana)).state == "deleted"
    assert (await kept(oakfield, eve)).state == "active"
