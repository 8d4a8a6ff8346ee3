"""Ed25519 signs ten times as fast as RSA, so it is used where a school takes it, and only there."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from multidict import CIMultiDict

from federation import keys as federation_keys
from federation import signatures
from federation.signatures import Message
from inbox import door
from outbox import deliver, dispatch
from storage import actors, follows, keys, peers
from storage.actors import save_remote
from storage.database import Transaction
from storage.peers import Peer
from tests.federation.inn import Inn
from tests.storage.people import remote_fields
from tests.storage.teachers import PUBLIC
from tests.town import Delivered, Person, Town

HOST = "riverside.example"


@dataclass
class Correspondence:
    """Alice of Oakfield writes to a school of another make, which takes what its keeper says."""

    alice: Person
    inn: Inn
    takes: set[str] = field(default_factory=lambda: {"cavage"})
    invites: bool = False

    async def write(self, times: int = 1) -> list[str]:
        """The forms in which each post was brought, refused ones too."""
        self.inn.delivered.clear()
        for _ in range(times):
            note = {"type": "Note", "content": "Lab 2 is free", "to": [PUBLIC]}
            await self.alice.school.write(
                dispatch.send, self.alice.id, {"type": "Create", "object": dict(note)}
            )
        await deliver.step(self.alice.school.server, dice=lambda: 0.5)
        return [form_of(got) for got in self.inn.delivered]

    def answer(self, got: Delivered) -> web.Response:
        headers = door.WANTED if self.invites else {}
        return web.Response(status=202 if form_of(got) in self.takes else 401, headers=headers)

    async def peer(self) -> Peer:
        found = await self.alice.school.read(peers.by_host, HOST)
        assert found is not None
        return found


def form_of(got: Delivered) -> str:
    if "Signature-Input" not in got.headers:
        return "cavage"
    return "ed25519" if 'alg="ed25519"' in got.headers["Signature-Input"] else "rfc9421"


@pytest.fixture
async def letters(town: Town) -> AsyncIterator[Correspondence]:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    inn = await Inn(town, HOST).open()
    await oakfield.allow(HOST)
    await oakfield.write(_follower, alice.id)
    found = Correspondence(alice, inn)
    inn.decide = found.answer
    yield found
    await inn.shut()


def _follower(tx: Transaction, author_id: int) -> None:
    fan = save_remote(tx, remote_fields("fan", HOST))
    follows.request(tx, fan.id, author_id, f"{fan.uri}/follows/1")
    follows.accept(tx, fan.id, author_id)


def _lists_an_ed25519_key(tx: Transaction) -> None:
    fan = actors.by_uri(tx, remote_fields("fan", HOST).uri)
    assert fan is not None
    public = federation_keys.public_der(federation_keys.generate("ed25519"))
    keys.add(tx, uri=f"{fan.uri}#ed25519", actor_id=fan.id, algorithm="ed25519", public=public)


async def test_who_invites_ed25519_gets_it_from_then_on_signed_with_the_authors_other_key(
    letters: Correspondence,
) -> None:
    letters.takes, letters.invites = {"cavage", "rfc9421", "ed25519"}, True
    assert await letters.write(3) == ["cavage", "ed25519", "ed25519"]
    assert (await letters.peer()).signature_form == "ed25519"
    assert await letters.write() == ["ed25519"]

    (got,) = letters.inn.delivered
    message = Message("POST", f"{letters.inn.url}/inbox", CIMultiDict(got.headers), got.body)
    claim = signatures.read(message)
    key = await letters.alice.school.read(keys.by_uri, claim.key_id)
    assert key is not None
    assert (key.algorithm, key.actor_id) == ("ed25519", letters.alice.id)
    public = federation_keys.load(key.public)
    signatures.verify(claim, message, public, letters.alice.school.town.clock())


async def test_who_does_not_invite_it_is_not_bothered(letters: Correspondence) -> None:
    letters.takes = {"cavage", "rfc9421", "ed25519"}
    await letters.alice.school.write(_lists_an_ed25519_key)
    assert await letters.write(2) == ["cavage", "cavage"]
    assert await letters.write() == ["cavage"]
    assert (await letters.peer()).signature_form is None


async def test_who_checks_rfc_9421_and_lists_such_a_key_is_asked_once_and_may_say_yes(
    letters: Correspondence,
) -> None:
    letters.takes = {"rfc9421", "ed25519"}
    await letters.alice.school.write(_lists_an_ed25519_key)
    assert await letters.write() == ["cavage", "rfc9421"]
    letters.alice.school.town.clock.advance(minutes=1)
    assert await letters.write(2) == ["ed25519", "ed25519"]
    assert (await letters.peer()).signature_form == "ed25519"


async def test_or_no_which_costs_one_request_and_is_remembered(letters: Correspondence) -> None:
    letters.takes = {"rfc9421"}
    await letters.alice.school.write(_lists_an_ed25519_key)
    await letters.write()
    letters.alice.school.town.clock.advance(minutes=1)
    assert await letters.write(2) == ["ed25519", "rfc9421", "rfc9421"]
    letters.alice.school.town.clock.advance(minutes=1)
    assert await letters.write(2) == ["rfc9421", "rfc9421"]
    assert (await letters.peer()).signature_form == "rfc9421"


async def test_who_checks_rfc_9421_but_lists_no_such_key_is_never_asked(
    letters: Correspondence,
) -> None:
    letters.takes = {"rfc9421"}
    await letters.write()
    letters.alice.school.town.clock.advance(minutes=1)
    assert await letters.write() == ["rfc9421"]


async def test_a_school_that_invited_it_and_does_not_take_it_after_all_gets_what_it_takes(
    letters: Correspondence,
) -> None:
    letters.takes, letters.invites = {"cavage", "ed25519"}, True
    await letters.write()
    letters.takes = {"cavage"}
    letters.alice.school.town.clock.advance(minutes=1)
    assert await letters.write(2) == ["ed25519", "rfc9421", "cavage", "cavage"]
    # It invites us with every answer, and is not believed again.
    letters.alice.school.town.clock.advance(minutes=1)
    assert await letters.write() == ["cavage"]
    peer = await letters.peer()
    assert (peer.signature_form, peer.failures, peer.due_at) == ("cavage", 0, None)


async def test_two_staffrooms_speak_ed25519_after_the_first_delivery(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    for number in range(3):
        await alice.say(f"Lesson {number}")
        await town.settle()
    lane = await oakfield.read(peers.by_host, riverside.host)
    assert lane is not None
    assert (lane.signature_form, lane.failures) == ("ed25519", 0)
    told = [one["object"]["content"] for one in await bob.inbox() if one["type"] == "Create"]
    assert told == ["Lesson 2", "Lesson 1", "Lesson 0"]
    # Riverside's door took it by the key that Alice's document lists for her.
    kept = await riverside.read(keys.by_uri, f"{alice.uri}#ed25519-key")
    assert kept is not None
    assert kept.private is None
