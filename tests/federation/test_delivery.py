"""What waits is brought: in order, school by school, through outages, refusals and holidays."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict
from sqlalchemy import select

from actors import local, remote
from federation import keys as federation_keys
from federation import signatures
from federation.signatures import Message
from outbox import deliver, dispatch, schedule, visit
from outbox import knock as opening
from storage import actors, deliveries, follows, keys, objects, peers, tables
from storage.actors import save_remote
from storage.database import Transaction
from storage.peers import Peer
from storage.postgresql import WORKERS, WRITERS
from tests.federation.inn import Inn
from tests.storage.people import remote_fields
from tests.storage.teachers import PUBLIC
from tests.town import Delivered, Person, Town, TownSchool

MIDDLE: Callable[[], float] = lambda: 0.5  # noqa: E731  dice that always fall on the middle


@dataclass
class Lanes:
    """Oakfield with one author, and inns that follow her."""

    town: Town
    oakfield: TownSchool
    alice: Person
    inns: dict[str, Inn] = field(default_factory=dict)

    async def inn(self, name: str = "riverside", *, allowed: bool = True) -> Inn:
        host = f"{name}.example"
        inn = await Inn(self.town, host).open()
        self.inns[host] = inn
        if allowed:
            await self.oakfield.allow(host)
        await self.oakfield.write(_follower, self.alice.id, host)
        return inn

    async def say(self, text: str = "Lab 2 is free", **note: Any) -> str:
        return await self.do(
            type="Create", object={"type": "Note", "content": text, "to": [PUBLIC], **note}
        )

    async def do(self, **activity: Any) -> str:
        return await self.oakfield.write(dispatch.send, self.alice.id, activity)

    async def step(self) -> int:
        return await deliver.step(self.oakfield.server, dice=MIDDLE)

    async def peer(self, name: str = "riverside") -> Peer:
        found = await self.oakfield.read(peers.by_host, f"{name}.example")
        assert found is not None
        return found

    async def rows(self) -> list[tuple[str, int, str | None]]:
        return await self.oakfield.read(_rows)

    async def next_try(self, name: str = "riverside") -> timedelta:
        due = (await self.peer(name)).due_at
        assert due is not None
        return due - self.town.clock()


def _follower(tx: Transaction, author_id: int, host: str) -> None:
    fan = save_remote(tx, remote_fields("fan", host))
    follows.request(tx, fan.id, author_id, f"{fan.uri}/follows/1")
    follows.accept(tx, fan.id, author_id)


def _rows(tx: Transaction) -> list[tuple[str, int, str | None]]:
    table = tables.deliveries.c
    rows = tx.execute(select(table.state, table.tries, table.reason).order_by(table.id))
    return [(row.state, row.tries, row.reason) for row in rows]


@pytest.fixture
async def lanes(town: Town) -> AsyncIterator[Lanes]:
    oakfield = await town.school("oakfield")
    built = Lanes(town, oakfield, await oakfield.staff("alice"))
    yield built
    for inn in built.inns.values():
        await inn.shut()


# --- how it is brought -------------------------------------------------------------------------


async def test_a_post_is_signed_at_the_moment_of_sending_with_its_authors_key(
    lanes: Lanes,
) -> None:
    inn = await lanes.inn()
    await lanes.say()
    lanes.town.clock.advance(days=3)
    await lanes.step()

    (got,) = inn.delivered
    assert got.path == "/inbox"
    assert got.headers["Content-Type"] == "application/activity+json"
    message = Message("POST", f"{inn.url}/inbox", CIMultiDict(got.headers), got.body)
    claim = signatures.read(message)
    assert claim.form == "cavage"
    key = await lanes.oakfield.read(keys.by_uri, claim.key_id)
    assert key is not None
    assert key.actor_id == lanes.alice.id
    public = federation_keys.load(key.public)
    signatures.verify(claim, message, public, lanes.town.clock())
    assert await lanes.rows() == [("done", 0, None)]


async def test_what_is_published_in_order_arrives_in_order(lanes: Lanes) -> None:
    inn = await lanes.inn()
    for number in range(120):
        await lanes.say(f"Lesson {number}")
    await lanes.step()
    texts = [got.json["object"]["content"] for got in inn.delivered]
    assert texts == [f"Lesson {number}" for number in range(120)]
    assert await lanes.step() == 0


async def test_nothing_is_sent_twice_while_a_visit_lasts(lanes: Lanes) -> None:
    inn = await lanes.inn()
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(delivered: Delivered) -> int:
        arrived.set()
        await go_on.wait()
        return 202

    inn.decide = slowly
    await lanes.say()
    first = asyncio.create_task(lanes.step())
    await arrived.wait()
    lanes.town.clock.advance(seconds=visit.LEASE.total_seconds() - 1)
    assert await lanes.step() == 0
    go_on.set()
    assert await first == 1
    assert len(inn.delivered) == 1


def test_a_lease_outlasts_the_longest_visit() -> None:
    longest = visit.VISIT + timedelta(seconds=visit.REQUEST_SECONDS)
    assert longest + timedelta(seconds=20) < visit.LEASE


async def test_what_is_published_during_a_visit_is_not_forgotten(lanes: Lanes) -> None:
    inn = await lanes.inn()

    async def meanwhile(delivered: Delivered) -> int:
        if len(inn.delivered) == 1:
            await lanes.say("Lab 3 is free too")
        return 202

    inn.decide = meanwhile
    await lanes.say()
    while await lanes.step():
        pass
    assert len(inn.delivered) == 2


async def test_a_slow_school_does_not_keep_the_others_waiting(lanes: Lanes) -> None:
    slow, quick = await lanes.inn("slow"), await lanes.inn("quick")
    arrived = asyncio.Event()

    async def when_the_other_has_it(delivered: Delivered) -> int:
        await arrived.wait()
        return 202

    def now(delivered: Delivered) -> int:
        arrived.set()
        return 202

    slow.decide, quick.decide = when_the_other_has_it, now
    await lanes.say()
    assert await lanes.step() == 2
    assert [slow.kinds, quick.kinds] == [["Create"], ["Create"]]


async def test_a_visit_ends_when_its_time_is_over_and_goes_on_later(lanes: Lanes) -> None:
    inn = await lanes.inn()

    def slowly(delivered: Delivered) -> int:
        lanes.town.clock.advance(seconds=8)
        return 202

    inn.decide = slowly
    for number in range(5):
        await lanes.say(f"Lesson {number}")
    await lanes.oakfield.server.database.woken("deliveries", 60)
    assert await lanes.step() == 3
    assert await lanes.next_try() == timedelta(0)
    async with asyncio.timeout(20):
        await lanes.oakfield.server.database.woken("deliveries", 60)
    assert await lanes.step() == 2


# --- what an answer means ----------------------------------------------------------------------


async def test_a_clear_no_ends_it_with_its_reason_and_the_next_is_brought(lanes: Lanes) -> None:
    inn = await lanes.inn()
    for status in (400, 404, 405, 406, 410, 413, 415, 422, 501):
        first = await lanes.say("Lab 2")
        await lanes.say("Lab 3")
        inn.decide = partial(_answers, first, status)
        await lanes.step()
        ended = (await lanes.rows())[-2:]
        assert ended == [("over", 0, f"answered {status}"), ("done", 0, None)]
        assert (await lanes.peer()).failures == 0
        assert await lanes.step() == 0


def _answers(which: str, status: int, delivered: Delivered) -> int:
    return status if delivered.json["id"] == which else 202


async def test_a_school_that_has_no_time_is_tried_later_and_the_whole_lane_waits(
    lanes: Lanes,
) -> None:
    inn = await lanes.inn()
    for status in (408, 429, 500, 502, 503, 504, 301, 409):
        first = await lanes.say("Lab 2")
        inn.decide = partial(_answers, first, status)
        await lanes.step()

        assert (await lanes.rows())[-1] == ("waiting", 0, None)
        peer = await lanes.peer()
        assert (peer.failures, peer.last_error) == (1, f"answered {status}")
        assert await lanes.next_try() == timedelta(minutes=1)
        await lanes.say("Lab 3")
        assert await lanes.step() == 0
        lanes.town.clock.advance(minutes=1)
        inn.decide = lambda got: 202
        assert await lanes.step() == 2
        assert {state for state, _, _ in await lanes.rows()} == {"done"}


async def test_a_closed_school_is_tried_after_1_5_30_minutes_2_hours_and_every_6_hours(
    lanes: Lanes,
) -> None:
    inn = await lanes.inn()
    await lanes.say()
    await inn.shut()
    waits = []
    for _ in range(6):
        assert await lanes.step() == 1
        waits.append(await lanes.next_try())
        lanes.town.clock.advance(seconds=waits[-1].total_seconds() - 1)
        assert await lanes.step() == 0
        lanes.town.clock.advance(seconds=1)
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    assert waits == [minute, 5 * minute, 30 * minute, 2 * hour, 6 * hour, 6 * hour]


async def test_six_weeks_of_holiday_cost_nothing_but_time(lanes: Lanes) -> None:
    inn = await lanes.inn()
    sent = [await lanes.say("Lab 2"), await lanes.say("Lab 3")]
    await inn.shut()
    tried = 0
    for _ in range(6 * 7 * 4):
        tried += await lanes.step()
        await deliver.sweep(lanes.oakfield.server)
        lanes.town.clock.advance(hours=6)
    # Seven days at first, then one probe a day.
    assert (await lanes.peer()).failing_days >= schedule.AWAY_AFTER_DAYS
    assert 40 <= tried <= 100
    await inn.open()
    lanes.town.clock.advance(days=1)
    await lanes.step()
    assert [got.json["id"] for got in inn.delivered] == sent
    assert (await lanes.peer()).failing_days == 0


async def test_after_seven_days_there_is_one_knock_a_day(lanes: Lanes) -> None:
    inn = await lanes.inn()
    await lanes.say("Lab 2")
    await lanes.say("Lab 3")
    inn.decide = lambda got: 500
    for _ in range(9 * 4):
        await lanes.step()
        lanes.town.clock.advance(hours=6)
    inn.delivered.clear()
    for _ in range(10 * 24):
        await lanes.step()
        lanes.town.clock.advance(hours=1)
    assert 9 <= len(inn.delivered) <= 11


async def test_after_60_days_we_give_up_with_a_reason(lanes: Lanes) -> None:
    inn = await lanes.inn()
    await inn.shut()
    await lanes.say()
    lanes.town.clock.advance(days=59)
    assert await deliver.sweep(lanes.oakfield.server) == 0
    lanes.town.clock.advance(days=1, seconds=1)
    assert await deliver.sweep(lanes.oakfield.server) == 1
    assert await lanes.rows() == [("over", 0, "waited too long")]


async def test_a_wish_for_when_to_come_back_is_obeyed_up_to_a_day(lanes: Lanes) -> None:
    inn = await lanes.inn()
    await lanes.say("Lab 2")
    await lanes.say("Lab 3")
    for wish, wait in (
        ("1800", timedelta(minutes=30)),
        ("500000", timedelta(days=1)),
        ("1", timedelta(minutes=1)),
    ):
        inn.decide = partial(_later, wish)
        assert await lanes.step() == 1
        assert await lanes.next_try() == wait
        lanes.town.clock.advance(seconds=wait.total_seconds())


def _later(wish: str, delivered: Delivered) -> web.Response:
    return web.Response(status=503, headers={"Retry-After": wish})


async def test_a_sign_of_life_starts_the_lane_at_once(lanes: Lanes) -> None:
    inn = await lanes.inn()
    await lanes.say()
    await inn.shut()
    for _ in range(5):
        await lanes.step()
        lanes.town.clock.advance(hours=6)
    await lanes.step()
    assert await lanes.next_try() > timedelta(hours=5)

    await inn.open()
    await lanes.oakfield.write(peers.heard, "riverside.example")
    assert await lanes.next_try() <= timedelta(seconds=60)
    lanes.town.clock.advance(seconds=60)
    await lanes.step()
    assert inn.kinds == ["Create"]


async def test_after_six_weeks_a_sign_of_life_starts_the_lane_within_a_minute(
    lanes: Lanes,
) -> None:
    """It is probed once a day by then; whoever comes back does not wait for that."""
    inn = await lanes.inn()
    sent = [await lanes.say(f"Lesson {number}") for number in range(visit.FIRST + 5)]
    await inn.shut()
    for _ in range(45):
        await lanes.step()
        lanes.town.clock.advance(days=1)
    await lanes.step()
    assert (await lanes.peer()).failing_days >= schedule.AWAY_AFTER_DAYS
    assert await lanes.next_try() > timedelta(hours=12)

    await inn.open()
    await lanes.oakfield.write(peers.heard, "riverside.example")
    assert await lanes.next_try() <= timedelta(seconds=60)
    lanes.town.clock.advance(seconds=60)
    await lanes.step()
    assert [got.json["id"] for got in inn.delivered] == sent


async def test_somebody_whose_inbox_is_gone_is_looked_up_and_then_let_go(
    town: Town, lanes: Lanes
) -> None:
    hillside = await town.stranger("hillside")
    erin, finn = hillside.person("erin"), hillside.person("finn")
    for person in (erin, finn):
        await remote.actor(lanes.oakfield.server, person.uri)
        hillside.answers[f"/people/{person.username}/inbox"] = 410
    hillside.documents["/people/erin"] = 410
    await lanes.say(to=[erin.uri, finn.uri])
    assert await lanes.step() == 2

    kept = await lanes.oakfield.read(actors.by_uris, [erin.uri, finn.uri])
    assert {uri: actor.state for uri, actor in kept.items()} == {
        erin.uri: "deleted",
        finn.uri: "active",
    }
    assert {state for state, _, _ in await lanes.rows()} == {"over"}


# --- forms of signature ------------------------------------------------------------------------


def _form_of(delivered: Delivered) -> str:
    return "rfc9421" if "Signature-Input" in delivered.headers else "cavage"


async def test_a_school_that_wants_the_other_form_gets_it_and_it_is_remembered(
    lanes: Lanes,
) -> None:
    inn = await lanes.inn()
    inn.decide = lambda got: 202 if _form_of(got) == "rfc9421" else 401
    await lanes.say("Lab 2")
    await lanes.say("Lab 3")
    await lanes.step()
    await lanes.say("Lab 4")
    await lanes.step()

    assert [_form_of(got) for got in inn.delivered] == ["cavage", *["rfc9421"] * 3]
    assert (await lanes.peer()).signature_form == "rfc9421"


async def test_the_form_is_asked_again_after_three_weeks(lanes: Lanes) -> None:
    inn = await lanes.inn()
    inn.decide = lambda got: 202 if _form_of(got) == "rfc9421" else 401
    await lanes.say()
    await lanes.step()
    lanes.town.clock.advance(days=22)
    inn.decide = lambda got: 202
    inn.delivered.clear()
    await lanes.say()
    await lanes.step()
    assert [_form_of(got) for got in inn.delivered] == ["cavage"]
    assert (await lanes.peer()).signature_form == "cavage"


async def test_a_202_alone_proves_no_form(lanes: Lanes) -> None:
    await lanes.inn()
    await lanes.say()
    await lanes.step()
    assert (await lanes.peer()).signature_form is None


async def test_401_to_both_forms_is_tried_three_times_and_then_over(lanes: Lanes) -> None:
    inn = await lanes.inn()
    inn.decide = lambda got: 401
    await lanes.say()
    for tries in (1, 2):
        assert await lanes.step() == 1
        assert await lanes.rows() == [("waiting", tries, "answered 401")]
        lanes.town.clock.advance(hours=6)
    assert await lanes.step() == 1
    assert await lanes.rows() == [("over", 2, "answered 401, 3 times")]
    assert [_form_of(got) for got in inn.delivered] == ["cavage", "rfc9421"] * 3


async def test_403_to_both_forms_stops_the_lane_for_an_administrator_and_drops_nothing(
    lanes: Lanes,
) -> None:
    inn = await lanes.inn()
    inn.decide = lambda got: 403
    await lanes.say("Lab 2")
    await lanes.say("Lab 3")
    await lanes.step()

    assert [_form_of(got) for got in inn.delivered] == ["cavage", "rfc9421"]
    assert (await lanes.peer()).paused == "answered 403 to every form of signature"
    lanes.town.clock.advance(days=30)
    assert await lanes.step() == 0
    assert [state for state, _, _ in await lanes.rows()] == ["waiting", "waiting"]

    inn.decide = lambda got: 202
    await lanes.oakfield.allow("riverside.example")
    assert await lanes.step() == 2


async def test_403_to_one_form_is_no_reason_to_stop(lanes: Lanes) -> None:
    inn = await lanes.inn()
    inn.decide = lambda got: 403 if _form_of(got) == "cavage" else 202
    await lanes.say()
    await lanes.step()
    peer = await lanes.peer()
    assert (peer.paused, peer.signature_form) == (None, "rfc9421")
    assert await lanes.rows() == [("done", 0, None)]


# --- one activity that cannot be brought -------------------------------------------------------


async def test_one_that_fails_five_times_while_others_succeed_is_set_aside(lanes: Lanes) -> None:
    inn = await lanes.inn()
    poison = await lanes.say("Lab 2")
    inn.decide = lambda got: 500 if got.json["id"] == poison else 202
    for number in range(5):
        await lanes.say(f"Lesson {number}")
        assert await lanes.step() == 2
        state, tries, _ = (await lanes.rows())[0]
        assert (state, tries) == ("waiting" if number < 4 else "aside", number + 1)
        lanes.town.clock.advance(minutes=2)
    assert [state for state, _, _ in await lanes.rows()] == ["aside", *["done"] * 5]
    assert await lanes.step() == 0


async def test_one_that_never_gets_an_answer_does_not_block_the_lane_for_ever(
    lanes: Lanes,
) -> None:
    inn = await lanes.inn()
    poison = await lanes.say("Lab 2")
    await lanes.say("Lab 3")
    inn.decide = lambda got: 503 if got.json["id"] == poison else 202
    for _ in range(3):
        await lanes.step()
        lanes.town.clock.advance(hours=1)
    assert [state for state, _, _ in await lanes.rows()] == ["waiting", "done"]


async def test_a_long_outage_is_nobodys_fault(lanes: Lanes) -> None:
    inn = await lanes.inn()
    inn.decide = lambda got: 500
    await lanes.say("Lab 2")
    await lanes.say("Lab 3")
    for _ in range(20):
        await lanes.step()
        lanes.town.clock.advance(hours=8)
    assert await lanes.rows() == [("waiting", 0, None)] * 2


async def test_a_deletion_never_overtakes_its_post(lanes: Lanes) -> None:
    inn = await lanes.inn()
    sent = await lanes.say("Lab 2")
    inn.decide = lambda got: 202
    await lanes.step()
    await lanes.do(type="Delete", object=await _object_of(lanes, sent))
    await lanes.say("Lab 3")
    inn.decide = lambda got: 500 if got.json["type"] == "Delete" else 202
    await lanes.step()
    inn.decide = lambda got: 202
    lanes.town.clock.advance(minutes=2)
    await lanes.step()
    assert inn.kinds == ["Create", "Delete", "Create", "Delete"]


async def test_words_that_were_deleted_before_they_left_never_leave(lanes: Lanes) -> None:
    inn = await lanes.inn()
    sent = await lanes.say("Lab 2 is free, ask Mrs Hill")
    inn.decide = lambda got: 500
    await lanes.step()
    await lanes.do(type="Delete", object=await _object_of(lanes, sent))
    inn.delivered.clear()
    inn.decide = lambda got: 202
    lanes.town.clock.advance(minutes=2)
    await lanes.step()
    assert inn.kinds == ["Delete"]
    assert "Mrs Hill" not in inn.delivered[0].body.decode()
    over = ("over", 0, "deleted before it was sent")
    assert sorted(await lanes.rows()) == [("done", 0, None), over]


async def test_words_that_were_edited_before_they_left_never_leave(lanes: Lanes) -> None:
    inn, there = await lanes.inn(), await lanes.inn("hillside")
    sent = await lanes.say("Lab 2 is free, ask Mrs Hill")
    inn.decide = lambda got: 500
    await lanes.step()
    note = await _object_of(lanes, sent)
    for text in ("Lab 2 is free, ask Mr Hill", "Lab 2 is free"):
        lanes.town.clock.advance(seconds=20)
        await lanes.do(type="Update", object={"id": note, "content": text})
    inn.delivered.clear()
    inn.decide = lambda got: 202
    lanes.town.clock.advance(minutes=2)
    await lanes.step()
    assert inn.kinds == there.kinds == ["Create", "Update"]
    assert [got.json["object"]["content"] for got in inn.delivered] == ["Lab 2 is free"] * 2
    assert inn.delivered[0].json["id"] == there.delivered[0].json["id"] == sent
    assert all("Hill" not in got.body.decode() for got in inn.delivered)


async def test_an_edit_follows_words_that_are_on_their_way(lanes: Lanes) -> None:
    inn = await lanes.inn()

    async def meanwhile(delivered: Delivered) -> int:
        if len(inn.delivered) == 1:
            await lanes.do(type="Update", object={"id": note, "content": "Lab 3 is free"})
            return 500  # it got them, and says otherwise
        return 202

    inn.decide = meanwhile
    note = await _object_of(lanes, await lanes.say("Lab 2 is free"))
    await lanes.step()
    lanes.town.clock.advance(minutes=2)
    await lanes.step()
    words = [(got.json["type"], got.json["object"]["content"]) for got in inn.delivered]
    assert words == [
        ("Create", "Lab 2 is free"),
        ("Create", "Lab 3 is free"),
        ("Update", "Lab 3 is free"),
    ]


async def test_a_failure_after_a_success_begins_a_new_count(lanes: Lanes) -> None:
    inn = await lanes.inn()
    await inn.shut()
    await lanes.say("Lab 2")
    for _ in range(5):
        await lanes.step()
        lanes.town.clock.advance(hours=6)
    await inn.open()
    await lanes.say("Lab 3")
    inn.decide = lambda got: 202 if len(inn.delivered) == 1 else 503
    await lanes.step()
    assert await lanes.next_try() == timedelta(minutes=1)
    assert (await lanes.peer()).failures == 1


# --- whom we do not talk to --------------------------------------------------------------------


async def test_a_school_taken_off_the_list_gets_nothing_and_loses_nothing(lanes: Lanes) -> None:
    inn = await lanes.inn(allowed=False)
    await lanes.say()
    assert await lanes.step() == 0
    assert inn.delivered == []
    assert (await lanes.peer()).paused == "not on our list"
    await lanes.oakfield.allow("riverside.example")
    assert await lanes.step() == 1


async def test_a_school_blocked_after_the_post_gets_nothing(lanes: Lanes) -> None:
    inn = await lanes.inn()
    await lanes.say()
    await lanes.oakfield.block("riverside.example")
    assert await lanes.step() == 0
    assert inn.delivered == []


# --- the worker --------------------------------------------------------------------------------


async def test_the_worker_is_woken_by_a_post_and_stops_without_losing_anything(
    lanes: Lanes,
) -> None:
    inn = await lanes.inn()
    brought, asked, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def decide(delivered: Delivered) -> int:
        if delivered.json["object"]["content"] == "Lab 3":
            asked.set()
            await go_on.wait()
        brought.set()
        return 202

    inn.decide = decide
    working = asyncio.create_task(deliver.work(lanes.oakfield.server))
    async with asyncio.timeout(20):
        await lanes.say("Lab 2")
        await brought.wait()
        await lanes.say("Lab 3")
        await asked.wait()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    go_on.set()

    assert [state for state, _, _ in await lanes.rows()] == ["done", "waiting"]
    assert (await lanes.peer()).leased_until is None
    inn.decide = lambda got: 202
    assert await lanes.step() == 1


async def test_the_worker_outlives_a_moment_without_the_database(lanes: Lanes) -> None:
    inn = await lanes.inn()
    brought, begun, go_on = asyncio.Event(), threading.Semaphore(0), threading.Event()
    await lanes.say()
    database = lanes.oakfield.server.database

    def take(delivered: Delivered) -> int:
        brought.set()
        return 202

    inn.decide = take

    def hold(tx: Transaction) -> None:
        begun.release()
        go_on.wait(20)

    # All threads that write are kept, and then nobody else can even queue.
    holding = [asyncio.create_task(database.write(hold)) for _ in range(WRITERS)]
    holding += [asyncio.create_task(database.work(hold)) for _ in range(WORKERS)]
    await asyncio.to_thread(begun.acquire)
    waiting = [asyncio.create_task(database.work(peers.by_host, "x")) for _ in range(1100)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)

    working = asyncio.create_task(deliver.work(lanes.oakfield.server))
    done, _ = await asyncio.wait({working}, timeout=0.1)
    assert not done
    go_on.set()
    async with asyncio.timeout(20):
        await asyncio.gather(*holding, *waiting, return_exceptions=True)
        await brought.wait()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def test_a_mistake_of_ours_with_one_school_does_not_stop_the_others(lanes: Lanes) -> None:
    other = await lanes.inn("quick")
    await lanes.inn()
    await lanes.say()
    server = lanes.oakfield.server
    wrong = replace(server, school=replace(server.school, secret=b"x" * 32))
    await deliver.step(wrong, dice=MIDDLE)
    assert (await lanes.peer()).failures == 1
    assert (await lanes.peer("quick")).last_error == "WrongSecret"
    lanes.town.clock.advance(minutes=1)
    await lanes.step()
    assert other.kinds == ["Create"]


async def test_a_school_that_opens_knocks_at_the_peers_it_knows(lanes: Lanes) -> None:
    inn = await lanes.inn()
    gone = await lanes.inn("gone")
    await gone.shut()
    for host in ("riverside.example", "gone.example"):
        await lanes.oakfield.write(peers.heard, host)
    long_ago = await lanes.inn("longago")
    assert await opening.knock(lanes.oakfield.server) == 1

    ((path, headers),) = inn.fetched
    assert path == "/users/fan"
    signer = await lanes.oakfield.read(local.instance_signer)
    assert signer.key_id in headers["Signature"]
    assert long_ago.fetched == []


@pytest.mark.parametrize(
    ("minutes", "warned"), [((0, 0, -50), False), ((5, 6, 0), True), ((-5, -5, -5), True)]
)
async def test_a_school_whose_clock_is_wrong_is_told_so_when_it_opens(
    lanes: Lanes, minutes: tuple[int, ...], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for number, ahead in enumerate(minutes):
        inn = await lanes.inn(f"school{number}")
        theirs = lanes.town.clock() + timedelta(minutes=ahead)
        inn.date = format_datetime(theirs, usegmt=True)
        await lanes.oakfield.write(peers.heard, inn.host)
    assert await opening.knock(lanes.oakfield.server) == 3
    told = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.name for record in told] == ["outbox.knock"] * warned


async def test_two_schools_meet_again_after_one_was_closed(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    await alice.post({"type": "Follow", "object": bob.uri})
    await town.settle()
    await riverside.go_silent()
    await alice.say("Are you there?", to=[bob.uri])
    for _ in range(8):
        await town.settle()
        town.clock.advance(hours=7)
    await riverside.listen()
    assert await oakfield.read(deliveries.waiting) == 1

    await opening.knock(riverside.server)
    town.clock.advance(seconds=60)
    await town.settle()
    assert await oakfield.read(deliveries.waiting) == 0
    assert (await bob.inbox())[0]["type"] == "Create"


async def test_a_school_that_was_away_reads_a_post_as_it_stands_when_it_is_back(
    town: Town,
) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    await riverside.go_silent()
    note = await alice.say("The hall is free, ask Mrs Hill")
    await town.settle()
    town.clock.advance(minutes=2)
    text = "<p>It is taken</p>"
    await alice.post({"type": "Update", "object": {"id": note["id"], "content": text}})
    await riverside.listen()
    town.clock.advance(hours=1)
    await town.settle()

    there = await riverside.read(objects.by_uri, note["id"])
    assert there is not None
    assert there.content == "<p>It is taken</p>"
    (first,) = [got for got in await bob.inbox() if got["type"] == "Create"]
    assert first["object"]["content"] == there.content
    bodies = await riverside.read(
        lambda tx: tx.execute(select(tables.received.c.body)).scalars().all()
    )
    assert not [body for body in bodies if b"Mrs Hill" in body]
    assert len(await alice.school.collection(f"{alice.uri}/outbox", as_=alice)) == 1


async def _object_of(lanes: Lanes, activity: str) -> str:
    return await lanes.oakfield.read(_object_uri, activity)


def _object_uri(tx: Transaction, activity: str) -> str:
    table = tables.published.c
    return str(tx.execute(select(table.object_uri).where(table.uri == activity)).scalar_one())
