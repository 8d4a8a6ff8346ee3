"""Blocks, reports, pins and moves between schools, over the wire."""

from typing import Any

from storage import (
    actors,
    blocks,
    featured,
    follows,
    likes,
    notifications,
    objects,
    reports,
    timelines,
)
from storage.audience import NOBODY
from storage.reports import Report
from tests.town import Foreigner, Person, Town, TownSchool


async def home(person: Person) -> set[str]:
    rows = await person.school.read(timelines.home, person.id, before=None, limit=20)
    return {row.post.uri for row in rows}


async def told(person: Person) -> list[str]:
    found = await person.school.read(notifications.recent, person.id, before=None, limit=20)
    return [one.kind for one in found]


async def friends(town: Town, alice: Person, bob: Person) -> None:
    await alice.post({"type": "Follow", "object": bob.uri})
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()


async def row(school: TownSchool, uri: str) -> int:
    found = await school.read(actors.by_uri, uri)
    assert found is not None
    return found.id


async def test_a_block_holds_at_both_schools_until_it_is_taken_back(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    await friends(town, alice, bob)
    hers, his = await alice.say("Trip on Friday"), await bob.say("Which one?")
    await town.settle()
    assert await home(bob) == {his["id"], hers["id"]}
    before = await told(bob)
    blocked = await alice.post({"type": "Block", "object": bob.uri})
    await town.settle()

    assert await home(bob) == {his["id"]}
    assert await home(alice) == {hers["id"]}
    for school, one, other in ((oakfield, alice, bob.uri), (riverside, bob, alice.uri)):
        stranger = await row(school, other)
        assert await school.read(blocks.between, one.id, stranger)
        assert await school.read(follows.get, one.id, stranger) is None
        assert await school.read(follows.get, stranger, one.id) is None
    # Nothing that he finds, in his inbox or beside it, says so.
    assert [kind for kind in await told(bob) if kind not in before] == []
    assert not {"Block", "Undo", "Reject"} & {one["type"] for one in await bob.inbox()}
    assert alice.uri not in {one["actor"] for one in await bob.inbox()}
    await bob.post({"type": "Follow", "object": alice.uri}, expect=403)
    await bob.post({"type": "Like", "object": hers["id"]}, expect=400)

    await alice.post({"type": "Undo", "object": blocked})
    await town.settle()
    assert await home(bob) == {his["id"], hers["id"]}
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    assert await oakfield.read(follows.count_followers, alice.id) == 1
    assert not {"Block"} & {one["type"] for one in await bob.inbox()}


async def test_a_server_that_does_not_keep_to_a_block_is_held_to_it(town: Town) -> None:
    """It never heard of Block: ours alone keeps the two apart, old posts included."""
    oakfield = await town.school("oakfield")
    alice, cy = await oakfield.staff("alice"), await oakfield.staff("cy")
    eve = (await town.stranger("village")).person("eve")
    await cy.post({"type": "Follow", "object": eve.uri})
    await town.settle()
    (asked,) = eve.home.activities("Follow")
    await eve.send(oakfield.shared_inbox, eve.activity("Accept", asked))
    await eve.send(oakfield.shared_inbox, eve.activity("Follow", alice.uri))
    await town.settle()
    note = await alice.say("Trip on Friday")
    assert (await eve.get(note["id"])).status == 200
    await alice.post({"type": "Block", "object": eve.uri})
    await town.settle()

    missing = await eve.get(f"{oakfield.url}/objects/7")
    for path in (note["id"], f"{note['id']}/replies"):
        hidden = await eve.get(path)
        assert (hidden.status, hidden.body) == (missing.status, missing.body) == (404, hidden.body)
    activities = await oakfield.collection(f"{alice.uri}/outbox", as_=cy)
    assert len(activities) == 1
    assert (await eve.get(f"{alice.uri}/outbox")).json["totalItems"] == 0
    seen = len(eve.home.delivered)
    answer = eve.create(
        "Me too",
        to=["https://www.w3.org/ns/activitystreams#Public", alice.uri],
        inReplyTo=note["id"],
        tag=[{"type": "Mention", "href": alice.uri}],
    )
    for activity in (
        eve.activity("Follow", alice.uri),
        eve.activity("Like", note["id"]),
        eve.activity("Announce", note["id"]),
        answer,
        eve.activity("Announce", answer["object"]["id"]),
    ):
        assert (await eve.send(oakfield.shared_inbox, activity)).status == 202
        assert (await eve.send(f"{alice.uri}/inbox", activity)).status == 202
        await town.settle()
    assert [sent.json["type"] for sent in eve.home.delivered[seen:]] == ["Reject"]
    assert await told(alice) == []
    assert await home(alice) == {note["id"]}
    assert {one["actor"] for one in await alice.inbox()} <= {alice.uri}
    # Whoever did not block her still reads what she writes.
    assert await home(cy) == {answer["object"]["id"]}
    post = await oakfield.read(objects.by_uri, note["id"])
    assert post is not None
    assert await oakfield.read(likes.count, post.id) == 0


async def test_a_report_reaches_the_other_school_s_administrator_alone(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    await friends(town, alice, bob)
    unkind = await bob.say("Unkind words")
    await town.settle()
    before = (await told(bob), len(await bob.inbox()))
    await alice.post({"type": "Flag", "object": [bob.uri, unkind["id"]], "content": "Unkind"})
    await town.settle()

    async def the_report(school: TownSchool) -> Report:
        (found,) = await school.read(reports.open_ones)
        return found

    ours, theirs = await the_report(oakfield), await the_report(riverside)
    assert ours.reporter.uri == alice.uri
    assert theirs.reporter.uri == f"{oakfield.url}/actor"
    for report in (ours, theirs):
        assert (report.subject.uri, report.posts) == (bob.uri, (unkind["id"],))
        assert report.reason == "Unkind"
    assert (await told(bob), len(await bob.inbox())) == before
    assert (await oakfield.get(ours.uri, signed_by=riverside)).status == 404


async def test_a_pinned_post_is_fetched_and_shown_at_the_other_school(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    village = await town.stranger("village")
    eve = village.person("eve")
    top = f"{eve.uri}/featured"
    eve.document["featured"] = top
    await eve.send(oakfield.shared_inbox, eve.activity("Follow", alice.uri))
    old = eve.note("Who I am")
    other = eve.note("A tag page of mine")
    for target, note in ((f"{eve.uri}/tags", other), (top, old)):
        added = eve.activity("Add", note["id"], target=target)
        assert (await eve.send(oakfield.shared_inbox, added)).status == 202
    await town.settle()
    found = await oakfield.read(featured.of_actor, NOBODY, await row(oakfield, eve.uri))
    assert [post.uri for post in found] == [old["id"]]
    # For other collections nothing is even fetched.
    assert other["id"].removeprefix(village.url) not in village.fetched


async def test_followers_come_along_when_somebody_moves(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    village, hillside = await town.stranger("village"), await town.stranger("hillside")
    unlisted = await town.stranger("unlisted", known=False)
    old, new, other = village.person("eve"), hillside.person("eve"), hillside.person("other")
    far = unlisted.person("eve")
    await alice.post({"type": "Follow", "object": old.uri})
    await town.settle()
    follow = village.activities("Follow")[0]
    await old.send(f"{alice.uri}/inbox", old.activity("Accept", follow))
    await town.settle()

    async def move(target: Foreigner, **changes: Any) -> None:
        activity = old.activity("Move", old.uri, target=target.uri, **changes)
        assert (await old.send(oakfield.shared_inbox, activity)).status == 202
        await town.settle()

    far.document["alsoKnownAs"] = [old.uri]
    await move(far)
    assert "unlisted.example" not in town.streets.asked
    await move(other)
    await move(new, object=new.uri)
    assert hillside.activities("Follow") == []
    assert await oakfield.read(follows.count_following, alice.id) == 1

    # What counts is what the new account says now, whatever we kept of it.
    await new.send(oakfield.shared_inbox, new.activity("Like", f"{oakfield.url}/objects/7"))
    await town.settle()
    new.document["alsoKnownAs"] = old.uri
    await move(new)
    assert [one["object"] for one in hillside.activities("Follow")] == [new.uri]
    assert village.activities("Undo")[-1]["object"]["object"] == old.uri
    assert (await told(alice))[0] == "move"
    await new.send(f"{alice.uri}/inbox", new.activity("Accept", hillside.activities("Follow")[0]))
    await town.settle()
    following = await oakfield.read(follows.following, alice.id, before=None, limit=9)
    assert [actor.uri for _, actor in following] == [new.uri]
    # Within a week nobody is even asked whether they move on.
    other.document["alsoKnownAs"] = [old.uri]
    asked = len(hillside.fetched)
    await move(other)
    assert len(hillside.activities("Follow")) == 1
    assert len(hillside.fetched) == asked
