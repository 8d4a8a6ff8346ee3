"""Activities come twice, late, in the wrong order, or about things that are not to be had now."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import keys, proofs
from federation.activity import Activity
from inbox import dispatch, worker
from inbox.dispatch import Handler
from outbox import deliver
from storage import arrivals, follows, likes, notifications, objects, received, tables, timelines
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post
from tests.town import Foreigner, Person, Stranger, Town, TownSchool


@pytest.fixture
async def riverside(town: Town, oakfield: TownSchool) -> Stranger:
    return await town.stranger("riverside")


@pytest.fixture
def bob(riverside: Stranger) -> Foreigner:
    return riverside.person("bob")


async def bring(who: Foreigner, school: TownSchool, *activities: dict[str, Any]) -> None:
    for activity in activities:
        assert (await who.send(school.shared_inbox, activity)).status == 202


async def kept(school: TownSchool, uri: str) -> Post | None:
    return await school.read(objects.by_uri, uri)


async def ended(school: TownSchool, activity: dict[str, Any]) -> tuple[str, str | None]:
    """How far the work on an activity has come: its state and the reason."""

    def look(tx: Transaction) -> tuple[str, str | None]:
        table = tables.received
        row = tx.execute(
            table.select().where(table.c.uri == activity["id"]).order_by(table.c.id)
        ).first()
        assert row is not None
        return row.state, row.reason

    return await school.read(look)


async def follow_bob(school: TownSchool, alice: Person, bob: Foreigner) -> None:
    """Alice follows Bob, who lets her."""
    await alice.post({"type": "Follow", "object": bob.uri})
    await school.town.settle()
    (asked,) = bob.home.activities("Follow")
    await bring(bob, school, bob.activity("Accept", asked["id"], to=[alice.uri]))
    await school.town.settle()


async def home(school: TownSchool, reader: Person) -> list[str]:
    rows = await school.read(timelines.home, reader.id, before=None, limit=80)
    return [row.post.uri for row in rows]


async def told(school: TownSchool, owner: Person) -> list[str]:
    found = await school.read(notifications.recent, owner.id, before=None, limit=80)
    return [one.kind for one in found]


# --- order ---------------------------------------------------------------------------------------


def life_of_a_post(bob: Foreigner, town: Town) -> tuple[str, dict[str, dict[str, Any]]]:
    """A post, two corrections of it and its deletion."""
    note = bob.note("First words")
    moment = town.clock()

    def corrected(text: str, minutes: int) -> dict[str, Any]:
        updated = (moment + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return bob.activity("Update", {**note, "content": f"<p>{text}</p>", "updated": updated})

    steps = {
        "create": bob.activity("Create", note),
        "better": corrected("Better words", 1),
        "best": corrected("Best words", 2),
        "delete": bob.activity("Delete", {"id": note["id"], "type": "Tombstone"}),
    }
    town.clock.advance(minutes=10)
    return note["id"], steps


async def test_corrections_lead_to_the_same_words_in_whatever_order_they_come(
    town: Town, oakfield: TownSchool, bob: Foreigner
) -> None:
    for order in itertools.permutations(["create", "better", "best"]):
        uri, steps = life_of_a_post(bob, town)
        for step in order:
            await bring(bob, oakfield, steps[step])
            await town.settle()
        post = await kept(oakfield, uri)
        assert post is not None
        assert post.content == "<p>Best words</p>", order


async def test_a_deleted_post_stays_deleted_in_whatever_order_things_come(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    await follow_bob(oakfield, alice, bob)
    for order in itertools.permutations(["create", "better", "best", "delete"]):
        uri, steps = life_of_a_post(bob, town)
        await bring(bob, oakfield, *(steps[step] for step in order))
        await town.settle()
        post = await kept(oakfield, uri)
        assert post is None or (post.deleted_at is not None and post.content == ""), order
        assert await home(oakfield, alice) == []


@pytest.mark.parametrize("kind", ["Follow", "Like", "Announce"])
async def test_what_was_taken_back_before_it_came_comes_to_nothing(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner, kind: str
) -> None:
    note = await alice.say("Staff meeting on Monday")
    done = bob.activity(kind, alice.uri if kind == "Follow" else note["id"])
    await bring(bob, oakfield, bob.activity("Undo", done), done)
    await town.settle()
    assert await ended(oakfield, done) == ("done", "it was taken back before it came")
    assert await oakfield.read(follows.count_followers, alice.id) == 0
    assert await told(oakfield, alice) == []


async def test_posts_are_read_in_the_order_they_were_sent_by_two_workers_too(
    town: Town, oakfield: TownSchool, alice: Person, riverside: Stranger, bob: Foreigner
) -> None:
    await follow_bob(oakfield, alice, bob)
    others = [riverside.person(name) for name in ("ben", "bea")]
    sent = [bob.create(f"Lesson {number}") for number in range(30)]
    for place, activity in enumerate(sent):
        await bring(bob, oakfield, activity)
        await bring(others[place % 2], oakfield, others[place % 2].create("Meanwhile"))
    while await oakfield.read(received.pending):
        await asyncio.gather(
            worker.step(oakfield.server, limit=7), worker.step(oakfield.server, limit=7)
        )
    read = await home(oakfield, alice)
    assert read == [activity["object"]["id"] for activity in reversed(sent)]


async def test_one_bad_activity_among_many_takes_none_of_the_others_along(
    town: Town, oakfield: TownSchool, alice: Person, riverside: Stranger, bob: Foreigner
) -> None:
    await follow_bob(oakfield, alice, bob)
    sent = [bob.create(f"Lesson {number}") for number in range(20)]
    forged = [bob.create("Not mine", attributedTo=riverside.person("ben").uri) for _ in range(3)]
    await bring(bob, oakfield, *sent[:5], *forged[:2], *sent[5:], forged[2])
    await town.settle()
    assert await home(oakfield, alice) == [one["object"]["id"] for one in reversed(sent)]
    for one in forged:
        assert await ended(oakfield, one) == ("done", "nobody writes in another's name")


# --- twice ---------------------------------------------------------------------------------------


async def test_twenty_copies_to_three_inboxes_have_one_effect(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    carol = await oakfield.staff("carol")
    asked = await alice.say("Who has the keys?")
    answer = bob.create("I have", inReplyTo=asked["id"], to=[alice.uri, carol.uri], cc=[])
    await town.settle()
    inboxes = [oakfield.shared_inbox, f"{alice.uri}/inbox", f"{carol.uri}/inbox"]
    replies = await asyncio.gather(
        *(bob.send(inbox, answer) for inbox in inboxes for _ in range(20))
    )
    assert {reply.status for reply in replies} == {202}
    await town.settle()
    town.clock.advance(days=30)
    for inbox in inboxes:
        assert (await bob.send(inbox, answer)).status == 202
    await town.settle()
    assert await told(oakfield, alice) == ["reply"]
    assert await told(oakfield, carol) == ["mention"]
    for owner in (alice, carol):
        lie = await oakfield.read(arrivals.inbox, owner.id, before=None, limit=80)
        assert [one.type for one in lie if b"I have" in one.body] == ["Create"]


async def test_a_copy_to_a_personal_inbox_lets_its_owner_read_too(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    carol = await oakfield.staff("carol")
    secret = bob.create("For your eyes", to=[alice.uri], cc=[])
    await bring(bob, oakfield, secret)
    await town.settle()
    uri = secret["object"]["id"]
    assert await oakfield.read(objects.seen_by_uri, Viewer(carol.id, True), uri) is None
    assert (await bob.send(f"{carol.uri}/inbox", secret)).status == 202
    await town.settle()
    assert await oakfield.read(objects.seen_by_uri, Viewer(carol.id, True), uri) is not None
    assert [one["id"] for one in await carol.inbox()] == [secret["id"]]
    assert await told(oakfield, carol) == ["mention"]


async def test_a_follow_that_is_sent_again_is_answered_again(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    for _ in range(2):
        await bring(bob, oakfield, bob.activity("Follow", alice.uri))
        await town.settle()
    answers = bob.home.activities("Accept")
    assert len({answer["object"]["id"] for answer in answers}) == 2
    assert await told(oakfield, alice) == ["follow"]


# --- not to be had now ---------------------------------------------------------------------------


async def test_what_cannot_be_fetched_waits_alone_and_comes_later(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    await follow_bob(oakfield, alice, bob)
    hillside = await town.stranger("hillside")
    note = hillside.person("hana").note("Chess club")
    await hillside.shut()
    announced, said = bob.activity("Announce", note["id"]), bob.create("Hello")
    await bring(bob, oakfield, announced, said)
    await town.settle()
    assert (await ended(oakfield, announced))[0] == "new"
    assert (await ended(oakfield, said))[0] == "done"
    assert await home(oakfield, alice) == [said["object"]["id"]]
    await hillside.open()
    town.clock.advance(minutes=2)
    await town.settle()
    assert await home(oakfield, alice) == [note["id"], said["object"]["id"]]


async def test_what_cannot_be_fetched_for_three_days_is_set_aside(
    town: Town, oakfield: TownSchool, bob: Foreigner
) -> None:
    hillside = await town.stranger("hillside")
    note = hillside.person("hana").note("Chess club")
    await hillside.shut()
    announced = bob.activity("Announce", note["id"])
    await bring(bob, oakfield, announced)
    for _ in range(20):
        await town.settle()
        town.clock.advance(hours=6, minutes=1)
    state, reason = await ended(oakfield, announced)
    assert state == "aside"
    assert reason is not None
    assert "hillside.example" in reason


@pytest.mark.parametrize("mode", ["network", "open"])
async def test_nothing_is_fetched_from_a_school_we_do_not_talk_to(town: Town, mode: Any) -> None:
    oakfield = await town.school("oakfield", mode=mode)
    riverside = await town.stranger("riverside")
    blocked = await town.stranger("blocked", known=False)
    await oakfield.block(blocked.host)
    announced = riverside.person("bob").activity(
        "Announce", blocked.person("mallory").note("Bait")["id"]
    )
    await bring(riverside.person("bob"), oakfield, announced)
    await town.settle()
    assert await ended(oakfield, announced) == ("done", "blocked.example is blocked")
    assert blocked.fetched == []


async def test_only_what_its_own_server_says_of_a_post_counts(
    town: Town, oakfield: TownSchool, bob: Foreigner
) -> None:
    hillside = await town.stranger("hillside")
    note = hillside.person("hana").note("Chess club")
    lie = {**note, "content": "<p>No more chess</p>"}
    for kind in ("Announce", "Create"):
        await bring(bob, oakfield, bob.activity(kind, lie))
    await town.settle()
    post = await kept(oakfield, note["id"])
    assert post is not None
    assert post.content == "<p>Chess club</p>"


async def test_an_author_at_a_third_school_cannot_be_made_up(
    town: Town, oakfield: TownSchool, riverside: Stranger, bob: Foreigner
) -> None:
    hillside = await town.stranger("hillside")
    note = hillside.person("mallory").note("Said by Bob", attributedTo=bob.uri)
    announced = bob.activity("Announce", note["id"])
    await bring(bob, oakfield, announced)
    await town.settle()
    assert await kept(oakfield, note["id"]) is None
    assert (await ended(oakfield, announced))[1] is not None


# --- passed on by a group ------------------------------------------------------------------------


def proven(who: Foreigner, activity: dict[str, Any], town: Town) -> dict[str, Any]:
    """The activity with a proof by a new key of its actor, whose document lists only that."""
    key = keys.generate("ed25519")
    assert isinstance(key, Ed25519PrivateKey)
    method = f"{who.uri}#proofs"
    who.document["assertionMethod"] = {
        "id": method,
        "type": "Multikey",
        "controller": who.uri,
        "publicKeyMultibase": keys.multibase(keys.public_der(key)),
    }
    return proofs.prove(activity, key=key, method=method, now=town.clock())


async def test_a_members_activity_inside_an_announcement_counts_with_their_proof(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    note = await alice.say("Who comes?")
    member = (await town.stranger("hillside")).person("hana")
    liked = proven(member, member.activity("Like", note["id"]), town)
    await bring(bob, oakfield, bob.activity("Announce", liked))
    await town.settle()
    said = proven(member, member.create("I come", inReplyTo=note["id"]), town)
    await bring(bob, oakfield, bob.activity("Announce", said))
    await town.settle()
    assert await kept(oakfield, said["object"]["id"]) is not None
    post = await kept(oakfield, note["id"])
    assert post is not None
    assert await oakfield.read(likes.count, post.id) == 1
    assert "like" in await told(oakfield, alice)


async def test_without_proof_only_the_post_itself_is_had_from_its_own_school(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    note = await alice.say("Who comes?")
    member = (await town.stranger("hillside")).person("hana")
    liked, said = member.activity("Like", note["id"]), member.create("I come")
    forged = {**said, "object": {**said["object"], "content": "<p>I do not</p>"}}
    passed_on = [bob.activity("Announce", one) for one in (liked, forged)]
    await bring(bob, oakfield, *passed_on)
    await town.settle()
    mine = await kept(oakfield, note["id"])
    assert mine is not None
    assert await oakfield.read(likes.count, mine.id) == 0
    theirs = await kept(oakfield, said["object"]["id"])
    assert theirs is not None
    assert theirs.content == "<p>I come</p>"
    assert (await ended(oakfield, passed_on[0]))[1] is not None


# --- what breaks ---------------------------------------------------------------------------------


async def test_an_activity_that_breaks_us_is_tried_three_times_and_the_others_go_on(
    town: Town,
    oakfield: TownSchool,
    alice: Person,
    bob: Foreigner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def breaks(tx: Transaction, activity: Activity) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setitem(dispatch.HANDLERS, "Like", Handler(breaks))
    note = await alice.say("Hello")
    poison, harmless = bob.activity("Like", note["id"]), bob.create("Good morning")
    await bring(bob, oakfield, poison, harmless)
    seen = []
    for _ in range(5):
        await town.settle()
        town.clock.advance(minutes=2)
        seen.append((await ended(oakfield, poison))[0])
    assert seen == ["new", "new", "aside", "aside", "aside"]
    assert await ended(oakfield, poison) == ("aside", "ZeroDivisionError: a mistake of ours")
    assert await ended(oakfield, harmless) == ("done", None)


async def test_what_a_school_sent_before_it_was_blocked_has_no_effect_afterwards(
    town: Town, oakfield: TownSchool, riverside: Stranger, bob: Foreigner
) -> None:
    said = bob.create("Hello")
    await bring(bob, oakfield, said)
    await oakfield.block(riverside.host)
    await town.settle()
    assert await ended(oakfield, said) == ("done", "riverside.example is blocked")
    assert await kept(oakfield, said["object"]["id"]) is None


async def until(true: Callable[[], Any], school: TownSchool) -> None:
    async with asyncio.timeout(20):
        while not await true():
            await school.server.database.woken("received", 0.02)


async def test_the_worker_is_woken_by_what_arrives_and_gives_back_what_it_holds(
    town: Town, oakfield: TownSchool, bob: Foreigner
) -> None:
    working = asyncio.create_task(worker.work(oakfield.server))
    said = [bob.create(f"Lesson {number}") for number in range(3)]
    await bring(bob, oakfield, *said)

    async def all_done() -> bool:
        return await oakfield.read(received.pending) == 0

    await until(all_done, oakfield)
    for one in said:
        assert await ended(oakfield, one) == ("done", None)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    def held(tx: Transaction) -> int:
        table = tables.received
        return len(tx.execute(table.select().where(table.c.claimed_until.is_not(None))).all())

    assert await oakfield.read(held) == 0


async def test_a_slow_school_does_not_keep_the_others_waiting(
    town: Town, oakfield: TownSchool, bob: Foreigner
) -> None:
    hillside = await town.stranger("hillside")
    slow = hillside.person("hana")
    quiet = await town.stranger("quiet")
    quiet.let_go.clear()
    await bring(slow, oakfield, slow.activity("Announce", f"{quiet.url}/notes/1"))
    working = asyncio.create_task(worker.work(oakfield.server))

    async def asked() -> bool:
        return "/notes/1" in quiet.fetched

    await until(asked, oakfield)
    said = bob.create("Meanwhile")
    await bring(bob, oakfield, said)

    async def come() -> bool:
        return await kept(oakfield, said["object"]["id"]) is not None

    await until(come, oakfield)
    quiet.let_go.set()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_an_answer_with_proof_is_passed_on_to_the_followers_of_who_was_asked(
    town: Town, oakfield: TownSchool, alice: Person, bob: Foreigner
) -> None:
    hillside = await town.stranger("hillside")
    follower = hillside.person("hana")
    await bring(follower, oakfield, follower.activity("Follow", alice.uri))
    await town.settle()
    note = await alice.say("Who comes?")
    collection = f"{alice.uri}/followers"
    public = "https://www.w3.org/ns/activitystreams#Public"
    answer = proven(
        bob, bob.create("I do", inReplyTo=note["id"], to=[public], cc=[collection]), town
    )
    body = orjson.dumps(answer)
    assert (await bob.send(oakfield.shared_inbox, body)).status == 202
    await town.settle()
    while await deliver.step(oakfield.server):
        continue
    assert body in [delivered.body for delivered in hillside.delivered]
