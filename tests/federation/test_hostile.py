"""A server that means harm, or is broken: what it can do to the school and to the other schools."""

import asyncio
import random
from dataclasses import replace

import pytest
from aiohttp import web
from sqlalchemy import func, select

from actors import accounts, remote, standing
from federation.errors import Malformed, Refused
from inbox import worker
from storage import actors, audience, follows, likes, objects, tables, timelines
from storage.audience import Viewer
from storage.database import Transaction
from tests.federation.test_inbox_order import proven, until
from tests.town import Person, Town, TownSchool


def noise(length: int) -> str:
    """Chinese characters in such a disorder that nothing packs them any smaller."""
    dice = random.Random(length)
    return "".join(chr(dice.randrange(0x4E00, 0x9FA0)) for _ in range(length))


async def states(school: TownSchool) -> list[str]:
    """How far the school has come with each thing that arrived, in order."""

    def look(tx: Transaction) -> list[str]:
        rows = tx.execute(select(tables.received.c.state).order_by(tables.received.c.id))
        return list(rows.scalars())

    return await school.read(look)


async def test_an_endless_id_of_one_school_does_not_cost_another_its_thanks(town: Town) -> None:
    oakfield = await town.school("oakfield")
    village = await town.stranger("village")
    eve = village.person("eve")
    bob = (await town.stranger("riverside")).person("bob")
    for who in (eve, bob):
        assert (await who.send(oakfield.shared_inbox, who.create("Hello"))).status == 202
    await town.settle()
    endless = eve.create("What a name") | {"id": f"{village.url}/{noise(2000)}"}
    replies = await asyncio.gather(
        bob.send(oakfield.shared_inbox, bob.create("Good morning")),
        eve.send(oakfield.shared_inbox, endless),
        bob.send(oakfield.shared_inbox, bob.create("Good evening")),
    )
    assert [reply.status for reply in replies] == [202, 400, 202]
    await town.settle()


@pytest.mark.parametrize("kind", ["Undo", "Delete", "Follow", "Like", "Observe"])
async def test_an_endless_name_of_something_breaks_nothing(town: Town, kind: str) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    village = await town.stranger("village")
    eve = village.person("eve")
    note = await alice.say("Who comes?")
    about = {
        "Follow": alice.uri,
        "Like": note["id"],
        "Observe": f"{village.url}/{noise(1900)}",
        "Undo": f"{village.url}/{noise(1900)}",
        "Delete": f"{village.url}/{'a' * 1900}",
    }[kind]
    activity = eve.activity(kind, about, inReplyTo=note["id"], cc=[f"{alice.uri}/followers"])
    activity["signature"] = {
        "type": "RsaSignature2017",
        "creator": eve.key_id,
        "signatureValue": "whoever checks this says no",
    }
    assert (await eve.send(oakfield.shared_inbox, activity)).status == 202
    await town.settle()
    assert await states(oakfield) == ["done", "done"]


# --- where a listed server sends us ---------------------------------------------------------------


def sent_on(location: str) -> web.Response:
    """An answer that says: ask there."""
    return web.Response(status=302, headers={"Location": location})


async def test_a_listed_school_does_not_send_us_to_one_that_is_not(town: Town) -> None:
    oakfield = await town.school("oakfield")
    village = await town.stranger("village")
    elsewhere = await town.stranger("elsewhere", known=False)
    village.documents["/people/eve"] = sent_on(elsewhere.person("eve").uri)
    with pytest.raises(Refused):
        await remote.fetch(oakfield.server, f"{village.url}/people/eve")
    assert elsewhere.fetched == []


async def test_a_handle_does_not_lead_us_to_a_school_that_is_not_listed(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    village = await town.stranger("village")
    elsewhere = await town.stranger("elsewhere", known=False)
    village.people["eve"] = elsewhere.person("eve")
    reply = await oakfield.post(alice, {"type": "Follow", "object": "@eve@village.example"})
    assert reply.status == 400
    assert elsewhere.fetched == []


@pytest.mark.parametrize("location", ["https://[", "//[village", "https://a\u2100/"])
async def test_a_redirect_that_makes_no_sense_is_no_mistake_of_ours(
    town: Town, location: str
) -> None:
    oakfield = await town.school("oakfield")
    village = await town.stranger("village")
    eve = village.person("eve")
    village.documents["/people/eve"] = sent_on(location)
    with pytest.raises(Malformed):
        await remote.fetch(oakfield.server, eve.uri)
    reply = await eve.send(oakfield.shared_inbox, eve.create("Hello"))
    assert reply.status == 401


# --- what others do with what is proven -----------------------------------------------------------


async def test_nobody_shows_a_private_word_to_somebody_else_by_bringing_it_again(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    alice, carol = await oakfield.staff("alice"), await oakfield.staff("carol")
    bob = (await town.stranger("riverside")).person("bob")
    eve = (await town.stranger("village")).person("eve")
    secret = bob.note("For Alice alone", to=[alice.uri], cc=[])
    told = proven(bob, bob.activity("Create", secret, to=[alice.uri], cc=[]), town)
    assert (await eve.send(f"{carol.uri}/inbox", told)).status == 202
    assert (await bob.send(f"{alice.uri}/inbox", told)).status == 202
    assert (await eve.send(f"{carol.uri}/inbox", told)).status == 202
    await town.settle()
    assert [one["object"]["id"] for one in await alice.inbox()] == [secret["id"]]
    assert await carol.inbox() == []
    post = await oakfield.read(objects.by_uri, secret["id"])
    assert post is not None
    assert not await oakfield.read(audience.can_see, Viewer(carol.id, True), post.id)


async def test_what_was_taken_back_does_not_come_back_because_a_group_repeats_it(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    bob = (await town.stranger("riverside")).person("bob")
    group = (await town.stranger("village")).person("staffroom")
    note = await alice.say("Who comes?")
    post = await oakfield.read(objects.by_uri, note["id"])
    assert post is not None
    liked = proven(bob, bob.activity("Like", note["id"]), town)
    followed = proven(bob, bob.activity("Follow", alice.uri), town)
    for activity in (liked, followed):
        await group.send(oakfield.shared_inbox, group.activity("Announce", activity))
        await town.settle()
        await bob.send(oakfield.shared_inbox, activity)
        await town.settle()
    assert len(bob.home.activities("Accept")) == 1
    assert await oakfield.read(likes.count, post.id) == 1
    for activity in (liked, followed):
        await bob.send(oakfield.shared_inbox, bob.activity("Undo", activity["id"]))
    await town.settle()
    for activity in (liked, followed):
        await group.send(oakfield.shared_inbox, group.activity("Announce", activity))
    await town.settle()
    assert await oakfield.read(likes.count, post.id) == 0
    assert await oakfield.read(follows.count_followers, alice.id) == 0
    assert len(bob.home.activities("Accept")) == 1


# --- one who keeps us waiting ---------------------------------------------------------------------


def given_up(tx: Transaction) -> int:
    """How often something that arrived was put off until later."""
    return int(tx.execute(select(func.sum(tables.received.c.tries))).scalar_one())


async def test_a_slow_school_of_many_people_does_not_take_all_hands(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LANES", 4)
    oakfield = await town.school("oakfield")
    bob = (await town.stranger("riverside")).person("bob")
    village = await town.stranger("village")
    for number in range(5):
        one = village.person(f"eve{number}")
        announced = one.activity("Announce", f"{village.url}/notes/{number}")
        assert (await one.send(oakfield.shared_inbox, announced)).status == 202
    village.let_go.clear()
    working = asyncio.create_task(worker.work(oakfield.server))

    async def asked() -> bool:
        return any(path.startswith("/notes/") for path in village.fetched)

    await until(asked, oakfield)
    said = bob.create("Meanwhile")
    assert (await bob.send(oakfield.shared_inbox, said)).status == 202

    async def come() -> bool:
        return await oakfield.read(objects.by_uri, said["object"]["id"]) is not None

    await until(come, oakfield)
    assert await oakfield.read(given_up) == 0  # the others are waited for all the while
    village.let_go.set()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_however_much_one_school_sends_only_its_share_is_in_hand(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IN_HAND", 50_000)
    oakfield = await town.school("oakfield")
    eve = (await town.stranger("village")).person("eve")
    for number in range(6):
        said = eve.create(f"{number} " + "blah " * 500)
        assert (await eve.send(oakfield.shared_inbox, said)).status == 202
    assert await worker.step(oakfield.server) == 6
    assert await states(oakfield) == ["done"] + 5 * ["new"]
    working = asyncio.create_task(worker.work(oakfield.server))

    async def all_done() -> bool:
        return await states(oakfield) == 6 * ["done"]

    await until(all_done, oakfield)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


# --- a program with a token for less --------------------------------------------------------------


async def test_a_token_for_following_takes_back_follows_and_nothing_else(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice, bob = await oakfield.staff("alice"), await oakfield.staff("bob")
    note = await bob.say("Who comes?")
    liked = await alice.post({"type": "Like", "object": note["id"]})
    followed = await alice.post({"type": "Follow", "object": bob.uri})

    def issue(tx: Transaction) -> str:
        actor = actors.by_id(tx, alice.id)
        assert actor is not None
        return accounts.issue_token(tx, actor, ["follow"])

    program = replace(alice, token=await oakfield.write(issue))
    for claimed in (
        {"id": liked, "type": "Follow", "actor": alice.uri, "object": bob.uri},
        {"type": ["Follow", "Like"], "object": note["id"]},
        {"type": "Like", "object": note["id"]},
        liked,
    ):
        refused = await oakfield.post(program, {"type": "Undo", "object": claimed})
        assert refused.status in (400, 403)
    post = await oakfield.read(objects.by_uri, note["id"])
    assert post is not None
    assert await oakfield.read(likes.count, post.id) == 1
    await program.post({"type": "Undo", "object": followed})


# --- what lies in an inbox ------------------------------------------------------------------------


FORGED = "Alice never wrote this"


def forgeries(alice: Person, note: dict[str, object]) -> list[tuple[str, object]]:
    """Types of activities, and what they carry: words put into Alice's mouth."""
    copy = {"type": "Note", "attributedTo": alice.uri, "content": FORGED}
    known = str(note["id"])
    return [
        ("Announce", copy | {"id": known.replace("https:", "HTTPS:")}),
        ("Announce", [None, copy | {"id": known}]),
        ("Like", copy | {"id": known.replace("oakfield", "Oakfield")}),
        ("Read", copy | {"id": f"{alice.school.url}/objects/1"}),
        ("Read", [{"type": "Note", "content": "x"}, copy]),
        ("Read", [{"type": {"content": FORGED}, "actor": alice.uri, "object": copy}]),
        ("Offer", copy | {"id": "https://riverside.example/notes/1"}),
    ]


async def test_nobody_puts_words_into_anothers_mouth_in_an_inbox(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice, carol = await oakfield.staff("alice"), await oakfield.staff("carol")
    eve = (await town.stranger("village")).person("eve")
    note = await alice.say("Who comes?")
    for kind, carried in forgeries(alice, note):
        activity = eve.activity(kind, carried, to=[carol.uri])
        assert (await eve.send(oakfield.shared_inbox, activity)).status == 202
    await town.settle()
    found = await carol.inbox()
    assert len(found) == 7
    assert FORGED not in str(found)
    assert sum("Who comes?" in str(one) for one in found) == 1


async def test_what_its_author_deleted_is_gone_from_inboxes_however_its_id_was_spelled(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    eve = (await town.stranger("village")).person("eve")
    notes = [eve.note("A slip of the tongue", to=[alice.uri], cc=[]) for _ in range(2)]
    odd = [notes[0] | {"id": notes[0]["id"].replace("village", "Village")}, [None, notes[1]]]
    for note in odd:
        await eve.send(oakfield.shared_inbox, eve.activity("Create", note, to=[alice.uri], cc=[]))
    await town.settle()
    assert "slip of the tongue" in str(await alice.inbox())
    for note in notes:
        await eve.send(oakfield.shared_inbox, eve.activity("Delete", note["id"]))
    await town.settle()
    assert "slip of the tongue" not in str(await alice.inbox())


# --- whom what is not for all reaches -------------------------------------------------------------


async def test_who_answers_a_private_post_unasked_does_not_learn_whom_it_was_for(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    alice, carol = await oakfield.staff("alice"), await oakfield.staff("carol")
    village = await town.stranger("village")
    eve = village.person("eve")
    note = await alice.say("For Carol alone", to=carol.uri)
    reply = eve.create("I heard something", inReplyTo=note["id"])
    await eve.send(oakfield.shared_inbox, reply)
    await town.settle()
    await alice.post({"type": "Delete", "object": note["id"]})
    await town.settle()
    assert village.activities() == []


async def test_what_is_passed_on_to_one_person_is_not_told_to_all_who_follow(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice, bob, carol = [await oakfield.staff(name) for name in ("alice", "bob", "carol")]
    note = await alice.say("Who comes?")
    await carol.post({"type": "Follow", "object": bob.uri})
    await town.settle()
    await bob.post({"type": "Announce", "object": note["id"], "to": [alice.uri]})
    await town.settle()
    assert await oakfield.read(timelines.home, carol.id, before=None, limit=9) == []
    assert [one["type"] for one in await carol.inbox()] == ["Accept"]


# --- those whom we do not want here ---------------------------------------------------------------


async def test_who_was_suspended_here_does_not_come_back_by_a_word_of_their_own(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    eve = (await town.stranger("village")).person("eve")
    assert (await eve.send(oakfield.shared_inbox, eve.create("Hello"))).status == 202
    await town.settle()

    def suspend(tx: Transaction) -> None:
        known = actors.by_uri(tx, eve.uri)
        assert known is not None
        standing.suspend(tx, known)

    await oakfield.write(suspend)
    for document in (eve.document, {**eve.document, "publicKey": None}):
        await eve.send(oakfield.shared_inbox, eve.activity("Update", document))
    await town.settle()
    town.clock.advance(minutes=10)
    eve.change_key()
    assert (await eve.send(oakfield.shared_inbox, eve.create("Hello again"))).status == 403
    known = await oakfield.read(actors.by_uri, eve.uri)
    assert known is not None
    assert known.state == "suspended"


async def test_who_suspends_themselves_may_come_back(town: Town) -> None:
    oakfield = await town.school("oakfield")
    eve = (await town.stranger("village")).person("eve")
    for suspended, status in ((False, 202), (True, 202), (False, 202)):
        update = eve.activity("Update", {**eve.document, "suspended": suspended})
        assert (await eve.send(oakfield.shared_inbox, update)).status == status
        await town.settle()
    assert (await eve.send(oakfield.shared_inbox, eve.create("Back"))).status == 202
