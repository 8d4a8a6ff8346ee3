"""What comes signed with the Ed25519 key that its actor lists under `assertionMethod`."""

from dataclasses import dataclass

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import keys, signatures
from federation.signatures import Signer
from tests.town import Foreigner, Reply, Stranger, Town, TownSchool

KEY = "#ed25519"


@dataclass(frozen=True)
class Porch:
    """Oakfield's door, and bob and eve of Riverside, who list a key of this kind each."""

    oakfield: TownSchool
    riverside: Stranger
    bob: Foreigner
    bobs: Ed25519PrivateKey
    eve: Foreigner
    eves: Ed25519PrivateKey

    def signed(self, body: bytes, key_id: str, key: Ed25519PrivateKey) -> dict[str, str]:
        return signatures.sign(
            "POST",
            self.oakfield.shared_inbox,
            signer=Signer(key_id, key),
            now=self.riverside.town.clock(),
            form="ed25519",
            body=body,
            content_type="application/activity+json",
        )

    async def send(self, headers: dict[str, str], body: bytes) -> Reply:
        return await self.riverside.request("POST", self.oakfield.shared_inbox, headers, body)


def listing(who: Foreigner) -> Ed25519PrivateKey:
    key = keys.generate("ed25519")
    assert isinstance(key, Ed25519PrivateKey)
    who.document["assertionMethod"] = [
        {
            "id": who.uri + KEY,
            "type": "Multikey",
            "controller": who.uri,
            "publicKeyMultibase": keys.multibase(keys.public_der(key)),
        }
    ]
    return key


@pytest.fixture
async def porch(town: Town) -> Porch:
    oakfield, riverside = await town.school("oakfield"), await town.stranger("riverside.example")
    await oakfield.allow(riverside.host)
    bob, eve = riverside.person("bob"), riverside.person("eve")
    return Porch(oakfield, riverside, bob, listing(bob), eve, listing(eve))


def hello(who: Foreigner) -> bytes:
    return orjson.dumps(who.create("Good morning"))


async def test_it_opens_the_door_for_the_actor_who_lists_it_and_for_that_body(porch: Porch) -> None:
    for _ in range(2):  # fetched, then remembered
        body = hello(porch.bob)
        headers = porch.signed(body, porch.bob.uri + KEY, porch.bobs)
        assert (await porch.send(headers, body)).status == 202
    assert (await porch.send(headers, body.replace(b"morning", b"evening"))).status == 401


async def test_it_opens_the_door_for_nobody_else(porch: Porch) -> None:
    body = hello(porch.bob)
    honest = porch.signed(body, porch.bob.uri + KEY, porch.bobs)
    assert (await porch.send(honest, body)).status == 202
    by_eve = porch.signed(body, porch.eve.uri + KEY, porch.eves)  # her key, his name
    assert (await porch.send(by_eve, body)).status == 401
    forged = porch.signed(body, porch.bob.uri + KEY, porch.eves)  # his key's id, her hand
    assert (await porch.send(forged, body)).status == 401
    fresh = hello(porch.bob)
    by_rsa = signatures.sign(
        "POST",
        porch.oakfield.shared_inbox,
        signer=Signer(porch.bob.uri + KEY, porch.bob.key),
        now=porch.riverside.town.clock(),
        form="rfc9421",
        body=fresh,
        content_type="application/activity+json",
    )
    assert (await porch.send(by_rsa, fresh)).status == 401
