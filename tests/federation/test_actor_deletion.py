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


async def without_a_key(oakfield: TownSchool, who: Foreigner, shown: int) -> None:
    """Oakfield knows them and not their key, and this is what their server shows instead."""
    await met(oakfield, who)
    await forget_keys(oakfield, who)
    oakfield.town.clock.advance(minutes=2)  # what the door remembered of them is forgotten
    who.home.documents[f"/people/{who.username}"] = shown


async def test_without_a_key_it_is_asked_of_their_own_server_and_only_410_is_its_word_at_once(
    town: Town, oakfield: TownSchool, stranger: Stranger
) -> None:
    for name, status, answer, state in (
        ("ana", 410, 202, "deleted"),
        ("eve", 404, 202, "active"),
        ("ida", 403, 403, "active"),
    ):
        who = stranger.person(name)
        await without_a_key(oakfield, who, status)
        reply = await says_goodbye(oakfield, who)
        assert reply.status == answer, name
        assert (await kept(oakfield, who)).state == state
        # Once more makes nobody ask again.
        stranger.fetched.clear()
        await says_goodbye(oakfield, who)
        assert stranger.fetched == []
    # A server that is asleep says nothing; later it says it.
    zoe = stranger.person("zoe")
    await without_a_key(oakfield, zoe, 503)
    assert (await says_goodbye(oakfield, zoe)).status == 503
    stranger.documents["/people/zoe"] = 410
    town.clock.advance(minutes=10)
    assert (await says_goodbye(oakfield, zoe)).status == 202
    assert (await kept(oakfield, zoe)).state == "deleted"


async def test_404_counts_when_it_is_said_twice_a_day_apart(
    town: Town, oakfield: TownSchool, stranger: Stranger
) -> None:
    eve = stranger.person("eve")
    note = await met(oakfield, eve)
    await without_a_key(oakfield, eve, 404)
    assert (await says_goodbye(oakfield, eve)).status == 202
    # Said again within the day, it is kept once and shortens nothing.
    town.clock.advance(hours=6)
    assert (await says_goodbye(oakfield, eve)).status == 202
    assert await oakfield.read(received.pending) == 1

    stranger.fetched.clear()
    town.clock.advance(hours=17, minutes=59)
    await town.settle()
    assert (stranger.fetched, (await kept(oakfield, eve)).state) == ([], "active")
    # Their server is away just then, and is asked once more.
    stranger.documents["/people/eve"] = 503
    town.clock.advance(minutes=1)
    await town.settle()
    assert (stranger.fetched, (await kept(oakfield, eve)).state) == (["/people/eve"], "active")
    stranger.documents["/people/eve"] = 404
    town.clock.advance(hours=1)
    await town.settle()
    assert (await kept(oakfield, eve)).state == "deleted"
    stone = await oakfield.read(objects.by_uri, note)
    assert stone is not None
    assert stone.deleted_at is not None
    assert await oakfield.read(received.pending) == 0


async def test_who_is_there_again_or_was_meanwhile_is_not_deleted(
    town: Town, oakfield: TownSchool, stranger: Stranger
) -> None:
    there, seen = stranger.person("eve"), stranger.person("ida")
    for who in (there, seen):
        await without_a_key(oakfield, who, 404)
        assert (await says_goodbye(oakfield, who)).status == 202
    # One is back and writes, with a key that we have from now on; then nobody is shown again.
    stranger.documents["/people/ida"] = seen.document
    town.clock.advance(hours=2)
    await met(oakfield, seen)
    stranger.documents["/people/ida"] = 404
    # The other is only back.
    stranger.documents["/people/eve"] = there.document
    town.clock.advance(hours=22)
    await town.settle()
    for who in (there, seen):
        assert (await kept(oakfield, who)).state == "active"
    assert await oakfield.read(received.pending) == 0

    # Said with a key that can be had, it counts at once.
    assert (await says_goodbye(oakfield, there)).status == 202
    assert (await kept(oakfield, there)).state == "deleted"


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
