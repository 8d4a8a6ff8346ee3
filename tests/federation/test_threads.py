"""Conversations that began elsewhere: what was said before is fetched, within bounds.

Whoever writes a reply decides whom we ask for what it answers. So most of this is about people
who would have us run up and down the town.
"""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from actors import budget
from inbox import dispatch, missing, threads, worker
from storage import notifications, objects, tables, timelines, wanted
from storage import threads as conversations
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post
from tests.federation.test_inbox_order import bring, ended, proven, until
from tests.town import Foreigner, Person, Stranger, Town, TownSchool

# Hours from one try to the next, each just long enough, and then some days.
LONG_ENOUGH = (0.1, 0.6, 8.1, 48.1, 48.1, 48.1)


@pytest.fixture
async def bob(town: Town, oakfield: TownSchool) -> Foreigner:
    return (await town.stranger("riverside")).person("bob")


@pytest.fixture
async def hana(town: Town, oakfield: TownSchool) -> Foreigner:
    return (await town.stranger("hillside")).person("hana")


def talk(who: Foreigner, length: int, **more: Any) -> list[dict[str, Any]]:
    """A conversation that somebody has with themselves, the beginning first."""
    said = [who.note("0", **more)]
    for number in range(1, length):
        said.append(who.note(str(number), inReplyTo=said[-1]["id"], **more))
    return said


def path(document: dict[str, Any]) -> str:
    return "/" + str(document["id"]).partition("//")[2].partition("/")[2]


async def kept(school: TownSchool, document: dict[str, Any]) -> Post | None:
    return await school.read(objects.by_uri, document["id"])


async def above(school: TownSchool, reader: Person, document: dict[str, Any]) -> list[str]:
    """What a reader finds above a post."""
    post = await kept(school, document)
    assert post is not None
    viewer = Viewer(reader.id, True)
    thread = await school.read(conversations.around, viewer, post.id)
    return [one.content for one in thread.ancestors]


def count(tx: Transaction) -> int:
    return len(tx.execute(tables.wanted.select()).all())


# --- what is fetched -----------------------------------------------------------------------------


async def test_what_a_reply_answers_is_fetched_up_to_its_beginning_and_nobody_is_told(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner, hana: Foreigner
) -> None:
    await alice.post({"type": "Follow", "object": hana.uri})
    await town.settle()
    (asked,) = hana.home.activities("Follow")
    await bring(hana, oakfield, hana.activity("Accept", asked["id"], to=[alice.uri]))
    await town.settle()
    before = await oakfield.read(notifications.recent, alice.id, before=None, limit=9)
    said = talk(hana, 4, cc=[alice.uri])
    answer = bob.create("What about Friday?", inReplyTo=said[-1]["id"])
    await bring(bob, oakfield, answer)
    await town.settle()
    assert await above(oakfield, alice, answer["object"]) == [f"<p>{n}</p>" for n in range(4)]
    # They are there for who reads the conversation; they did not arrive.
    assert await oakfield.read(timelines.home, alice.id, before=None, limit=9) == []
    after = await oakfield.read(notifications.recent, alice.id, before=None, limit=9)
    assert len(after) == len(before)
    # Each was asked for once, and not again for the next answer.
    notes = [one for one in hana.home.fetched if one.startswith("/notes/")]
    assert notes == [path(one) for one in reversed(said)]
    await bring(bob, oakfield, bob.create("Or Monday?", inReplyTo=said[0]["id"]))
    await town.settle()
    assert [one for one in hana.home.fetched if one.startswith("/notes/")] == notes


async def test_a_quoted_post_is_fetched_and_nothing_that_stands_above_it(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    said = talk(hana, 3)
    await bring(bob, oakfield, bob.create("Look at this", quote=said[-1]["id"]))
    await town.settle()
    assert [await kept(oakfield, one) is not None for one in said] == [False, False, True]


async def test_what_an_announced_post_answers_is_fetched_too(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    said = talk(hana, 2)
    await bring(bob, oakfield, bob.activity("Announce", said[-1]["id"]))
    await town.settle()
    assert [await kept(oakfield, one) is not None for one in said] == [True, True]


async def test_what_comes_by_itself_is_not_asked_for(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    note = hana.note("Good morning")
    answer = bob.create("And to you", inReplyTo=note["id"])
    for who, activity in ((bob, answer), (hana, hana.activity("Create", note))):
        await bring(who, oakfield, activity)
        await worker.step(oakfield.server)
    assert await oakfield.read(wanted.waiting) == 1
    await town.settle()
    assert await oakfield.read(wanted.waiting) == 0
    assert path(note) not in hana.home.fetched


async def test_a_school_that_is_away_is_asked_again_later_and_not_for_ever(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner, hana: Foreigner
) -> None:
    said = talk(hana, 2)
    lost = talk((await town.stranger("quiet")).person("quentin"), 1)
    town.strangers["quiet.example"].documents[path(lost[0])] = 503
    await hana.home.shut()
    answer = bob.create("Agreed", inReplyTo=said[-1]["id"])
    to_nobody = bob.create("Is anybody there?", inReplyTo=lost[0]["id"])
    await bring(bob, oakfield, answer, to_nobody)
    await town.settle()
    assert await above(oakfield, alice, answer["object"]) == []
    await hana.home.open()
    town.clock.advance(minutes=2)
    await town.settle()
    assert await above(oakfield, alice, answer["object"]) == ["<p>0</p>", "<p>1</p>"]
    for hours in LONG_ENOUGH:
        town.clock.advance(hours=hours)
        await town.settle()
    assert await oakfield.read(wanted.waiting) == 0
    asked = [one for one in town.strangers["quiet.example"].fetched if one == path(lost[0])]
    assert len(asked) == 1 + len(threads.WAITS) == budget.AT_A_THIRD
    assert await threads.sweep(oakfield.server) > 0
    assert await oakfield.read(count) == 0


async def test_who_points_at_a_post_before_it_is_there_does_not_keep_it_from_us(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    eve = (await town.stranger("village")).person("eve")
    later = hana.note("Coming soon")
    served = hana.home.documents.pop(path(later))
    await bring(eve, oakfield, eve.create("First!", inReplyTo=later["id"]))
    await town.settle()
    town.clock.advance(minutes=6)
    hana.home.documents[path(later)] = served
    await bring(bob, oakfield, bob.create("Well said", quote=later["id"]))
    await town.settle()
    assert await kept(oakfield, later) is not None


async def test_a_deleted_beginning_is_not_asked_for_with_every_new_answer(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    said = talk(hana, 2)
    hana.home.documents[path(said[0])] = 410
    for number in range(4):
        await bring(bob, oakfield, bob.create(f"Answer {number}", inReplyTo=said[1]["id"]))
        await town.settle()
        town.clock.advance(minutes=10)
    assert hana.home.fetched.count(path(said[0])) == 1


# --- what is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["network", "open"])
async def test_a_reply_does_not_lead_us_to_a_school_that_we_do_not_talk_to(
    town: Town, bob: Foreigner, mode: Any
) -> None:
    school = await town.school("greenhill", mode=mode)
    await school.allow(bob.home.host)
    elsewhere = await town.stranger("elsewhere", known=False)
    if mode == "open":
        await school.block(elsewhere.host)
    bait = elsewhere.person("mallory").note("Bait")
    ours = f"{school.url}/objects/7"
    for number, uri in enumerate((bait["id"], ours, "https://127.0.0.1/", "urn:x")):
        said = bob.create(f"{number}", inReplyTo=uri, quote=uri)
        await bring(bob, school, said)
    hop = bob.note("Hop", inReplyTo=bait["id"])
    await bring(bob, school, bob.create("Over there", inReplyTo=hop["id"]))
    town.streets.asked.clear()
    await worker.step(school.server)
    assert await school.read(count) == 1
    await town.settle()
    assert await kept(school, hop) is not None
    assert elsewhere.fetched == []
    assert await school.read(count) == 1
    assert set(town.streets.asked) <= {bob.home.host}


async def test_a_conversation_without_a_beginning_costs_twenty_posts(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    eve = (await town.stranger("village")).person("eve")
    said = talk(eve, 1_000)
    await bring(eve, oakfield, eve.create("And so on", inReplyTo=said[-1]["id"]))
    await town.settle()
    assert eve.home.fetched.count("/people/eve") == 1
    assert len(eve.home.fetched) == 1 + wanted.PER_CAUSE
    # Somebody else's answer is worth as much again, from where we stopped.
    answer = bob.create("Really?", inReplyTo=said[-1]["id"])
    await bring(bob, oakfield, answer)
    await town.settle()
    assert len(await above(oakfield, alice, answer["object"])) == 20 + budget.AT_A_THIRD


async def test_a_conversation_that_goes_in_a_circle_is_walked_once(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner, hana: Foreigner
) -> None:
    said = talk(hana, 3)
    said[0]["inReplyTo"] = said[-1]["id"]
    alone = hana.note("Me")
    alone["inReplyTo"] = alone["id"]
    answers = [bob.create("What?", inReplyTo=one["id"]) for one in (said[-1], alone)]
    await bring(bob, oakfield, *answers)
    await town.settle()
    asked = [one for one in hana.home.fetched if one.startswith("/notes/")]
    assert sorted(asked) == sorted({path(one) for one in (*said, alone)})
    assert len(await above(oakfield, alice, answers[0]["object"])) == 3
    assert len(await above(oakfield, alice, answers[1]["object"])) == 1


async def test_a_third_school_is_asked_five_times_because_of_one_reply(
    town: Town, oakfield: TownSchool, hana: Foreigner
) -> None:
    village = await town.stranger("village")
    eve = village.person("eve")
    # The victim's own conversation, and posts of Eve's that send us on to the victim.
    said = talk(hana, 30)
    await bring(eve, oakfield, eve.create("Go and look", inReplyTo=said[-1]["id"]))
    await town.settle()
    assert len(hana.home.fetched) == budget.AT_A_THIRD
    hana.home.fetched.clear()
    hana.home.documents["/away"] = 503
    location = {"Location": f"{hana.home.url}/away"}
    sent_on = [f"{village.url}/{name}" for name in ("one", "two")]
    for name in ("/one", "/two"):
        village.documents[name] = web.Response(status=302, headers=location)
    await bring(eve, oakfield, eve.create("And here", inReplyTo=sent_on[0], quote=sent_on[1]))
    await town.settle()
    for hours in LONG_ENOUGH:
        town.clock.advance(hours=hours)
        await town.settle()
    assert hana.home.fetched.count("/away") <= budget.AT_A_THIRD
    assert await oakfield.read(wanted.waiting) == 0


# --- names by the hundred ------------------------------------------------------------------------


async def test_whoever_makes_up_names_of_servers_has_us_look_for_ten_an_hour(town: Town) -> None:
    school = await town.school("greenhill", mode="open")
    eve = (await town.stranger("village")).person("eve")
    town.streets.asked.clear()

    async def made_up() -> set[str]:
        for number in range(15):
            uri = f"https://n{next(eve.home.numbers)}.village.example/notes/{number}"
            kind = number % 3
            if kind == 0:
                await bring(eve, school, eve.create("Look", inReplyTo=uri))
            elif kind == 1:
                await bring(eve, school, eve.activity("Announce", uri))
            else:
                await bring(eve, school, eve.create("Look", quote=uri))
        await town.settle()
        return {host for host in town.streets.asked if host.startswith("n")}

    first = await made_up()
    assert len(first) == budget.NEW_HOSTS
    assert await made_up() == first
    town.clock.advance(minutes=61)
    assert len(await made_up()) <= 2 * budget.NEW_HOSTS
    # Others do not pay for it.
    hana = (await town.stranger("hillside", known=False)).person("hana")
    await bring(hana, school, hana.create("Good morning"))


# --- what one activity costs at once -------------------------------------------------------------


async def test_an_announcement_with_many_proofs_costs_its_alleged_author_little(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    forged = proven(hana, hana.create("I never said so"), town)
    proof = forged["proof"]
    forged["proof"] = [
        {**proof, "verificationMethod": hana.home.person(name).key_id}
        for name in ("ana", "eva", "kim", "lee")
    ]
    assert (await bob.send(oakfield.shared_inbox, forged)).status == 401
    assert len(hana.home.fetched) == missing.PROOFS
    await bring(bob, oakfield, bob.activity("Announce", forged))
    await town.settle()
    assert len(hana.home.fetched) <= missing.PROOFS + budget.AT_A_THIRD


def behind_doors(home: Stranger, place: str, doors: int) -> None:
    """Put what is served at a place behind redirects."""
    served = home.documents[place]
    places = [place, *(f"{place}/door{number}" for number in range(doors))]
    for here, following in itertools.pairwise(places):
        location = {"Location": home.url + following}
        home.documents[here] = web.Response(status=302, headers=location)
    home.documents[places[-1]] = served


async def test_what_a_stranger_may_not_have_us_ask_is_not_held_against_whom_they_named(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    eva = hana.home.person("eva")
    forged = proven(hana, hana.create("I never said so"), town)
    forged["proof"] = [{**forged["proof"], "verificationMethod": who.key_id} for who in (eva, hana)]
    behind_doors(hana.home, "/people/eva", 3)
    behind_doors(hana.home, "/people/hana", 1)
    announced = bob.activity("Announce", forged)
    await bring(bob, oakfield, announced)
    await town.settle()
    assert "more than 5 times" in str(await ended(oakfield, announced))
    await bring(hana, oakfield, hana.create("But I say this"))


async def test_a_post_behind_one_door_after_the_other_is_given_up(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    note = hana.note("Behind three doors")
    behind_doors(hana.home, path(note), 3)
    behind_doors(hana.home, "/people/hana", 3)
    announced = bob.activity("Announce", note["id"])
    await bring(bob, oakfield, announced)
    await town.settle()
    assert len(hana.home.fetched) == budget.AT_A_THIRD
    state, reason = await ended(oakfield, announced)
    assert state == "done"
    assert reason is not None
    assert "hillside.example more than 5 times" in reason


async def test_a_third_school_that_cannot_answer_is_asked_five_times_in_three_days(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    note = hana.note("Not today")
    hana.home.documents[path(note)] = 503
    announced = bob.activity("Announce", note["id"])
    await bring(bob, oakfield, announced)
    await town.settle()
    for hours in LONG_ENOUGH:
        town.clock.advance(hours=hours)
        await town.settle()
    assert hana.home.fetched == [path(note)] * budget.AT_A_THIRD
    assert (await ended(oakfield, announced))[0] == "aside"


async def test_what_has_no_effect_here_is_kept_with_the_reason(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    read, odd = (bob.activity(kind, alice.uri, to=[alice.uri]) for kind in ("Read", "Teleport"))
    for activity in (read, odd):
        await bring(bob, oakfield, activity)
        assert (await bob.send(f"{alice.uri}/inbox", activity)).status == 202
    await town.settle()
    for activity in (read, odd):
        assert (await ended(oakfield, activity)) == (
            "done",
            dispatch.declined(activity["type"]),
        )
    assert len(await alice.inbox()) == 2


# --- those who keep us waiting -------------------------------------------------------------------


async def test_a_slow_school_has_its_share_of_hands_and_the_others_go_on(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner, hana: Foreigner
) -> None:
    village = await town.stranger("village")
    eve = village.person("eve")
    await bring(eve, oakfield, eve.create("Hello"))
    await town.settle()
    bait = [eve.note(f"Bait {number}") for number in range(20)]
    await bring(eve, oakfield, *(eve.create("Look", inReplyTo=one["id"]) for one in bait))
    await worker.step(oakfield.server)
    village.fetched.clear()
    village.let_go.clear()
    working = asyncio.create_task(threads.work(oakfield.server))

    async def asked() -> bool:
        return len(village.fetched) == threads.SHARE

    await until(asked, oakfield)
    said = talk(hana, 3)
    answer = bob.create("Meanwhile", inReplyTo=said[-1]["id"])
    await bring(bob, oakfield, answer)
    await worker.step(oakfield.server)

    async def come() -> bool:
        return len(await above(oakfield, alice, answer["object"])) == 3

    await until(come, oakfield)
    assert len(village.fetched) == threads.SHARE <= threads.HANDS / 10
    village.let_go.set()

    async def all_done() -> bool:
        return await oakfield.read(wanted.waiting) == 0

    await until(all_done, oakfield)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert all([await kept(oakfield, one) for one in bait])


async def test_whoever_stops_gives_back_what_is_not_fetched(
    town: Town, oakfield: TownSchool, bob: Foreigner, hana: Foreigner
) -> None:
    note = hana.note("Patience")
    await bring(bob, oakfield, bob.create("Wait", inReplyTo=note["id"]))
    await worker.step(oakfield.server)
    hana.home.let_go.clear()
    working = asyncio.create_task(threads.work(oakfield.server))

    async def asked() -> bool:
        return hana.home.fetched != []

    await until(asked, oakfield)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    rows = await oakfield.write(wanted.claim, limit=9, share=9, lease=timedelta(0))
    assert [row.uri for row in rows] == [note["id"]]
    hana.home.let_go.set()
    await town.settle()
    assert await kept(oakfield, note) is not None
