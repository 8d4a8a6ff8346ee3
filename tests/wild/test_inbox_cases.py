"""Deliveries as they come from the wild, each with the verdict a sound server gives.

`STAFFROOM_FIXTURES` names the folder that holds them; where it is not set, they are skipped with
their number. Each case goes through the real door, signed by whom it says, and then shows the
effect it must have, or the refusal.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from federation import attachments
from inbox import dispatch
from storage import (
    actors,
    announces,
    audience,
    blocks,
    follows,
    likes,
    notifications,
    objects,
    polls,
    reports,
    tables,
)
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post
from tests.town import Foreigner, Person, Reply, Stranger, Town, TownSchool
from tests.town.streets import Authority
from tests.wild import cases
from tests.wild.vectors import folder

FIXTURES = folder("STAFFROOM_FIXTURES")
CASES: dict[str, dict[str, Any]] = {}
if FIXTURES is not None:
    CASES = cases.load(FIXTURES / "_behaviour" / "inbox-cases.json")
else:
    pytest.skip("STAFFROOM_FIXTURES is not set: 65 deliveries skipped", allow_module_level=True)

REMOTE = "https://remote.example"
NOTE = f"{REMOTE}/notes/1"
OURS = "https://school.example/notes/1"
LIKE = f"{REMOTE}/activities/Like/1"
FOLLOW = "https://school.example/activities/follow/1"


@dataclass
class Scene:
    """Our school with Lee and Kim and a post, and the schools that the cases speak of."""

    town: Town
    school: TownSchool
    lee: Person
    kim: Person
    ours: Post
    strangers: dict[str, Stranger] = field(default_factory=dict)
    people: dict[str, Foreigner] = field(default_factory=dict)

    async def someone(self, uri: str, kind: str = "Person") -> Foreigner:
        """Whoever has that id, at a server that our school talks to."""
        if uri not in self.people:
            _, _, host, path = uri.split("/", 3)
            if host not in self.strangers:
                self.strangers[host] = await self.town.stranger(host)
            home = self.strangers[host]
            who = home.person(path.replace("/", "-"))
            old, made = who.uri, json.dumps(who.document)
            who.uri, who.key_id = uri, f"{uri}#main-key"
            document = json.loads(made.replace(json.dumps(old)[1:-1], uri))
            who.document.clear()
            who.document.update(document | {"preferredUsername": path.split("/")[-1], "type": kind})
            home.documents[f"/{path}"] = who.document
            self.people[uri] = who
        return self.people[uri]

    async def deliver(self, case: dict[str, Any], body: bytes | None = None) -> Reply:
        """The case's document, signed by whom it says; then all work is done."""
        who = await self.someone(
            case["signed_by"], "Group" if "/c/" in case["signed_by"] else "Person"
        )
        reply = await who.send(
            self.school.shared_inbox, body or json.dumps(case["document"]).encode()
        )
        await self.town.settle()
        return reply

    async def post(self, uri: str = NOTE) -> Post:
        found = await self.school.read(objects.by_uri, uri)
        assert found is not None, f"{uri} was not kept"
        return found

    async def missing(self, uri: str = NOTE) -> bool:
        return await self.school.read(objects.by_uri, uri) is None

    async def reason(self) -> str | None:
        """Why the last activity that came had no effect; None if it had one."""

        def look(tx: Transaction) -> tuple[str, str | None]:
            table = tables.received
            row = tx.execute(table.select().order_by(table.c.id.desc()).limit(1)).first()
            assert row is not None, "nothing was kept"
            return row.state, row.reason

        state, reason = await self.school.read(look)
        assert state == "done"
        return reason

    async def told(self, owner: Person) -> list[str]:
        found = await self.school.read(notifications.recent, owner.id, before=None, limit=9)
        return [one.kind for one in found]

    async def known(self, kind: str, uri: str, author: str, **more: Any) -> None:
        """Something of another school that came earlier."""
        who = await self.someone(author)
        about = {"id": uri, "type": "Note", "attributedTo": author, "content": "<p>Earlier</p>"}
        subject = about if kind == "Create" else more.pop("object")
        activity = who.activity(kind, subject) | more
        assert (await who.send(self.school.shared_inbox, activity)).status == 202
        await self.town.settle()


@pytest.fixture
async def scene(authority: Authority, fresh_sqlite: Callable[[], str]) -> AsyncIterator[Scene]:
    async with Town(authority, fresh_sqlite) as town:
        school = await town.school("school")
        lee, kim = await school.staff("lee"), await school.staff("kim")

        def write(tx: Transaction) -> Post:
            post, _ = objects.add(
                tx,
                uri=OURS,
                author_id=lee.id,
                type="Note",
                audience="public",
                name=None,
                summary=None,
                content="<p>Ours</p>",
                url=OURS,
                in_reply_to=None,
                document={"id": OURS, "type": "Note"},
                published_at=tx.now,
                recipients=(),
            )
            return post

        yield Scene(town, school, lee, kim, await school.write(write))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(Path(tmp_path_factory.mktemp("authority")))


# --- what each case must come to -----------------------------------------------------------------

Effect = Callable[[Scene, dict[str, Any]], Awaitable[None]]
EFFECTS: dict[str, Effect] = {}


def of(*names: str) -> Callable[[Effect], Effect]:
    def written(effect: Effect) -> Effect:
        for name in names:
            assert name not in EFFECTS
            EFFECTS[name] = effect
        return effect

    return written


async def accepted(scene: Scene, case: dict[str, Any]) -> None:
    assert (await scene.deliver(case)).status == 202
    assert await scene.reason() is None


async def dropped(scene: Scene, case: dict[str, Any]) -> None:
    assert (await scene.deliver(case)).status == 202
    assert await scene.reason() is not None


async def kept(scene: Scene, case: dict[str, Any], audience: str = "public") -> Post:
    await accepted(scene, case)
    post = await scene.post()
    author = await scene.school.read(actors.by_id, post.author_id)
    assert author is not None
    assert (author.uri, post.audience) == (f"{REMOTE}/users/alice", audience)
    return post


@of(
    "to-as-string", "public-bare-word", "attributed-array", "audience-array", "context-object",
    "host-case", "default-port", "mention-by-name-only", "tag-as-object",
)  # fmt: skip
async def public(scene: Scene, case: dict[str, Any]) -> None:
    assert (await kept(scene, case)).content == "<p>hi</p>"
    assert await scene.told(scene.lee) == []


@of("attachment-image-type", "attachment-url-links", "poll-closed")
async def with_its_parts(scene: Scene, case: dict[str, Any]) -> None:
    post = await kept(scene, case)
    sent = case["document"]["object"]
    stored = json.loads(post.document)
    for name in ("attachment", "closed"):
        assert stored.get(name) == sent.get(name)
    assert len(attachments.of(stored)) == len(sent.get("attachment", ()))


@of("unlisted")
async def unlisted(scene: Scene, case: dict[str, Any]) -> None:
    await kept(scene, case, "unlisted")


@of("direct")
async def direct(scene: Scene, case: dict[str, Any]) -> None:
    post = await kept(scene, case, "direct")
    for reader, may in ((scene.lee, True), (scene.kim, False)):
        viewer = Viewer(reader.id, True)
        assert await scene.school.read(audience.can_see, viewer, post.id) is may
    assert await scene.told(scene.lee) == ["mention"]


@of("mention-without-name")
async def mention(scene: Scene, case: dict[str, Any]) -> None:
    await kept(scene, case)
    assert await scene.told(scene.lee) == ["mention"]


@of("name-no-content")
async def title(scene: Scene, case: dict[str, Any]) -> None:
    post = await kept(scene, case)
    assert post.name == case["document"]["object"]["name"]
    assert post.content == ""


@of("content-null")
async def empty(scene: Scene, case: dict[str, Any]) -> None:
    assert (await kept(scene, case)).content == ""


@of("published-offset")
async def offset(scene: Scene, case: dict[str, Any]) -> None:
    moment = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)
    assert (await kept(scene, case)).published_at == moment


@of("published-missing", "published-garbage")
async def time_of_receipt(scene: Scene, case: dict[str, Any]) -> None:
    assert (await kept(scene, case)).published_at == scene.town.clock()


@of("type-array")
async def first_type(scene: Scene, case: dict[str, Any]) -> None:
    assert (await kept(scene, case)).type == "Note"


@of("poll")
async def poll(scene: Scene, case: dict[str, Any]) -> None:
    post = await kept(scene, case)
    asked = await scene.school.read(polls.of_post, None, post.id)
    assert post.type == "Question"
    assert asked is not None
    assert [(option.name, option.votes) for option in asked.options] == [("yes", 2), ("no", 1)]
    assert asked.voters == 3


@of("unicode")
async def marks(scene: Scene, case: dict[str, Any]) -> None:
    assert "👩🏽‍🏫" in (await kept(scene, case)).content


@of("bto-bcc-in")
async def hidden(scene: Scene, case: dict[str, Any]) -> None:
    post = await kept(scene, case)
    assert "users/kim" not in post.document
    assert "bto" not in post.document


@of("id-localhost")
async def no_fetch(scene: Scene, case: dict[str, Any]) -> None:
    assert (await kept(scene, case)).in_reply_to is None
    assert "127.0.0.1" not in scene.town.streets.asked


@of("script", "style")
async def cleaned(scene: Scene, case: dict[str, Any]) -> None:
    shown = (await kept(scene, case)).content
    for word in ("script", "alert", "onclick", "iframe", "img", "svg", "style", "math"):
        assert word not in shown


@of("actor-embedded", "object-embedded-like", "like-emoji", "emojireact")
async def liked(scene: Scene, case: dict[str, Any]) -> None:
    await accepted(scene, case)
    assert await scene.school.read(likes.count, scene.ours.id) == 1
    assert await scene.told(scene.lee) == ["like"]


@of("undo-embedded", "undo-iri")
async def undone(scene: Scene, case: dict[str, Any]) -> None:
    await scene.known("Like", "", f"{REMOTE}/users/alice", id=LIKE, object=OURS)
    assert await scene.school.read(likes.count, scene.ours.id) == 1
    await accepted(scene, case)
    assert await scene.school.read(likes.count, scene.ours.id) == 0


@of("unknown-activity")
async def acknowledged(scene: Scene, case: dict[str, Any]) -> None:
    assert (await scene.deliver(case)).status == 202
    assert await scene.reason() == dispatch.declined(case["document"]["type"])
    assert await scene.told(scene.lee) == []


async def asked(scene: Scene) -> None:
    await scene.known("Create", f"{REMOTE}/notes/0", f"{REMOTE}/users/alice")

    def ask(tx: Transaction) -> None:
        alice = actors.by_uri(tx, f"{REMOTE}/users/alice")
        assert alice is not None
        follows.request(tx, scene.lee.id, alice.id, FOLLOW)

    await scene.school.write(ask)


@of("accept-iri", "accept-embedded-changed-id")
async def accept(scene: Scene, case: dict[str, Any]) -> None:
    await asked(scene)
    await accepted(scene, case)
    assert await scene.school.read(follows.count_following, scene.lee.id) == 1


@of("accept-never-asked")
async def never_asked(scene: Scene, case: dict[str, Any]) -> None:
    await dropped(scene, case)
    assert await scene.school.read(follows.count_following, scene.lee.id) == 0


@of("delete-tombstone")
async def deleted(scene: Scene, case: dict[str, Any]) -> None:
    await scene.known("Create", NOTE, f"{REMOTE}/users/alice")
    await accepted(scene, case)
    assert (await scene.post()).deleted_at is not None


@of("delete-unknown")
async def remembered(scene: Scene, case: dict[str, Any]) -> None:
    await accepted(scene, case)
    await scene.known("Create", case["document"]["object"], f"{REMOTE}/users/alice")
    assert await scene.missing(case["document"]["object"])


@of("delete-actor-unknown")
async def forgotten(scene: Scene, case: dict[str, Any]) -> None:
    await scene.school.allow("remote.example")
    reply = await scene.school.request(
        "POST",
        scene.school.shared_inbox,
        headers={"Content-Type": "application/activity+json"},
        body=json.dumps(case["document"]).encode(),
    )
    assert reply.status == 202
    assert "remote.example" not in scene.town.streets.asked


@of("update-actor")
async def profile(scene: Scene, case: dict[str, Any]) -> None:
    await accepted(scene, case)
    alice = await scene.school.read(actors.by_uri, f"{REMOTE}/users/alice")
    assert alice is not None
    assert alice.name == "New name"


@of("announce-own")
async def boost(scene: Scene, case: dict[str, Any]) -> None:
    await accepted(scene, case)
    assert await scene.school.read(announces.count, scene.ours.id) == 1
    assert await scene.told(scene.lee) == ["announce"]


@of("group-announce-create")
async def of_its_author(scene: Scene, case: dict[str, Any]) -> None:
    await scene.someone(f"{REMOTE}/users/alice")
    note = case["document"]["object"]["object"]
    scene.strangers["remote.example"].documents["/notes/77"] = note
    await accepted(scene, case)
    post = await scene.post(note["id"])
    author = await scene.school.read(actors.by_id, post.author_id)
    assert author is not None
    assert author.uri == f"{REMOTE}/users/alice"


@of("actor-not-signer", "follow-foreign-id", "not-object", "graph")
async def not_let_in(scene: Scene, case: dict[str, Any]) -> None:
    await scene.someone("https://evil.example/users/mallory")
    assert (await scene.deliver(case)).status == 400


@of("dup-keys")
async def twice(scene: Scene, case: dict[str, Any]) -> None:
    body = json.dumps(CASES["unlisted"]["document"]).replace(
        '"type": "Create"', '"type":"Create","type":"Delete"'
    )
    assert (await scene.deliver(case, body.encode())).status == 400


@of("big")
async def too_large(scene: Scene, case: dict[str, Any]) -> None:
    body = json.dumps(CASES["unlisted"]["document"] | {"more": "m" * 2_000_000})
    who = await scene.someone(case["signed_by"])
    url = scene.school.shared_inbox
    headers = who.headers(url, body.encode())

    async def pieces() -> AsyncIterator[bytes]:
        yield body.encode()

    async with scene.town.session.post(url, data=pieces(), headers=headers) as answer:
        assert answer.status == 413


@of("object-foreign-host")
async def fetched_instead(scene: Scene, case: dict[str, Any]) -> None:
    uri = case["document"]["object"]["id"]
    victim = await scene.someone("https://victim.example/users/v")
    real = {"id": uri, "type": "Note", "attributedTo": victim.uri, "content": "<p>mine</p>"}
    victim.home.documents["/notes/1"] = real
    await accepted(scene, case)
    assert (await scene.post(uri)).content == "<p>mine</p>"


@of("object-attributed-other", "id-javascript", "id-http")
async def not_kept(scene: Scene, case: dict[str, Any]) -> None:
    await dropped(scene, case)
    assert await scene.missing(case["document"]["object"]["id"])


@of("update-foreign")
async def not_theirs(scene: Scene, case: dict[str, Any]) -> None:
    uri = case["document"]["object"]["id"]
    await scene.known("Create", uri, "https://victim.example/users/v")
    await dropped(scene, case)
    assert (await scene.post(uri)).content == "<p>Earlier</p>"


@of("update-other-author-same-host", "delete-other-author")
async def same_host_is_not_enough(scene: Scene, case: dict[str, Any]) -> None:
    uri = f"{REMOTE}/notes/bobs"
    await scene.known("Create", uri, f"{REMOTE}/users/bob")
    await dropped(scene, case)
    post = await scene.post(uri)
    assert (post.content, post.deleted_at) == ("<p>Earlier</p>", None)


@of("undo-foreign")
async def not_undone(scene: Scene, case: dict[str, Any]) -> None:
    done = case["document"]["object"]
    await scene.known("Follow", "", done["actor"], id=done["id"], object=scene.lee.uri)
    await dropped(scene, case)
    assert await scene.school.read(follows.count_followers, scene.lee.id) == 1


async def third(scene: Scene, path: str, answer: Any = None) -> dict[str, Any]:
    """A post at a third school, served as `answer` if given."""
    who = await scene.someone("https://third.example/users/t")
    uri = f"https://third.example{path}"
    note = {"id": uri, "type": "Note", "attributedTo": who.uri, "content": "<p>third</p>"}
    note |= {"to": "https://www.w3.org/ns/activitystreams#Public"}
    who.home.documents[path] = note if answer is None else answer(note)
    return note


@of("id-mismatch-same-host")
async def fetched_again(scene: Scene, case: dict[str, Any]) -> None:
    note = await third(scene, "/notes/5")
    scene.strangers["third.example"].documents["/n/5"] = note
    await accepted(scene, case)
    assert (await scene.post(note["id"])).content == "<p>third</p>"
    assert scene.strangers["third.example"].fetched.count("/notes/5") == 1


@of("fetched-html", "fetched-ldjson-no-profile")
async def not_an_activity(scene: Scene, case: dict[str, Any]) -> None:
    uri = case["document"]["object"]
    media_type = case["remote"][uri]["content_type"]

    def served(note: dict[str, Any]) -> web.Response:
        return web.Response(body=json.dumps(note).encode(), content_type=media_type)

    await third(scene, uri.removeprefix("https://third.example"), served)
    await dropped(scene, case)
    assert await scene.missing(uri)


@of("fetched-redirect-other-host")
async def led_astray(scene: Scene, case: dict[str, Any]) -> None:
    uri = case["document"]["object"]
    answer = case["remote"][uri]
    mallory = await scene.someone("https://evil.example/users/mallory")

    def redirected(note: dict[str, Any]) -> web.Response:
        mallory.home.documents["/notes/9"] = note | {"attributedTo": mallory.uri}
        return web.Response(status=answer["status"], headers={"Location": answer["location"]})

    await third(scene, "/notes/9", redirected)
    await dropped(scene, case)
    assert await scene.missing(uri)


async def follows_each_other(scene: Scene, uri: str) -> int:
    """Lee and whoever has that id follow each other; the row of the latter."""
    await scene.known("Follow", "", uri, id=f"{uri}/follow", object=scene.lee.uri)

    def ask(tx: Transaction) -> int:
        who = actors.by_uri(tx, uri)
        assert who is not None
        follows.request(tx, scene.lee.id, who.id, FOLLOW)
        follows.accept(tx, scene.lee.id, who.id)
        return who.id

    return await scene.school.write(ask)


@of("block")
async def parted(scene: Scene, case: dict[str, Any]) -> None:
    alice = await follows_each_other(scene, case["signed_by"])
    before = await scene.told(scene.lee), len(await scene.lee.inbox())
    await accepted(scene, case)
    assert await scene.school.read(blocks.between, scene.lee.id, alice)
    assert await scene.school.read(follows.get, scene.lee.id, alice) is None
    assert await scene.school.read(follows.get, alice, scene.lee.id) is None
    assert await scene.told(scene.lee) == []
    assert before == (["follow"], 1)
    assert await scene.lee.inbox() == []


@of("flag")
async def reported(scene: Scene, case: dict[str, Any]) -> None:
    await accepted(scene, case)
    (report,) = await scene.school.read(reports.open_ones)
    assert (report.subject.uri, report.posts, report.reason) == (scene.lee.uri, (OURS,), "spam")
    assert report.reporter.uri == case["signed_by"]
    assert await scene.told(scene.lee) == []
    assert await scene.lee.inbox() == []


async def moving(scene: Scene, case: dict[str, Any]) -> Foreigner:
    """The new account, which says of itself what the case has it say; Lee follows the old one."""
    await follows_each_other(scene, case["signed_by"])
    for uri, said in case["remote"].items():
        (await scene.someone(uri)).document.update(said)
    return await scene.someone(case["document"]["target"])


@of("move-good")
async def followed_to_the_new_account(scene: Scene, case: dict[str, Any]) -> None:
    new = await moving(scene, case)
    await accepted(scene, case)
    assert [asked["object"] for asked in new.home.activities("Follow")] == [new.uri]
    old = await scene.school.read(actors.by_uri, case["signed_by"])
    assert old is not None
    assert old.moved_to == new.uri
    assert await scene.school.read(follows.get, scene.lee.id, old.id) is None
    assert (await scene.told(scene.lee))[0] == "move"


@of("move-not-aliased")
async def not_followed(scene: Scene, case: dict[str, Any]) -> None:
    new = await moving(scene, case)
    await dropped(scene, case)
    assert new.home.activities("Follow") == []
    old = await scene.school.read(actors.by_uri, case["signed_by"])
    assert old is not None
    assert old.moved_to is None
    assert await scene.school.read(follows.count_following, scene.lee.id) == 1


# --- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CASES))
async def test_a_delivery_comes_to_what_it_should(scene: Scene, name: str) -> None:
    await EFFECTS[name](scene, CASES[name])


def test_every_case_is_looked_at() -> None:
    assert CASES.keys() == EFFECTS.keys()
    assert len(CASES) == 65
