"""What is said in a project of three schools: at home at Oakfield with Alice, Bob at Riverside and
Carol at Hillcrest. Nora works with Bob and is not in it."""

import json
from dataclasses import dataclass, field
from typing import Any

from federation.content import plain
from outbox import polls
from storage import actors, notifications, objects, tables, timelines
from storage import polls as stored_polls
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post
from tests.federation.members import Project, everyone_in, found, standing
from tests.town import Person, Town, TownSchool
from tests.town.stranger import PUBLIC


@dataclass
class Scene:
    """Three schools and a project."""

    town: Town
    project: Project
    alice: Person
    bob: Person
    carol: Person
    nora: Person
    schools: tuple[TownSchool, ...] = field(default=())

    @property
    def home(self) -> TownSchool:
        return self.alice.school

    @property
    def members(self) -> str:
        return self.project.members

    async def says(self, person: Person, text: str, **more: Any) -> dict[str, Any]:
        """A post for the members."""
        made = await person.say(text, **{"to": self.members, **more})
        await self.town.settle()
        return made

    async def does(self, person: Person, kind: str, subject: Any, *, expect: int = 201) -> str:
        done = await person.post({"type": kind, "object": subject}, expect=expect)
        await self.town.settle()
        return done

    async def read_by(self, person: Person) -> list[str]:
        """What somebody finds in the project, newest first, without the tags around it."""

        def look(tx: Transaction) -> list[str]:
            known = actors.by_uri(tx, self.project.uri)
            if known is None:
                return []
            viewer = Viewer(person.id, local=True)
            page = objects.of_project(tx, viewer, known.id, before=None, limit=40)
            return [plain(post.content) for post in page]

        return await person.school.read(look)

    async def home_of(self, person: Person) -> list[str]:
        page = await person.school.read(timelines.home, person.id, before=None, limit=40)
        return [plain(row.post.content) for row in page]

    async def likes_of(self, school: TownSchool, uri: str) -> int:
        def look(tx: Transaction) -> int:
            post = objects.by_uri(tx, uri)
            assert post is not None
            rows = tx.execute(tables.likes.select().where(tables.likes.c.object_id == post.id))
            return len(rows.all())

        return await school.read(look)

    async def post_at(self, school: TownSchool, uri: str) -> Post | None:
        return await school.read(objects.by_uri, uri)


async def scene(town: Town, alice: Person, openness: Any = "private") -> Scene:
    riverside, hillcrest = await town.school("riverside"), await town.school("hillcrest")
    bob, nora = await riverside.staff("bob"), await riverside.staff("nora")
    carol = await hillcrest.staff("carol")
    project = await found(alice, "phonics", openness)
    await everyone_in(project, alice, (bob, "editor"), (carol, "editor"))
    return Scene(town, project, alice, bob, carol, nora, (alice.school, riverside, hillcrest))


async def test_members_of_three_schools_write_edit_like_and_delete_and_all_see_the_same(
    town: Town, alice: Person
) -> None:
    here = await scene(town, alice)
    bob, carol, nora = here.bob, here.carol, here.nora
    plan = await here.says(alice, "The plan")
    sheet = await here.says(bob, "The worksheet")
    song = await here.says(carol, "The song", inReplyTo=sheet["id"])
    everybody = (alice, bob, carol)
    for made in (plan, sheet, song):
        assert made["to"] == [here.members]
        assert made["cc"] == [here.project.uri]
        assert made["audience"] == here.project.uri
        assert "tag" not in made
    for person in everybody:
        assert await here.read_by(person) == [
            "The song", "The worksheet", "The plan",
        ]  # fmt: skip
        assert await here.home_of(person) == await here.read_by(person)
    assert await here.read_by(nora) == await here.home_of(nora) == []
    assert await nora.inbox() == []

    change = {"id": sheet["id"], "content": "The worksheet, with answers"}
    await here.does(bob, "Update", change)
    liked = await here.does(alice, "Like", sheet["id"])
    await here.does(carol, "Like", sheet["id"])
    for person in everybody:
        assert "The worksheet, with answers" in await here.read_by(person)
        assert await here.likes_of(person.school, sheet["id"]) == 2
    await here.does(alice, "Undo", liked)
    for person in everybody:
        assert await here.likes_of(person.school, sheet["id"]) == 1
    for made, author in ((sheet, bob), (plan, alice)):
        await here.does(author, "Delete", made["id"])
    for person in everybody:
        assert await here.read_by(person) == ["The song"]
        assert await here.home_of(person) == ["The song"]

    # All of them find the same in their inboxes: what the project passed on.
    for person in everybody:
        passed_on = [one for one in await person.inbox() if one["type"] == "Announce"]
        kinds = [one["object"]["type"] for one in reversed(passed_on)]
        assert kinds == [
            "Create", "Create", "Create", "Update", "Like", "Like", "Undo", "Delete", "Delete",
        ]  # fmt: skip
        assert {one["actor"] for one in passed_on} == {here.project.uri}
        assert passed_on[-1]["object"]["object"]["type"] == "Tombstone"
    assert await nora.inbox() == []
    told = await bob.school.read(notifications.recent, bob.id, before=None, limit=20)
    assert ("reply", "carol") in {(one.kind, one.actor.username) for one in told}


async def test_what_is_passed_on_is_the_very_activity_with_its_proof(
    town: Town, alice: Person
) -> None:
    here = await scene(town, alice)
    sent = await here.bob.post({"type": "Note", "content": "Look", "to": here.members})
    await town.settle()

    def announced(tx: Transaction) -> tuple[dict[str, Any], dict[str, Any]]:
        table = tables.received
        rows = tx.execute(table.select().where(table.c.type == "Announce")).all()
        announce = json.loads(rows[-1].body)
        return announce, announce["object"]

    announce, inner = await here.carol.school.read(announced)
    own = await here.bob.school.get(sent, as_=here.bob)
    assert inner == own.json
    assert inner["proof"]["verificationMethod"] == f"{here.bob.uri}#ed25519-key"
    assert announce["to"] == [here.members]
    assert "cc" not in announce

    # What was edited away is shown to nobody any more, nor to anybody who is not in it.
    change = {"id": inner["object"]["id"], "content": "Look again"}
    await here.does(here.bob, "Update", change)
    shown = (await here.home.get(announce["id"], as_=alice)).json
    assert shown["object"]["object"]["content"] == "Look again"
    assert "proof" not in shown
    assert "proof" not in shown["object"]
    assert (await here.home.get(announce["id"], signed_by=here.bob.school)).status == 404


async def test_a_poll_among_the_members_is_counted_and_all_see_the_figures(
    town: Town, alice: Person
) -> None:
    here = await scene(town, alice)
    choices = [{"type": "Note", "name": name} for name in ("Monday", "Friday")]
    asked = await here.bob.post(
        {"type": "Question", "content": "When?", "oneOf": choices, "to": here.members}
    )
    question = (await here.bob.school.get(asked, as_=here.bob)).json["object"]
    await town.settle()
    vote = {"type": "Note", "name": "Friday", "inReplyTo": question["id"], "to": here.bob.uri}
    await here.carol.post(vote)
    await town.settle()
    town.clock.advance(minutes=10)
    await polls.step(here.bob.school.server)
    await town.settle()

    def figures(tx: Transaction) -> list[tuple[str, int]]:
        post = objects.by_uri(tx, question["id"])
        poll = None if post is None else stored_polls.of_post(tx, None, post.id)
        assert poll is not None
        return [(option.name, option.votes) for option in poll.options]

    for person in (alice, here.bob, here.carol):
        assert await person.school.read(figures) == [("Monday", 0), ("Friday", 1)]
        assert await here.read_by(person) == ["When?"]


# --- open to everybody ---------------------------------------------------------------------------


async def test_an_open_project_passes_on_to_whoever_follows_it_in_both_ways(
    town: Town, alice: Person
) -> None:
    here = await scene(town, alice, "open")
    village = await town.stranger("village")
    fiona = village.person("fiona")
    follow = fiona.activity("Follow", here.project.uri, to=[here.project.uri], cc=[])
    await fiona.send(here.home.shared_inbox, follow)
    await here.nora.post({"type": "Follow", "object": here.project.uri})
    await town.settle()

    made = await here.bob.say("The fair", audience=here.project.uri)
    await town.settle()
    assert made["to"] == [PUBLIC]
    assert made["cc"] == [f"{here.bob.uri}/followers", here.project.uri]
    assert made["audience"] == here.project.uri
    whole, plainly = village.activities("Announce")
    assert (whole["actor"], whole["object"]["type"]) == (here.project.uri, "Create")
    assert whole["object"]["object"]["id"] == made["id"]
    assert whole["object"]["proof"]
    assert (plainly["actor"], plainly["object"]) == (here.project.uri, made["id"])
    for one in (whole, plainly):
        assert one["to"] == [PUBLIC]
        assert one["cc"] == [f"{here.project.uri}/followers", here.members]
    for person in (alice, here.carol, here.nora, here.bob):
        assert await here.read_by(person) == ["The fair"]
        assert await here.home_of(person) == ["The fair"]

    # Who answers it and is in the project answers there; who is not, answers as anywhere.
    inside = await here.carol.say("Count me in", inReplyTo=made["id"])
    outside = await here.nora.say("Nice", inReplyTo=made["id"])
    await town.settle()
    assert inside["audience"] == here.project.uri
    assert "audience" not in outside
    assert await here.read_by(here.bob) == ["Count me in", "The fair"]

    await here.does(here.nora, "Like", made["id"])  # anybody likes what is public
    await here.does(here.carol, "Like", made["id"])
    await here.does(here.bob, "Update", {"id": made["id"], "content": "The fair, on Friday"})
    await here.does(here.carol, "Delete", inside["id"])
    assert await here.likes_of(here.bob.school, made["id"]) == 2
    for person in (alice, here.carol, here.nora, here.bob):
        assert await here.read_by(person) == ["The fair, on Friday"]
    kinds = [
        one["object"]["type"] if isinstance(one["object"], dict) else "post"
        for one in village.activities("Announce")
    ]
    assert kinds == ["Create", "post", "Create", "post", "Like", "Update", "Delete"]

    # It has posts for its members alone, too, and nothing in between.
    both = {"type": "Note", "content": "All of you", "to": [PUBLIC, here.members]}
    refused = await here.bob.school.post(here.bob, both)
    assert "for its members alone, or for everybody" in refused.text
    await here.says(alice, "Who brings the tables?")
    assert len(village.activities("Announce")) == len(kinds)
    assert await here.read_by(here.nora) == ["The fair, on Friday"]
    assert "Who brings the tables?" in await here.read_by(here.carol)


# --- what our own people are told ----------------------------------------------------------------


async def test_who_may_not_say_it_is_told_why_before_anything_is_sent(
    town: Town, alice: Person
) -> None:
    here = await scene(town, alice)
    oscar = await here.schools[1].staff("oscar")
    await everyone_in(here.project, alice, (oscar, "observer"))
    plan = await here.says(alice, "The plan")
    note, members, uri = {"type": "Note", "content": "Hello"}, here.members, here.project.uri
    nowhere = uri.replace("phonics", "nowhere")

    async def told(person: Person, activity: dict[str, Any]) -> str:
        reply = await person.school.post(person, activity)
        assert reply.status in (400, 403, 404, 422), (reply.status, reply.text)
        return reply.text

    for said in ({"to": "{}/members"}, {"to": "{}"}, {"to": PUBLIC, "cc": "{}", "audience": "{}"}):
        hidden = {name: where.format(uri) for name, where in said.items()}
        missing = {name: where.format(nowhere) for name, where in said.items()}
        words = await told(here.nora, note | hidden)
        assert words == (await told(here.nora, note | missing)).replace("nowhere", "phonics")
    for verb in ("Follow", "Join", "Block", "Flag"):
        words = await told(here.nora, {"type": verb, "object": uri})
        other = await told(here.nora, {"type": verb, "object": nowhere})
        assert words == other.replace("nowhere", "phonics"), verb

    observing = await told(oscar, note | {"to": members})
    assert "you are an observer in Phonics" in observing
    assert "Phonics is private" in await told(here.bob, note | {"to": PUBLIC, "audience": uri})
    bob, answer = here.bob, note | {"inReplyTo": plan["id"]}
    for wider in (PUBLIC, f"{bob.uri}/followers", f"{here.schools[1].url}/school/members"):
        assert "members" in await told(bob, note | {"to": [members, wider]})
        assert "is for them" in await told(bob, answer | {"to": [members, wider]})
    assert "is for them" in await told(bob, answer | {"to": alice.uri})
    outsider = await told(bob, note | {"to": members, "cc": here.nora.uri})
    assert "cannot also be addressed to @nora@riverside.example" in outsider
    named = {"content": "Ask @nora", "mediaType": "text/plain", "to": members}
    assert "@nora@riverside.example" in await told(bob, note | named)
    assert "not to be passed on" in await told(bob, {"type": "Announce", "object": plan["id"]})
    assert await here.read_by(bob) == ["The plan"]

    # An observer likes, and a member names members.
    await here.does(oscar, "Like", plan["id"])
    assert await here.likes_of(here.carol.school, plan["id"]) == 1
    asked = await here.says(
        bob, "@carol@hillcrest.example which day?", mediaType="text/plain", inReplyTo=plan["id"]
    )
    assert asked["cc"] == [uri, here.carol.uri]
    tea = await here.says(bob, "Tea, @oscar?", mediaType="text/plain")
    heard = [one for one in await oscar.inbox() if tea["id"] in json.dumps(one)]
    assert [one["type"] for one in heard] == ["Announce"]  # from the project, and once
    told_carol = await here.carol.school.read(
        notifications.recent, here.carol.id, before=None, limit=9
    )
    assert ("mention", "bob") in {(one.kind, one.actor.username) for one in told_carol}


async def test_who_left_reads_and_changes_nothing_more_but_may_delete_what_they_wrote(
    town: Town, alice: Person
) -> None:
    here = await scene(town, alice)
    mine = await here.says(here.bob, "My part")
    hers = await here.says(alice, "Hers")
    await here.bob.post({"type": "Leave", "object": here.project.uri})
    await town.settle()
    assert await standing(here.home, here.project, here.bob.uri) == "nothing"
    assert await here.read_by(here.bob) == []
    assert await here.home_of(here.bob) == ["My part"]
    assert "Announce" not in {one["type"] for one in await here.bob.inbox()}
    await here.says(alice, "After")
    assert await here.home_of(here.bob) == ["My part"]
    await here.bob.post(
        {"type": "Update", "object": {"id": mine["id"], "content": "Mine"}}, expect=400
    )
    await here.does(here.bob, "Delete", mine["id"])
    for person in (alice, here.carol):
        assert await here.read_by(person) == ["After", "Hers"]

    # What is deleted goes away too where somebody had it who has left.
    kept = await here.post_at(here.bob.school, hers["id"])
    assert kept is not None
    assert kept.deleted_at is None
    await here.does(alice, "Delete", hers["id"])
    kept = await here.post_at(here.bob.school, hers["id"])
    assert kept is None or kept.deleted_at is not None
    assert await here.read_by(here.carol) == ["After"]
