"""A school that is left alone tidies up after itself, and nobody notices but the disk."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from aiohttp import web
from sqlalchemy import func, select

from actors import handles, upkeep
from actors.server import Server
from federation.errors import Gone, Malformed, Refused
from inbox import worker
from outbox import deliver
from staffroom import workers
from storage import actors, objects, peers, pruning, rounds, sessions, tables
from storage.database import Transaction, Unavailable
from tests.storage.people import colleague, post
from tests.town import Person, Stranger, Town
from tests.town.school import ACTIVITY

HALF_A_YEAR = timedelta(days=180)


async def tidy(server: Server, copies: timedelta | None = HALF_A_YEAR) -> int:
    """Step by step until there is nothing more to do; how much was done."""
    done = 0
    for _ in range(200):
        step = await upkeep.step(server, copies)
        if not step:
            return done
        done += step
    raise AssertionError("upkeep does not come to an end")


async def reader_of_the_village(town: Town) -> tuple[Person, Stranger]:
    """Alice of Oakfield follows Eve of the village."""
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    village = await town.stranger("village")
    eve = village.person("eve")
    follow = await alice.post({"type": "Follow", "object": eve.uri})
    await town.settle()
    accept = eve.activity("Accept", follow, to=[alice.uri])
    assert (await eve.send(f"{alice.uri}/inbox", accept)).status == 202
    await town.settle()
    return alice, village


async def test_what_nobody_kept_goes_after_half_a_year_and_never_comes_by_mistake(
    town: Town,
) -> None:
    alice, village = await reader_of_the_village(town)
    eve, server = village.person("eve"), alice.school.server
    liked, lost = eve.create("The hall is free."), eve.create("It rains.")
    for create in (liked, lost):
        assert (await eve.send(alice.school.shared_inbox, create)).status == 202
    await town.settle()
    like = await alice.post({"type": "Like", "object": liked["object"]["id"]})
    await town.settle()

    async def kept() -> list[bool]:
        found = [
            await alice.school.read(objects.by_uri, create["object"]["id"])
            for create in (liked, lost)
        ]
        return [one is not None for one in found]

    async def found() -> set[str]:
        return {one["id"] for one in await alice.inbox() if one["type"] == "Create"}

    town.clock.advance(days=200)
    await tidy(server, None)
    assert await kept() == [True, True]
    await tidy(server)
    assert await kept() == [True, False]
    assert await found() == {liked["id"]}

    # What is replayed counts once; what is said of it later is no trouble.
    assert (await eve.send(alice.school.shared_inbox, lost)).status in (200, 202)
    assert (await eve.send(alice.school.shared_inbox, liked)).status in (200, 202)
    await town.settle()
    assert await kept() == [True, False]
    gone = {"id": lost["object"]["id"], "type": "Tombstone"}
    delete = eve.activity("Delete", gone)
    assert (await eve.send(alice.school.shared_inbox, delete)).status == 202
    await town.settle()
    assert await kept() == [True, False]

    # In the next round what nobody likes any more goes as well.
    await alice.post({"type": "Undo", "object": like})
    await town.settle()
    town.clock.advance(days=31)
    await tidy(server)
    assert await kept() == [False, False]
    assert await found() == set()


async def test_a_round_goes_on_after_a_restart_and_rests_when_it_is_through(town: Town) -> None:
    alice, _ = await reader_of_the_village(town)
    oakfield = alice.school

    async def position() -> int:
        return (await oakfield.read(rounds.by_name, ["posts"]))["posts"].position

    town.clock.advance(days=200)
    assert await tidy(oakfield.server) > 0
    reached = await position()
    assert reached > 0
    await oakfield.shut()
    await oakfield.open()
    assert await upkeep.step(oakfield.server, HALF_A_YEAR) == 0
    town.clock.advance(minutes=30)
    assert await upkeep.step(oakfield.server, HALF_A_YEAR) == 0
    assert await position() == reached
    town.clock.advance(hours=1)
    assert await tidy(oakfield.server) > 0
    assert await position() > reached


async def test_who_writes_meanwhile_waits_for_a_slice_and_not_for_the_whole(town: Town) -> None:
    oakfield = await town.school("oakfield")

    def receive(tx: Transaction) -> None:
        bob = colleague(tx, "bob")
        for _ in range(150):
            post(tx, bob)

    await oakfield.write(receive)
    town.clock.advance(days=200)
    tidying = asyncio.create_task(tidy(oakfield.server))
    turns = 0
    while not tidying.done():
        await oakfield.write(_nothing)
        turns += 1
    await tidying
    assert await oakfield.read(_count, tables.objects) == 0
    assert turns >= 150 // pruning.AT_ONCE


def _nothing(tx: Transaction) -> None:
    return None


def _count(tx: Transaction, table: object) -> int:
    return tx.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


async def test_who_left_is_cleared_away_and_sign_ins_that_are_over_go(town: Town) -> None:
    alice, village = await reader_of_the_village(town)
    eve, oakfield = village.person("eve"), alice.school

    def sign_in(tx: Transaction) -> None:
        sessions.add(tx, alice.id, b"hash", tx.now + timedelta(days=14))

    def a_long_life(tx: Transaction) -> None:
        author = actors.by_uri(tx, eve.uri)
        assert author is not None
        for _ in range(600):
            post(tx, author)
        actors.bury(tx, author.id)

    await oakfield.write(sign_in)
    await oakfield.write(a_long_life)
    assert await oakfield.read(_words_left) > 0
    await tidy(oakfield.server)
    assert await oakfield.read(_words_left) == 0
    assert await oakfield.read(_count, tables.sessions) == 1
    town.clock.advance(days=15)
    await tidy(oakfield.server)
    assert await oakfield.read(_count, tables.sessions) == 0


def _words_left(tx: Transaction) -> int:
    said = tables.objects.c.content != ""
    return tx.execute(select(func.count()).select_from(tables.objects).where(said)).scalar_one()


# --- the workers -------------------------------------------------------------------------------


def test_everything_a_school_does_by_itself_has_a_worker() -> None:
    shared, alone = workers.shared(), workers.alone_at(HALF_A_YEAR)
    assert set(shared) == {"inbox", "outbox", "threads", "watch"}
    assert set(alone) == {"polls", "moves", "clock", "upkeep"}
    assert (shared["inbox"], shared["outbox"]) == (worker.work, deliver.work)


async def test_a_worker_rests_until_it_is_woken_and_outlives_a_database_that_is_away(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    server = (await town.school("oakfield")).server
    results: list[int | Exception] = [2, 1, Unavailable("gone"), 0, 5]
    resting, over = asyncio.Event(), asyncio.Event()
    pauses: list[float] = []

    async def step(server: Server) -> int:
        if not results:
            over.set()
            await asyncio.Event().wait()
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        if not result:
            resting.set()
        return result

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    running = asyncio.create_task(
        workers.step_by_step(step, server, topic="upkeep", idle=3600, pause=pause)
    )
    await resting.wait()
    while not over.is_set():
        await server.database.write(_wake)
    running.cancel()
    breath = workers.BREATH
    assert pauses == [breath, breath, workers.FIRST_PAUSE, breath, breath]
    assert "the database cannot be had: gone" in caplog.text


def _wake(tx: Transaction) -> None:
    tx.wake("upkeep")


# --- lanes at their end ------------------------------------------------------------------------


async def test_a_lane_that_ran_empty_without_a_visit_still_counts_as_failing(town: Town) -> None:
    alice, village = await reader_of_the_village(town)
    oakfield = alice.school
    await alice.say("Is anybody there?", to=village.person("eve").uri)
    await village.shut()
    for _ in range(9):
        await town.settle()
        town.clock.advance(days=1, hours=6)
    town.clock.advance(days=60)
    assert await deliver.sweep(oakfield.server) == 1
    await town.settle()

    lane = await oakfield.read(peers.by_host, village.host)
    assert lane is not None
    assert (lane.due_at, lane.failing_days >= 7) == (None, True)
    assert lane.succeeded_at is not None
    assert lane.succeeded_at < town.clock() - timedelta(days=60)


# --- handles -----------------------------------------------------------------------------------


async def refuses(asked: Callable[[], Awaitable[object]], error: type[Exception]) -> None:
    with pytest.raises(error):
        await asked()


async def test_a_handle_may_end_in_a_shorter_name_than_the_server(town: Town) -> None:
    """The domain of the handle is remembered once both servers said so, and no document can
    take another."""
    oakfield = await town.school("oakfield")
    await oakfield.staff("lee")
    village = await town.stranger("village")
    social = await town.stranger("social.village.example")
    eve, mallory = social.person("eve"), social.person("mallory")
    find = partial(handles.find, oakfield.server)
    assert (await find("@eve@social.village.example")).handle == "@eve@social.village.example"
    for stranger in (village, social):
        for name, person in (("eve", eve), ("m", mallory)):
            card = {
                "subject": f"acct:{name}@{village.host}",
                "links": [{"rel": "self", "type": ACTIVITY, "href": person.uri}],
            }
            answer = web.json_response(card, content_type="application/jrd+json")
            stranger.cards[f"acct:{name}@{stranger.host}"] = answer
            stranger.cards[f"acct:{name.title()}@{stranger.host}"] = answer
    found = await find("@Eve@village.example")
    assert (found.uri, found.handle) == (eve.uri, "@eve@village.example")
    assert await find("eve@social.village.example") == found
    assert await oakfield.read(actors.by_handle, "eve", village.host) == [found]

    # A document that is fetched again does not change it.
    def forget(tx: Transaction) -> None:
        table = tables.actors
        tx.execute(table.update().where(table.c.id == found.id).values(fetched_at=None))

    await oakfield.write(forget)
    assert (await find("@eve@village.example")).host == village.host
    await refuses(lambda: find("@m@village.example"), Refused)
    await refuses(lambda: find("@nobody@village.example"), Gone)
    await refuses(lambda: find("@eve@unlisted.example"), Refused)
    await refuses(lambda: find("eve"), Malformed)
    assert (await find("@LEE@oakfield.example")).username == "lee"
    await refuses(lambda: find("@nobody@oakfield.example"), Gone)
