"""An answer from another school to a post of ours is passed on to those who follow its author."""

from functools import lru_cache
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from federation import activity as documents
from federation import keys as federation_keys
from federation import proofs
from federation.addresses import Rules
from federation.keys import PrivateKey
from outbox import forward
from storage import keys, tables
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post
from tests.storage.people import colleague, follow, post
from tests.storage.teachers import PUBLIC, inboxes, teacher

HILLSIDE = "https://hillside.example/inbox"


@lru_cache(maxsize=4)
def proof_key(name: str) -> PrivateKey:
    return federation_keys.generate("ed25519")


@pytest.fixture
def alice(tx: Transaction) -> Actor:
    """Followed at Riverside and at Hillside."""
    found = teacher(tx, "alice")
    follow(tx, colleague(tx, "carol"), found)
    follow(tx, colleague(tx, "dave", "hillside.example"), found)
    return found


@pytest.fixture
def bob(tx: Transaction) -> Actor:
    """Of Riverside, with a key to prove what he writes."""
    found = colleague(tx, "bob")
    keys.add(
        tx,
        uri=f"{found.uri}#ed25519-key",
        actor_id=found.id,
        algorithm="ed25519",
        public=federation_keys.public_der(proof_key("bob")),
    )
    return found


@pytest.fixture
def asked(tx: Transaction, alice: Actor) -> Post:
    return post(tx, alice, content="<p>Who has the key of lab 2?</p>")


def answer(
    alice: Actor, bob: Actor, asked: str, *, to: tuple[str, ...] = (PUBLIC,), **note: Any
) -> dict[str, Any]:
    """Bob's answer, addressed to Alice's followers too, without proof."""
    addressed = {"to": list(to), "cc": [alice.uri, alice.followers]}
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{bob.uri}/activities/1",
        "type": "Create",
        "actor": bob.uri,
        **addressed,
        "object": {
            "id": f"{bob.uri}/notes/1",
            "type": "Note",
            "attributedTo": bob.uri,
            "inReplyTo": asked,
            "content": "I have",
            **addressed,
            **note,
        },
    }


def proven(tx: Transaction, bob: Actor, document: dict[str, Any], key: str = "bob") -> bytes:
    method = f"{bob.uri}#ed25519-key"
    return orjson.dumps(proofs.prove(document, key=proof_key(key), method=method, now=tx.now))


def arrives(tx: Transaction, body: bytes) -> int:
    return forward.forward(tx, documents.read(documents.parse(body), Rules()), body)


def test_an_answer_is_passed_on_unchanged_to_all_but_where_it_came_from(
    tx: Transaction, alice: Actor, bob: Actor, asked: Post
) -> None:
    body = proven(tx, bob, answer(alice, bob, asked.uri))
    assert arrives(tx, body) == 1

    assert inboxes(tx, f"{bob.uri}/activities/1") == [HILLSIDE]
    row = tx.execute(select(tables.published)).one()
    assert row.document == body
    assert row.forwarded
    assert row.actor_id == alice.id  # who signs the request


def test_it_is_passed_on_once(tx: Transaction, alice: Actor, bob: Actor, asked: Post) -> None:
    body = proven(tx, bob, answer(alice, bob, asked.uri))
    assert arrives(tx, body) == 1
    assert arrives(tx, body) == 0


def test_what_is_not_public_is_never_passed_on(
    tx: Transaction, alice: Actor, bob: Actor, asked: Post
) -> None:
    document = answer(alice, bob, asked.uri, to=(alice.uri,))
    assert arrives(tx, proven(tx, bob, document)) == 0
    document = answer(alice, bob, asked.uri, to=(str(bob.followers),))
    assert arrives(tx, proven(tx, bob, document)) == 0


def test_whom_an_answer_names_in_secret_is_not_passed_on(
    tx: Transaction, alice: Actor, bob: Actor, asked: Post
) -> None:
    # The bytes are proven as they are, so the names cannot be taken out of them.
    document = answer(alice, bob, asked.uri, bcc=[f"{bob.uri}-and-friend"])
    assert arrives(tx, proven(tx, bob, document)) == 0


def test_what_others_could_not_believe_is_not_passed_on(
    tx: Transaction, alice: Actor, bob: Actor, asked: Post
) -> None:
    document = answer(alice, bob, asked.uri)
    assert arrives(tx, orjson.dumps(document)) == 0
    assert arrives(tx, proven(tx, bob, document, key="mallory")) == 0
    changed = orjson.loads(proven(tx, bob, document))
    changed["object"]["content"] = "Mallory has"
    assert arrives(tx, orjson.dumps(changed)) == 0
    someone_elses = colleague(tx, "mallory")
    assert arrives(tx, proven(tx, someone_elses, document)) == 0


def test_an_ld_signature_is_passed_on_for_those_who_check_it(
    tx: Transaction, alice: Actor, bob: Actor, asked: Post
) -> None:
    document = answer(alice, bob, asked.uri)
    signature = {
        "type": "RsaSignature2017",
        "creator": f"{bob.uri}#ed25519-key",
        "signatureValue": "c2lnbmVk",
    }
    stranger = signature | {"creator": "https://evil.example/users/m#main-key"}
    assert arrives(tx, orjson.dumps({**document, "signature": stranger})) == 0
    assert arrives(tx, orjson.dumps({**document, "signature": signature})) == 1


def test_what_is_not_about_a_post_of_ours_is_not_passed_on(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    theirs = post(tx, colleague(tx, "erin", "elsewhere.example"))
    for about in (theirs.uri, "https://oakfield.example/objects/0"):
        assert arrives(tx, proven(tx, bob, answer(alice, bob, about))) == 0


def test_a_post_of_a_colleague_does_not_open_the_list_of_ones_followers(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    heads = post(tx, teacher(tx, "head"))
    assert arrives(tx, proven(tx, bob, answer(alice, bob, heads.uri))) == 0


def test_followers_that_nobody_addressed_are_not_told(
    tx: Transaction, alice: Actor, bob: Actor, asked: Post
) -> None:
    document = answer(alice, bob, asked.uri)
    document["cc"] = document["object"]["cc"] = [alice.uri]
    assert arrives(tx, proven(tx, bob, document)) == 0


def test_an_answer_to_an_answer_is_passed_on_while_it_is_near(
    tx: Transaction, alice: Actor, bob: Actor, asked: Post
) -> None:
    author = colleague(tx, "erin", "elsewhere.example")
    above = asked
    for steps in range(1, 4):
        above = post(tx, author, reply_to=above)
        document = answer(alice, bob, above.uri)
        document["id"] = f"{bob.uri}/activities/{steps}"
        passed_on = arrives(tx, proven(tx, bob, document))
        assert passed_on == (1 if steps < forward.DEPTH else 0)


def test_what_our_own_people_write_is_not_passed_on_again(
    tx: Transaction, alice: Actor, asked: Post
) -> None:
    body = proven(tx, alice, answer(alice, alice, asked.uri), key="bob")
    assert arrives(tx, body) == 0
