"""Who gets past the door of Oakfield, and who does not.

One table of knocks, against one school, in `network` and in `open` mode, on both databases. The
attacker's school is on the list of schools that we talk to. Each line says which check of the
door it is there for, and a second test takes that check away and sees the line turn red.
"""

import asyncio
import base64
import hashlib
import inspect
import io
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from actors import admission
from federation import keys, proofs, signatures
from federation.activity import Activity
from inbox import concerned, door, missing, senders
from storage import actors, peers, received, tables
from storage.database import Busy, Transaction
from tests.conftest import PostgresqlServer
from tests.town import Foreigner, Person, Reply, Stranger, Town, TownSchool
from tests.town.stranger import COVERED, cavage, digest_of, http_date, rsa_key
from tests.town.streets import Authority

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBERS = itertools.count(1)
MODES: tuple[Literal["network", "open"], ...] = ("network", "open")


@dataclass(frozen=True)
class Scene:
    """Oakfield and its neighbours. Riverside is honest; everyone at evil.example is not."""

    town: Town
    oakfield: TownSchool
    alice: Person
    riverside: Stranger
    evil: Stranger
    unlisted: Stranger
    blocked: Stranger
    below_blocked: Stranger
    asleep: Stranger
    bob: Foreigner
    mallory: Foreigner

    def newcomer(self, home: Stranger | None = None) -> Foreigner:
        """Somebody of Riverside whom Oakfield has not met."""
        return (home or self.riverside).person(f"newcomer{next(NUMBERS)}")

    async def send(
        self,
        headers: Mapping[str, str] | CIMultiDict[str],
        body: Any,
        inbox: str = "",
        method: str = "POST",
    ) -> Reply:
        """Anything, to an inbox of Oakfield."""
        url = URL(inbox or self.oakfield.shared_inbox, encoded=True)
        async with self.town.session.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def knock(
        self,
        who: Foreigner,
        activity: dict[str, Any] | bytes | None = None,
        *,
        covered: tuple[str, ...] | None = None,
        inbox: str = "",
        changed: Mapping[str, str] | None = None,
        after: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """An honest knock, but for what a line of the table changes.

        `changed` is put in before signing, `after` and `body` after it.
        """
        signed = activity if isinstance(activity, bytes) else orjson.dumps(activity or hello(who))
        url = inbox or self.oakfield.shared_inbox
        headers = who.headers(url, signed, covered=covered, changed=changed)
        return await self.send(headers | dict(after or {}), body or signed, url)

    async def kept(self) -> int:
        return await self.oakfield.read(received.pending)


def hello(who: Foreigner) -> dict[str, Any]:
    return who.create("Good morning")


def fixed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A document with some of its properties changed; None takes one out."""
    found = {**document, **changes}
    return {name: value for name, value in found.items() if value is not None}


# --- the table -----------------------------------------------------------------------------------

Knocking = Callable[[Scene], Awaitable[Reply]]


@dataclass(frozen=True)
class Line:
    """One line of the table. `check` names what turns it away; None: it is let in."""

    knock: Knocking
    status: int
    check: str | None
    in_open_mode: int | None = None


TABLE: dict[str, Line] = {}


def line(
    status: int, check: str | None = None, *, in_open_mode: int | None = None
) -> Callable[[Knocking], Knocking]:
    def written(knock: Knocking) -> Knocking:
        TABLE[knock.__name__] = Line(knock, status, check, in_open_mode)
        return knock

    return written


@line(202)
async def an_honest_knock(scene: Scene) -> Reply:
    return await scene.knock(scene.bob)


@line(202)
async def the_same_again(scene: Scene) -> Reply:
    activity = hello(scene.bob)
    await scene.knock(scene.bob, activity)
    return await scene.knock(scene.bob, activity)


@line(202)
async def a_personal_inbox(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, inbox=f"{scene.alice.uri}/inbox")


@line(202)
async def the_inbox_of_the_school(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, inbox=f"{scene.oakfield.url}/school/inbox")


@line(202)
async def an_activity_nobody_knows(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, scene.bob.activity("Wave", scene.alice.uri))


@line(202)
async def the_other_media_type(scene: Scene) -> Reply:
    profile = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
    return await scene.knock(scene.bob, changed={"Content-Type": profile})


@line(202)
async def a_signature_of_the_newer_form(scene: Scene) -> Reply:
    url, body = scene.oakfield.shared_inbox, orjson.dumps(hello(scene.bob))
    headers = signatures.sign(
        "POST",
        url,
        signer=signatures.Signer(scene.bob.key_id, scene.bob.key),
        now=scene.town.clock(),
        form="rfc9421",
        body=body,
        content_type="application/activity+json",
    )
    return await scene.send(headers, body)


@line(202)
async def a_new_key_under_the_old_id(scene: Scene) -> Reply:
    who = scene.newcomer()
    assert (await scene.knock(who)).status == 202
    who.change_key()
    return await scene.knock(who)


@line(202)
async def a_key_in_a_document_of_its_own(scene: Scene) -> Reply:
    who = scene.newcomer()
    who.key_id = f"{who.uri}/main-key"
    who.document["publicKey"]["id"] = who.key_id
    stub = {name: who.document[name] for name in ("@context", "id", "type", "publicKey")}
    scene.riverside.documents[f"/people/{who.username}/main-key"] = stub
    return await scene.knock(who)


@line(202)
async def a_suspended_person_takes_something_back(scene: Scene) -> Reply:
    who = scene.newcomer()
    who.document["suspended"] = True
    return await scene.knock(who, who.activity("Undo", who.activity("Like", scene.alice.uri)))


@line(202)
async def passed_on_with_the_writers_proof(scene: Scene) -> Reply:
    writer = scene.newcomer()
    return await scene.knock(scene.bob, proven(scene, writer))


@line(202)
async def somebody_known_is_gone_and_their_server_says_so(scene: Scene) -> Reply:
    who = await gone(scene, 410)
    return await scene.knock(who, who.activity("Delete", who.uri))


# The request


@line(405)
async def asking_instead_of_bringing(scene: Scene) -> Reply:
    return await scene.send({}, None, method="GET")


@line(405)
async def putting_instead_of_posting(scene: Scene) -> Reply:
    return await scene.send({}, b"{}", f"{scene.alice.uri}/inbox", method="PUT")


@line(415, "door.media_type")
async def plain_json(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, changed={"Content-Type": "application/json"})


@line(415, "door.media_type")
async def a_form(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, changed={"Content-Type": "multipart/form-data"})


@line(415, "door.not_encoded")
async def a_body_said_to_be_packed(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, after={"Content-Encoding": "identity"})


@line(413, "door.small_enough")
async def a_body_that_says_it_is_too_large(scene: Scene) -> Reply:
    body, url = large(scene), scene.oakfield.shared_inbox
    return await scene.send(scene.bob.headers(url, body), io.BytesIO(body), url)


@line(413, "door.small_enough")
async def a_body_that_does_not_end(scene: Scene) -> Reply:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    body = large(scene)
    url = scene.oakfield.shared_inbox
    return await scene.send(scene.bob.headers(url, body), pieces(), url)


def large(scene: Scene) -> bytes:
    return orjson.dumps(scene.bob.create("large " * 180_000))


# The document


@line(400, "door.strictly_read")
async def a_key_written_twice(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    return await scene.knock(scene.bob, body[:-1] + b',"type":"Delete"}')


@line(400, "door.strictly_read")
async def a_number_that_is_none(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, orjson.dumps(hello(scene.bob))[:-1] + b',"n":NaN}')


@line(400, "door.strictly_read")
async def deep_nesting(scene: Scene) -> Reply:
    nested: Any = "bottom"
    for _ in range(40):
        nested = [nested]
    return await scene.knock(scene.bob, {**hello(scene.bob), "nested": nested})


@line(400, "door.strictly_read")
async def half_a_character(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    return await scene.knock(scene.bob, body[:-1] + b',"summary":"\\ud800"}')


@line(400, "door.strictly_read")
async def another_encoding(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, json.dumps(hello(scene.bob)).encode("utf-16"))


@line(400)
async def a_list(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, b"[]")


@line(400)
async def no_json_at_all(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, b"hello")


@line(400, "door.well_formed")
async def more_recipients_than_anyone_knows(scene: Scene) -> Reply:
    many = [f"{scene.riverside.url}/people/{number}" for number in range(201)]
    return await scene.knock(scene.bob, scene.bob.activity("Wave", "x", to=many))


@line(400, "door.well_formed")
async def a_post_whose_parts_are_numbers(scene: Scene) -> Reply:
    note = {**scene.bob.note("Hello"), "attributedTo": 7}
    return await scene.knock(scene.bob, scene.bob.activity("Create", note))


@line(400)
async def an_activity_without_an_id(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, fixed(hello(scene.bob), id=None))


@line(400)
async def an_activity_of_nobody(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, fixed(hello(scene.bob), actor=None))


@line(400)
async def an_activity_of_two_people(scene: Scene) -> Reply:
    both = [scene.bob.uri, scene.mallory.uri]
    return await scene.knock(scene.bob, fixed(hello(scene.bob), actor=both))


@line(400, "door.identified")
async def an_id_at_another_school(scene: Scene) -> Reply:
    elsewhere = f"{scene.riverside.url}/activities/{next(NUMBERS)}"
    return await scene.knock(scene.mallory, fixed(hello(scene.mallory), id=elsewhere))


@line(400, "door.identified")
async def an_id_that_is_a_script(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, fixed(hello(scene.bob), id="javascript:alert(1)"))


# Whom we talk to


@line(403, "senders.welcome", in_open_mode=202)
async def a_school_that_is_not_on_the_list(scene: Scene) -> Reply:
    return await scene.knock(scene.unlisted.person("ursula"))


@line(403, "senders.welcome")
async def a_blocked_school(scene: Scene) -> Reply:
    return await scene.knock(scene.blocked.person("benno"))


@line(403, "senders.welcome")
async def a_department_of_a_blocked_school(scene: Scene) -> Reply:
    return await scene.knock(scene.below_blocked.person("berta"))


@line(403, "senders.welcome")
async def a_blocked_school_under_an_honest_key(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, hello(scene.blocked.person("benno")))


@line(403, "senders.welcome")
async def an_honest_sender_under_a_blocked_key(scene: Scene) -> Reply:
    return await scene.knock(scene.blocked.person("benno"), hello(scene.bob))


@line(403, "senders.not_in_our_name")
async def one_of_ours_from_outside(scene: Scene) -> Reply:
    url = scene.oakfield.url
    claimed = fixed(hello(scene.bob), id=f"{url}/activities/1", actor=scene.alice.uri)
    return await scene.knock(scene.bob, claimed)


@line(403, "door.still_refused")
async def a_school_blocked_a_moment_ago(scene: Scene) -> Reply:
    who = scene.newcomer()
    assert (await scene.knock(who)).status == 202
    await scene.oakfield.block(scene.riverside.host)
    try:
        return await scene.knock(who)
    finally:
        await scene.oakfield.allow(scene.riverside.host)


@line(403, "door.still_refused")
async def a_person_suspended_a_moment_ago(scene: Scene) -> Reply:
    who = scene.newcomer()
    assert (await scene.knock(who)).status == 202
    await suspend(scene, who)
    return await scene.knock(who)


@line(202, "senders.forgettable")
async def somebody_unknown_says_they_are_gone(scene: Scene) -> Reply:
    who = scene.newcomer()
    body = orjson.dumps(who.activity("Delete", who.uri))
    return await scene.send({"Content-Type": "application/activity+json"}, body)


# The signature


@line(401, "senders.signed")
async def unsigned(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    return await scene.send({"Content-Type": "application/activity+json"}, body)


@line(401, "senders.signed")
async def two_signatures(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    headers = CIMultiDict(scene.bob.headers(scene.oakfield.shared_inbox, body))
    headers.add("Signature", headers["Signature"])
    return await scene.send(headers, body)


@line(401, "senders.signed")
async def a_signature_of_no_known_form(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, after={"Signature": "trust me"})


@line(401, "senders.signed_by")
async def a_forged_key(scene: Scene) -> Reply:
    return await forged(scene, scene.bob)


async def forged(scene: Scene, who: Foreigner) -> Reply:
    """Signed with a key of the forger's own, under the id of somebody else's."""
    body = orjson.dumps(hello(who))
    headers = who.headers(scene.oakfield.shared_inbox, body)
    headers["Signature"] = cavage(rsa_key("forger"), who.key_id, "POST", "/inbox", headers)
    return await scene.send(headers, body)


@line(401, "senders.signed_by")
async def a_request_of_yesterday(scene: Scene) -> Reply:
    then = http_date(scene.town.clock() - timedelta(hours=13))
    return await scene.knock(scene.bob, changed={"Date": then})


@line(401, "senders.signed_by")
async def a_request_of_tomorrow(scene: Scene) -> Reply:
    then = http_date(scene.town.clock() + timedelta(hours=2))
    return await scene.knock(scene.bob, changed={"Date": then})


@line(401, "senders.signed_by")
async def a_changed_body(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, body=orjson.dumps(hello(scene.bob)))


@line(401, "senders.signed_by")
async def a_changed_body_with_a_new_digest(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    return await scene.knock(scene.bob, body=body, after={"Digest": digest_of(body)})


@line(401, "senders.signed_by")
async def a_weak_digest_beside_the_body(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    weak = base64.b64encode(hashlib.md5(body).digest()).decode()
    return await scene.knock(scene.bob, body, changed={"Digest": f"MD5={weak}"})


@line(401, "senders.signed_by")
async def signed_for_another_school(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    headers = scene.bob.headers("https://elsewhere.example/inbox", body)
    return await scene.send(headers | {"Host": scene.oakfield.host}, body)


@line(401, "senders.signed_by")
async def signed_for_another_inbox(scene: Scene) -> Reply:
    body = orjson.dumps(hello(scene.bob))
    headers = scene.bob.headers(f"{scene.alice.uri}/inbox", body)
    return await scene.send(headers, body)


async def without(scene: Scene, part: str) -> Reply:
    return await scene.knock(scene.bob, covered=tuple(name for name in COVERED if name != part))


@line(401, "senders.signed_by")
async def the_target_is_not_signed(scene: Scene) -> Reply:
    return await without(scene, "(request-target)")


@line(401, "senders.signed_by")
async def the_host_is_not_signed(scene: Scene) -> Reply:
    return await without(scene, "host")


@line(401, "senders.signed_by")
async def the_date_is_not_signed(scene: Scene) -> Reply:
    return await without(scene, "date")


@line(401, "senders.signed_by")
async def the_body_is_not_signed(scene: Scene) -> Reply:
    return await without(scene, "digest")


# Whose key it is


@line(401, "senders.speaks_for_itself")
async def the_key_of_a_colleague(scene: Scene) -> Reply:
    return await scene.knock(scene.newcomer(), hello(scene.bob))


@line(401, "senders.speaks_for_itself")
async def the_key_of_another_school(scene: Scene) -> Reply:
    return await scene.knock(scene.mallory, hello(scene.bob))


def proven(
    scene: Scene,
    writer: Foreigner,
    *,
    key: Any = None,
    method: str = "",
    document: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A public post, or that document, with its writer's proof, or one that only looks like it."""
    own = keys.generate("ed25519")
    method = method or f"{writer.uri}#proofs"
    writer.document["assertionMethod"] = [
        {
            "id": f"{writer.uri}#proofs",
            "type": "Multikey",
            "controller": writer.uri,
            "publicKeyMultibase": keys.multibase(keys.public_der(own)),
        }
    ]
    said = document or hello(writer)
    return proofs.prove(said, key=key or own, method=method, now=scene.town.clock())


@line(401, "missing.vouched_for")
async def passed_on_with_a_forged_proof(scene: Scene) -> Reply:
    forged = proven(scene, scene.newcomer(), key=keys.generate("ed25519"))
    return await scene.knock(scene.mallory, forged)


@line(401, "missing.vouched_for")
async def passed_on_and_changed(scene: Scene) -> Reply:
    changed = proven(scene, scene.newcomer())
    changed["object"]["content"] = "<p>Never said</p>"
    return await scene.knock(scene.mallory, changed)


@line(401, "senders.not_from_others")
async def what_is_between_two_passed_on_by_a_third_with_the_writers_proof(scene: Scene) -> Reply:
    writer = scene.newcomer()
    yes = writer.activity("Accept", f"{scene.oakfield.url}/activities/1", to=[scene.alice.uri])
    return await scene.knock(scene.mallory, proven(scene, writer, document=yes))


@line(401, "senders.speaks_for_itself")
async def passed_on_with_the_proof_of_who_passes_it_on(scene: Scene) -> Reply:
    own = keys.generate("ed25519")
    proven(scene, scene.mallory)
    document = hello(scene.newcomer())
    method = f"{scene.mallory.uri}#proofs"
    forged = proofs.prove(document, key=own, method=method, now=scene.town.clock())
    return await scene.knock(scene.mallory, forged)


@line(401)
async def a_key_that_its_owner_does_not_list(scene: Scene) -> Reply:
    forger = scene.newcomer()
    forger.key_id = f"{scene.riverside.url}/keys/{next(NUMBERS)}"
    scene.riverside.documents[URL(forger.key_id).path] = {
        "id": forger.key_id,
        "type": "Key",
        "owner": scene.bob.uri,
        "publicKeyPem": forger.pem(),
    }
    return await scene.knock(forger, hello(scene.bob))


@line(401)
async def a_key_on_another_server_than_its_owner(scene: Scene) -> Reply:
    forger = scene.newcomer(scene.evil)
    forger.document["publicKey"]["owner"] = scene.bob.uri
    return await scene.knock(forger, hello(scene.bob))


@line(401)
async def a_key_that_is_too_short(scene: Scene) -> Reply:
    who = scene.newcomer()
    who.key = rsa_key("short", 1024)
    who.document["publicKey"]["publicKeyPem"] = who.pem()
    return await scene.knock(who)


@line(401)
async def a_key_that_is_not_there(scene: Scene) -> Reply:
    who = scene.newcomer()
    scene.riverside.documents[f"/people/{who.username}"] = 404
    return await scene.knock(who)


@line(401)
async def a_key_in_an_uploaded_file(scene: Scene) -> Reply:
    who = scene.newcomer()
    scene.riverside.documents[f"/people/{who.username}"] = web.json_response(who.document)
    return await scene.knock(who)


@line(503)
async def the_server_of_the_key_is_asleep(scene: Scene) -> Reply:
    reply = await scene.knock(scene.newcomer(scene.asleep))
    assert int(reply.headers["Retry-After"]) > 0
    return reply


async def gone(scene: Scene, status: int) -> Foreigner:
    """Somebody whom Oakfield knows, whose server answers so now, and whose key is another."""
    who = scene.newcomer()
    assert (await scene.knock(who)).status == 202
    scene.riverside.documents[f"/people/{who.username}"] = status
    who.key_id = f"{who.uri}#key-of-the-last-day"
    return who


@line(202)  # kept, and looked at again a day later
async def somebody_known_is_said_to_be_gone_and_is_not_found(scene: Scene) -> Reply:
    who = await gone(scene, 404)
    return await scene.knock(who, who.activity("Delete", who.uri))


@line(401, "senders.gone_by_its_own_word")
async def somebody_gone_says_more_than_that(scene: Scene) -> Reply:
    return await scene.knock(await gone(scene, 410))


# Whether they may


async def suspend(scene: Scene, who: Foreigner) -> None:
    def suspended(tx: Transaction) -> None:
        tx.execute(
            tables.actors.update().where(tables.actors.c.uri == who.uri).values(state="suspended")
        )

    await scene.oakfield.write(suspended)


@line(403, "concerned.in_good_standing")
async def somebody_suspended(scene: Scene) -> Reply:
    who = scene.newcomer()
    who.document["suspended"] = True
    return await scene.knock(who)


@line(403, "concerned.in_good_standing")
async def somebody_who_was_deleted_comes_back(scene: Scene) -> Reply:
    who = scene.newcomer()
    assert (await scene.knock(who)).status == 202
    known = await scene.oakfield.read(actors.by_uri, who.uri)
    assert known is not None
    await scene.oakfield.write(actors.bury, known.id)
    return await scene.knock(who)


@line(404, "senders.inbox_of")
async def the_inbox_of_nobody(scene: Scene) -> Reply:
    return await scene.knock(scene.bob, inbox=f"{scene.oakfield.url}/users/nobody/inbox")


# --- one shared setup ----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def databases(
    request: pytest.FixtureRequest, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """New migrated databases of one kind."""
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("pg_server")
        return lambda: server.create(template=server.template)
    folder = tmp_path_factory.mktemp("door")

    def fresh() -> str:
        path = folder / f"{next(NUMBERS)}.sqlite"
        shutil.copyfile(migrated_file, path)
        return f"sqlite:///{path}"

    return fresh


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=MODES)
async def scene(
    request: pytest.FixtureRequest, authority: Authority, databases: Callable[[], str]
) -> AsyncIterator[Scene]:
    async with Town(authority, databases) as town:
        oakfield = await town.school("oakfield", mode=request.param)
        asleep = await town.stranger("asleep")
        await asleep.shut()
        blocked = await town.stranger("blocked", known=False)
        await oakfield.block(blocked.host)
        below = await town.stranger("physics.blocked.example")
        riverside, evil = await town.stranger("riverside"), await town.stranger("evil")
        yield Scene(
            town=town,
            oakfield=oakfield,
            alice=await oakfield.staff("alice"),
            riverside=riverside,
            evil=evil,
            unlisted=await town.stranger("unlisted", known=False),
            blocked=blocked,
            below_blocked=below,
            asleep=asleep,
            bob=riverside.person("bob"),
            mallory=evil.person("mallory"),
        )


async def answered(scene: Scene, name: str) -> tuple[int, int]:
    """The answer to a knock of the table, and how many activities were kept of the last one."""
    # Past every limit and every short memory, and with two senders whom the school knows.
    scene.town.clock.advance(minutes=10)
    for who in (scene.bob, scene.mallory):
        assert (await scene.knock(who)).status == 202
    before = await scene.kept()
    reply = await TABLE[name].knock(scene)
    return reply.status, await scene.kept() - before


@pytest.mark.parametrize("name", TABLE)
async def test_the_door(scene: Scene, name: str) -> None:
    expected = TABLE[name]
    status, kept = await answered(scene, name)
    wanted = expected.status
    if scene.oakfield.mode == "open" and expected.in_open_mode is not None:
        wanted = expected.in_open_mode
    assert status == wanted
    if status != 202:
        honest = await scene.knock(scene.bob)
        assert honest.status == 202
        refused = {"a_school_blocked_a_moment_ago", "a_person_suspended_a_moment_ago"}
        known_before = refused | {
            "somebody_who_was_deleted_comes_back",
            "somebody_gone_says_more_than_that",
        }
        assert kept == (1 if name in known_before else 0), "a refused knock left something"


@pytest.mark.parametrize(
    "name",
    ["a_school_that_is_not_on_the_list", "a_blocked_school", "somebody_unknown_says_they_are_gone"],
)
async def test_nothing_is_fetched_for_who_is_not_talked_to(scene: Scene, name: str) -> None:
    if scene.oakfield.mode == "open" and name == "a_school_that_is_not_on_the_list":
        return
    asked = len(scene.town.streets.asked)
    fetched = [*scene.unlisted.fetched, *scene.blocked.fetched]
    await TABLE[name].knock(scene)
    looked_up = set(scene.town.streets.asked[asked:]) - {scene.oakfield.host}
    assert not looked_up
    assert [*scene.unlisted.fetched, *scene.blocked.fetched] == fetched


async def test_somebody_unknown_who_is_gone_leaves_nothing_behind(scene: Scene) -> None:
    status, kept = await answered(scene, "somebody_unknown_says_they_are_gone")
    assert (status, kept) == (202, 0)


async def test_a_body_that_never_comes_is_not_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b'{"id":'
        await never.wait()

    monkeypatch.setattr(door, "BODY_DEADLINE", 0.05)
    headers = scene.bob.headers(scene.oakfield.shared_inbox, b"{}")
    assert (await scene.send(headers, stalled())).status == 408


async def test_a_flood_of_large_bodies_is_asked_to_come_back_and_small_ones_are_taken(
    scene: Scene,
) -> None:
    scene.town.clock.advance(minutes=10)
    room = scene.oakfield.server.room
    large = scene.bob.create("x" * (room.SMALL + 1))
    held = [room.take(1024 * 1024) for _ in range(32)]  # many others bring much at this moment
    with pytest.raises(Busy):
        room.take(1024 * 1024)
    refused = await scene.knock(scene.bob, large)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert (await scene.knock(scene.bob)).status == 202
    for octets in held:
        room.give_back(octets)
    assert (await scene.knock(scene.bob, large)).status == 202
    assert room.take(32 * 1024 * 1024)  # nothing of it is still held
    room.give_back(32 * 1024 * 1024)


async def test_a_key_is_asked_for_again_once_in_five_minutes(scene: Scene) -> None:
    scene.town.clock.advance(minutes=10)
    who = scene.newcomer()
    await scene.knock(who)
    before = scene.riverside.fetched.count(f"/people/{who.username}")
    for _ in range(3):
        assert (await forged(scene, who)).status == 401
    assert scene.riverside.fetched.count(f"/people/{who.username}") == before + 1


async def test_a_known_sender_costs_no_question_to_anybody(scene: Scene) -> None:
    scene.town.clock.advance(minutes=10)
    await scene.knock(scene.bob)
    fetched = len(scene.riverside.fetched)
    for _ in range(3):
        assert (await scene.knock(scene.bob)).status == 202
    assert len(scene.riverside.fetched) == fetched


async def test_those_who_knock_together_are_kept_together(scene: Scene) -> None:
    scene.town.clock.advance(minutes=10)
    await scene.knock(scene.bob)
    before = await scene.kept()
    replies = await asyncio.gather(*(scene.knock(scene.bob) for _ in range(40)))
    assert {reply.status for reply in replies} == {202}
    assert await scene.kept() == before + 40


async def test_a_knock_is_a_sign_of_life(scene: Scene) -> None:
    scene.town.clock.advance(minutes=10)
    await scene.knock(scene.bob)
    peer = await scene.oakfield.read(peers.by_host, scene.riverside.host)
    assert peer is not None
    assert peer.heard_at == scene.town.clock()


# --- the checks, taken away one at a time --------------------------------------------------------


def nothing(*_: Any, **__: Any) -> None:
    """Checks nothing."""


async def nothing_async(*_: Any, **__: Any) -> None:
    """Checks nothing, a little later."""


def nobody_unwelcome(*_: Any) -> dict[str, Exception]:
    """Talks to everybody."""
    return {}


def claimed_or_bobs(claim: Any) -> Any:
    """Whoever did not sign is taken for the last who did."""
    if isinstance(claim, Exception):
        return signatures.Claim("https://riverside.example/people/bob#main-key", "cavage", ())
    return claim


def unchecked(document: dict[str, Any], rules: Any) -> Activity:
    return Activity(
        json=document,
        id=document["id"],
        type=document["type"],
        actor=document["actor"],
        rules=rules,
    )


async def gone_anyhow(server: Any, activity: Activity, standing: Any) -> Any:
    """Whoever says so is gone."""
    return senders.Standing(b"", activity.actor, None, None, standing.owner_id)


@dataclass(frozen=True)
class Check:
    """A check of the door, and what stands in its place once it is taken away."""

    room: Any
    name: str
    instead: Callable[..., Any]
    also: tuple[tuple[Any, str, Callable[..., Any]], ...] = ()


CHECKS = {
    "door.media_type": Check(door, "media_type", nothing),
    "door.not_encoded": Check(door, "not_encoded", nothing),
    "door.small_enough": Check(door, "small_enough", nothing),
    "door.strictly_read": Check(door, "strictly_read", json.loads),
    "door.well_formed": Check(door, "well_formed", nothing),
    "door.identified": Check(door, "identified", unchecked),
    "door.still_refused": Check(door, "still_refused", nothing),
    "senders.not_in_our_name": Check(
        senders, "not_in_our_name", nothing, also=((senders, "welcome", nobody_unwelcome),)
    ),
    # Who fetches a key asks the list once more.
    "senders.welcome": Check(
        senders, "welcome", nobody_unwelcome, also=((admission, "admit", nothing),)
    ),
    "senders.forgettable": Check(senders, "forgettable", lambda *_: False),
    "senders.signed": Check(
        senders,
        "signed",
        claimed_or_bobs,
        also=((senders, "signed_by", nothing), (signatures, "screen", nothing)),
    ),
    "senders.signed_by": Check(senders, "signed_by", nothing),
    "senders.speaks_for_itself": Check(senders, "speaks_for_itself", nothing_async),
    "senders.gone_by_its_own_word": Check(senders, "gone_by_its_own_word", gone_anyhow),
    "senders.inbox_of": Check(senders, "inbox_of", lambda _, standing: standing.owner_id or 0),
    "senders.not_from_others": Check(senders, "not_from_others", nothing),
    "missing.vouched_for": Check(missing, "vouched_for", nothing),
    "concerned.in_good_standing": Check(concerned, "in_good_standing", nothing),
}
PAIRS = [(check, name) for name, one in TABLE.items() if (check := one.check)]


@pytest.mark.parametrize(("check", "name"), PAIRS)
async def test_without_its_check_a_line_of_the_table_turns_red(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, check: str, name: str
) -> None:
    expected = TABLE[name]
    if scene.oakfield.mode == "open" and expected.in_open_mode is not None:
        return
    taken = CHECKS[check]
    scene.town.clock.advance(minutes=10)
    for who in (scene.bob, scene.mallory):
        assert (await scene.knock(who)).status == 202
    for room, attribute, instead in ((taken.room, taken.name, taken.instead), *taken.also):
        monkeypatch.setattr(room, attribute, instead)
    assert (await expected.knock(scene)).status != expected.status


# Made of other checks, which stand in the table themselves.
COMPOSED = {"senders.verified", "senders.allowed_to"}


async def test_every_check_of_the_door_has_its_line_in_the_table() -> None:
    says_its_status = re.compile(r"(?:4\d\d|503) ")
    checks = {
        f"{room.__name__.removeprefix('inbox.')}.{name}"
        for room in (door, senders)
        for name, function in inspect.getmembers(room, inspect.isfunction)
        if function.__module__ == room.__name__
        and says_its_status.match(inspect.getdoc(function) or "")
    }
    assert checks - COMPOSED <= set(CHECKS)
    assert {check for check, _ in PAIRS} == set(CHECKS)
    for check, name in PAIRS:
        print(f"{check}: test_the_door[…-{name}]")
