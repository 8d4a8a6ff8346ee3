"""A poll between schools: asked, answered, counted, told, and over."""

from datetime import timedelta
from typing import Any

from federation.vocabulary import rfc3339
from outbox import polls as voting
from storage import notifications, objects, polls
from storage.database import Transaction
from storage.polls import Poll
from tests.town import Person, Town, TownSchool


async def asked(person: Person, town: Town, **more: Any) -> dict[str, Any]:
    choices = [{"type": "Note", "name": name} for name in ("Monday", "Friday")]
    question = {"type": "Question", "oneOf": choices}
    question["endTime"] = rfc3339(town.clock() + timedelta(hours=2))
    return await person.say("Which day?", **(question | more))


async def poll_at(school: TownSchool, uri: str, reader: Person) -> Poll:
    def find(tx: Transaction) -> Poll | None:
        post = objects.by_uri(tx, uri)
        return None if post is None else polls.of_post(tx, reader.id, post.id)

    found = await school.read(find)
    assert found is not None
    return found


async def figures(school: TownSchool, uri: str, reader: Person) -> list[int]:
    return [option.votes for option in (await poll_at(school, uri, reader)).options]


async def told(person: Person) -> list[str]:
    found = await person.school.read(notifications.recent, person.id, before=None, limit=9)
    return [one.kind for one in found]


async def spread(town: Town) -> None:
    """Everything that is due is done, figures of polls included."""
    await town.settle()
    for school in town.schools.values():
        while await voting.step(school.server):
            await town.settle()


async def test_two_schools_decide_on_a_day(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, amy = await oakfield.staff("alice"), await oakfield.staff("amy")
    bob = await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()

    question = await asked(alice, town)
    assert [one["replies"]["totalItems"] for one in question["oneOf"]] == [0, 0]
    await town.settle()
    assert await figures(riverside, question["id"], bob) == [0, 0]
    assert (await bob.inbox())[0]["object"]["type"] == "Question"
    before = len(await alice.inbox())

    ballot = {"type": "Note", "name": "Friday", "inReplyTo": question["id"], "to": [alice.uri]}
    await bob.post(ballot)
    await amy.post(ballot | {"name": "Monday"})
    await bob.post(ballot | {"name": "Monday"}, expect=403)
    await town.settle()
    assert await figures(oakfield, question["id"], alice) == [1, 1]
    # Nobody sees who chose what, not even whoever asked.
    assert len(await alice.inbox()) == before
    assert "reply" not in await told(alice)
    assert (await oakfield.get(f"{question['id']}/replies", as_=alice)).json["totalItems"] == 0

    assert await figures(riverside, question["id"], bob) == [0, 1]
    assert (await poll_at(riverside, question["id"], bob)).chosen == {1}
    town.clock.advance(minutes=3)
    await spread(town)
    assert await figures(riverside, question["id"], bob) == [1, 1]
    shown = (await oakfield.get(question["id"], signed_by=riverside)).json
    assert [one["replies"]["totalItems"] for one in shown["oneOf"]] == [1, 1]
    assert (shown["votersCount"], "updated" in shown) == (2, False)

    town.clock.advance(hours=2)
    await spread(town)
    for person in (alice, amy, bob):
        assert (await told(person)).count("poll") == 1
    assert (await poll_at(riverside, question["id"], bob)).ended_at is not None
    assert "closed" in (await oakfield.get(question["id"], signed_by=riverside)).json
    await bob.post(ballot, expect=403)


async def test_a_vote_that_comes_to_two_inboxes_counts_once_and_lies_in_none(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    stranger = await town.stranger("hilltop.example")
    eve = stranger.person("eve")
    question = await asked(alice, town)
    await town.settle()
    before = await alice.inbox()
    vote = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{eve.uri}#votes/1/activity",
        "type": "Create",
        "actor": eve.uri,
        "to": alice.uri,
        "object": {
            "id": f"{eve.uri}#votes/1",
            "type": "Note",
            "name": "Friday",
            "attributedTo": eve.uri,
            "inReplyTo": question["id"],
            "to": alice.uri,
        },
    }
    for inbox in (oakfield.shared_inbox, f"{alice.uri}/inbox"):
        await eve.send(inbox, vote)
        await town.settle()
    assert await figures(oakfield, question["id"], alice) == [0, 1]
    assert await alice.inbox() == before
    assert await told(alice) == []
