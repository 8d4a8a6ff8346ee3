"""An activity goes out: whom it reaches, whom it does not, and that others can believe it."""

from typing import Any

import orjson
import pytest
from sqlalchemy import event, func, select

from federation import keys as federation_keys
from federation import proofs
from federation.errors import BadSignature, Malformed
from outbox.publish import WIRE_LIMIT, publish
from storage import announces, deliveries, keys, objects, peers, published, tables
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.database import Transaction
from storage.deliveries import Ending, Parcel
from tests.storage.people import colleague, follow, later
from tests.storage.teachers import (
    PUBLIC,
    document,
    does,
    inboxes,
    latest,
    says,
    teacher,
    told_here,
)

MEMBERS = "https://oakfield.example/school/members"
RIVERSIDE = "https://riverside.example/inbox"


@pytest.fixture
def bob(tx: Transaction, alice: Actor) -> Actor:
    """Of Riverside; follows Alice."""
    found = colleague(tx, "bob")
    follow(tx, found, alice)
    return found


def create_of(tx: Transaction, actor: Actor) -> str:
    return latest(tx, actor, "Create")


# --- what it looks like ------------------------------------------------------------------------


def test_every_activity_carries_a_proof_by_its_author(tx: Transaction, alice: Actor) -> None:
    says(tx, alice)
    sent = document(tx, alice, create_of(tx, alice))

    (method,) = proofs.method_of(sent)
    assert method == f"{alice.uri}#ed25519-key"
    (key,) = [key for key in keys.of_actor(tx, alice.id) if key.uri == method]
    proofs.verify(sent, method, federation_keys.load(key.public), tx.now)
    with pytest.raises(BadSignature):
        proofs.verify({**sent, "to": [alice.uri]}, method, federation_keys.load(key.public), tx.now)


def test_an_activity_gets_its_id_author_date_and_context_here(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    uri = publish(
        tx, alice, {"type": "Like", "id": "https://evil.example/1", "object": "x"}, to=bob.uri
    )
    sent = document(tx, alice, uri)

    assert uri.startswith("https://oakfield.example/activities/")
    assert sent["id"] == uri
    assert sent["actor"] == alice.uri
    assert sent["published"] == "2026-09-01T08:30:00Z"
    assert sent["@context"][0] == "https://www.w3.org/ns/activitystreams"
    assert sent["to"] == [bob.uri]
    assert "cc" not in sent


@pytest.mark.parametrize("spelling", ["as:Public", "Public", PUBLIC])
def test_the_public_is_spelled_in_full_whatever_was_typed(
    tx: Transaction, alice: Actor, spelling: str
) -> None:
    note = says(tx, alice, to=spelling)
    sent = document(tx, alice, create_of(tx, alice))
    assert note["to"] == sent["to"] == [PUBLIC]


def test_a_very_long_post_travels_without_its_source(tx: Transaction, alice: Actor) -> None:
    text = "é" * 20_000
    note = says(tx, alice, text, source={"content": text, "mediaType": "text/plain"})
    body = orjson.dumps(document(tx, alice, create_of(tx, alice)))

    assert len(body) < WIRE_LIMIT
    assert "source" not in note
    kept = objects.by_uri(tx, note["id"])
    assert kept is not None
    assert "source" in orjson.loads(kept.document)


def test_an_accept_carries_the_follow_as_ids_only(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    asked = {
        "id": "https://riverside.example/follows/1",
        "type": "Follow",
        "actor": {"id": bob.uri, "type": "Person", "name": "Bob", "inbox": bob.inbox},
        "object": {"id": alice.uri, "type": "Person"},
        "to": [PUBLIC],
        "cc": ["https://elsewhere.example/users/victim"],
    }
    uri = publish(tx, alice, {"type": "Accept", "object": asked}, to=bob.uri)
    sent = document(tx, alice, uri)

    assert sent["object"] == {
        "id": "https://riverside.example/follows/1",
        "type": "Follow",
        "actor": bob.uri,
        "object": alice.uri,
    }
    assert sent["actor"] == alice.uri
    assert sent["to"] == [bob.uri]
    assert inboxes(tx, uri) == [bob.inbox]


# --- whom it reaches ---------------------------------------------------------------------------


def test_a_public_post_is_one_delivery_for_each_school_that_follows(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    for name in ("carol", "dave", "erin"):
        follow(tx, colleague(tx, name), alice)
    follow(tx, colleague(tx, "finn", "hillside.example"), alice)
    follow(tx, colleague(tx, "gus", "small.example", shared=False), alice)
    follow(tx, colleague(tx, "waits", "waiting.example"), alice, accepted=False)

    says(tx, alice)

    assert inboxes(tx, create_of(tx, alice)) == [
        "https://hillside.example/inbox",
        RIVERSIDE,
        "https://small.example/users/gus/inbox",
    ]


def test_followers_are_told_of_a_public_post_that_only_says_public(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    note = says(tx, alice, to=[PUBLIC])
    assert note["cc"] == [alice.followers]
    assert inboxes(tx, create_of(tx, alice)) == [RIVERSIDE]


def test_named_people_of_a_public_post_are_reached_by_the_shared_inbox(
    tx: Transaction, alice: Actor
) -> None:
    carol = colleague(tx, "carol")
    says(tx, alice, to=[PUBLIC], cc=[carol.uri])
    assert inboxes(tx, create_of(tx, alice)) == [RIVERSIDE]


def test_a_direct_post_goes_to_personal_inboxes_only(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    carol = colleague(tx, "carol")
    says(tx, alice, to=[carol.uri])
    assert inboxes(tx, create_of(tx, alice)) == [carol.inbox]


def test_somebody_named_in_bcc_gets_it_and_nobody_reads_their_name(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    carol = colleague(tx, "carol", "hillside.example")
    head = teacher(tx, "head")
    note = says(tx, alice, to=[PUBLIC], bto=[carol.uri], bcc=[head.uri])
    uri = create_of(tx, alice)

    assert inboxes(tx, uri) == [carol.inbox, RIVERSIDE]
    assert told_here(tx, uri) == [0, head.id]
    kept = objects.by_uri(tx, note["id"])
    assert kept is not None
    bodies = [
        orjson.dumps(document(tx, alice, uri)),
        kept.document.encode(),
        *tx.execute(select(tables.received.c.body)).scalars(),
    ]
    for body in bodies:
        assert carol.uri.encode() not in body
        assert head.uri.encode() not in body
        assert b"bcc" not in body
        assert b"bto" not in body
    assert objects.seen_by_uri(tx, Viewer(carol.id, local=False), note["id"]) is not None


def test_a_blocked_school_gets_nothing(tx: Transaction, alice: Actor, bob: Actor) -> None:
    peers.set_policy(tx, "riverside.example", "blocked")
    says(tx, alice)
    assert inboxes(tx, create_of(tx, alice)) == []


def test_the_number_of_statements_does_not_grow_with_the_followers(
    tx: Transaction, alice: Actor
) -> None:
    def statements() -> int:
        seen: list[str] = []

        def note(*arguments: Any) -> None:
            seen.append(arguments[2])

        event.listen(tx.connection, "before_cursor_execute", note)
        says(tx, alice)
        event.remove(tx.connection, "before_cursor_execute", note)
        return len(seen)

    follow(tx, colleague(tx, "first", "first.example"), alice)
    few = statements()
    for number in range(60):
        follow(tx, colleague(tx, f"c{number}", f"school{number}.example"), alice)
    assert statements() == few
    assert tx.execute(select(func.count()).select_from(tables.deliveries)).scalar_one() == 62


# --- this school only --------------------------------------------------------------------------


def test_a_post_for_this_school_only_is_never_delivered_outside(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    note = says(tx, alice, to=[MEMBERS])
    uri = create_of(tx, alice)

    assert inboxes(tx, uri) == []
    assert told_here(tx, uri) == [0]
    head = teacher(tx, "head")
    assert objects.seen_by_uri(tx, Viewer(head.id, local=True), note["id"]) is not None
    assert objects.seen_by_uri(tx, Viewer(bob.id, local=False), note["id"]) is None
    assert objects.seen_by_uri(tx, NOBODY, note["id"]) is None


@pytest.mark.parametrize("field", ["to", "cc", "bto", "bcc"])
def test_naming_an_outsider_beside_the_school_is_refused_aloud(
    tx: Transaction, alice: Actor, bob: Actor, field: str
) -> None:
    addressed: dict[str, Any] = {"to": [MEMBERS]}
    addressed[field] = [*addressed.get(field, []), bob.uri]
    with pytest.raises(Malformed, match="for this school only") as refused:
        says(tx, alice, **addressed)
    assert bob.uri in str(refused.value)


@pytest.mark.parametrize("also", [PUBLIC, "https://oakfield.example/users/alice/followers"])
def test_the_school_and_the_world_are_not_one_audience(
    tx: Transaction, alice: Actor, also: str
) -> None:
    with pytest.raises(Malformed, match="for this school only"):
        says(tx, alice, to=[MEMBERS], cc=[also])


def test_colleagues_may_be_named_in_a_post_for_this_school_only(
    tx: Transaction, alice: Actor
) -> None:
    head = teacher(tx, "head")
    note = says(tx, alice, to=[MEMBERS, head.uri])
    assert [tag["href"] for tag in note["tag"]] == [head.uri]


# --- addresses that cannot be used -------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://nowhere.example/users/nobody",
        "https://riverside.example/users/bob/followers",
        "https://oakfield.example/users/head/followers",
        "https://oakfield.example/users/nobody",
    ],
)
def test_an_address_that_is_no_person_we_know_is_named_and_nothing_is_written(
    tx: Transaction, alice: Actor, bob: Actor, address: str
) -> None:
    teacher(tx, "head")
    with pytest.raises(Malformed, match="cannot address") as refused:
        says(tx, alice, to=[PUBLIC], cc=[address])
    assert address in str(refused.value)
    for table in (tables.objects, tables.published, tables.deliveries, tables.received):
        assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 0


@pytest.mark.parametrize("address", [PUBLIC, MEMBERS])
def test_the_public_cannot_be_told_in_secret(tx: Transaction, alice: Actor, address: str) -> None:
    with pytest.raises(Malformed, match="bto or bcc"):
        says(tx, alice, bcc=[address])


def test_two_hundred_recipients_are_the_most(tx: Transaction, alice: Actor) -> None:
    with pytest.raises(Malformed, match="200"):
        says(tx, alice, to=[f"https://riverside.example/users/u{n}" for n in range(201)])


# --- edits and deletions reach those who have it -----------------------------------------------


def test_an_edit_goes_to_whoever_got_fetched_answered_or_boosted_the_post(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    note = says(tx, alice)
    post = objects.by_uri(tx, note["id"])
    assert post is not None
    fetcher = colleague(tx, "finn", "fetching.example")
    objects.note_fetch(tx, post.id, fetcher.id)
    booster = colleague(tx, "gail", "boosting.example")
    announces.add(
        tx,
        uri="https://boosting.example/a/1",
        actor_id=booster.id,
        object_id=post.id,
        audience="public",
    )
    uri = does(tx, alice, type="Update", object={"id": note["id"], "content": "Lab 3 is free"})

    assert inboxes(tx, uri) == [
        "https://boosting.example/inbox",
        "https://fetching.example/inbox",
        RIVERSIDE,
    ]
    deleted = does(tx, alice, type="Delete", object=note["id"])
    assert inboxes(tx, deleted) == inboxes(tx, uri)


def test_an_edit_reaches_somebody_told_in_secret_and_still_does_not_name_them(
    tx: Transaction, alice: Actor
) -> None:
    carol = colleague(tx, "carol", "hillside.example")
    head = teacher(tx, "head")
    note = says(tx, alice, to=[head.uri], bcc=[carol.uri])
    uri = does(tx, alice, type="Update", object={"id": note["id"], "content": "Lab 3 is free"})

    assert inboxes(tx, uri) == [carol.inbox]
    assert carol.uri.encode() not in orjson.dumps(document(tx, alice, uri))


def test_waiting_deliveries_of_a_lane_keep_the_order_of_publishing(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    note = says(tx, alice)
    edits(tx, alice, note, "Lab 3 is free")
    says(tx, alice)
    assert lane_to(tx, bob) == ["Create", "Update", "Create"]

    # Deleted before it was brought: its words stay here.
    does(tx, alice, type="Delete", object=note["id"])
    assert lane_to(tx, bob) == ["Create", "Delete"]


def test_what_waits_of_a_post_says_what_it_says_now(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    note = says(tx, alice, "Lab 2 is free", cc=[bob.uri], to=[PUBLIC])
    create = create_of(tx, alice)
    before = sent(tx, bob)
    other = says(tx, alice, "Lab 2 is large")
    edits(tx, alice, note, "Lab 3 is free, ask @head")
    edits(tx, alice, note, "Lab 4 is free")

    first, unchanged, update = sent(tx, bob)
    assert [first["type"], unchanged["type"], update["type"]] == ["Create", "Create", "Update"]
    assert unchanged["object"]["id"] == other["id"]
    assert unchanged["object"]["content"] == other["content"]
    # The same activity as before, with other words and a proof of them.
    assert first["object"] == update["object"]
    assert first["object"]["content"] == "Lab 4 is free"
    same = ("@context", "id", "type", "actor", "to", "cc", "published")
    assert [first[name] for name in same] == [before[0][name] for name in same]
    assert first["id"] == create
    (method,) = proofs.method_of(first)
    (key,) = [key for key in keys.of_actor(tx, alice.id) if key.uri == method]
    proofs.verify(first, method, federation_keys.load(key.public), tx.now)
    # Nobody here sees anything twice, and the outbox lists it once.
    listed = published.outbox(tx, Viewer(alice.id, local=True), alice.id, before=None, limit=9)
    assert [one.object_uri for one in listed] == [other["id"], note["id"]]
    assert told_here(tx, create) == [0]


def test_an_edit_that_still_waits_gives_way_to_the_next_where_that_goes_too(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    carol = colleague(tx, "carol", "hillside.example")
    follow(tx, carol, alice)
    note = says(tx, alice)
    brought(tx, bob)
    edits(tx, alice, note, "Lab 3 is free")
    (was,) = sent(tx, bob)
    edits(tx, alice, note, "Lab 4 is free")

    # Bob's school has the post; Carol's gets it whole, and both get the edit once.
    (edit,) = sent(tx, bob)
    assert (edit["type"], edit["object"]["content"]) == ("Update", "Lab 4 is free")
    assert edit["id"] != was["id"]
    assert lane_to(tx, carol) == ["Create", "Update"]
    reasons = set(tx.execute(select(tables.deliveries.c.reason)).scalars())
    assert reasons == {None, "edited before it was sent"}


def test_who_was_blocked_meanwhile_gets_neither_the_old_words_nor_the_new(
    tx: Transaction, alice: Actor
) -> None:
    bob, carol = colleague(tx, "bob"), colleague(tx, "carol", "hillside.example")
    note = says(tx, alice, to=[bob.uri, carol.uri])
    does(tx, alice, type="Block", object=bob.uri)
    edits(tx, alice, note, "Lab 3 is free")
    assert lane_to(tx, bob) == ["Block"]
    assert [got["object"]["content"] for got in sent(tx, carol)] == ["Lab 3 is free"] * 2


def test_what_was_brought_everywhere_stays_as_it_was_sent(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    note = says(tx, alice)
    (first,) = sent(tx, bob)
    brought(tx, bob)
    edits(tx, alice, note, "Lab 3 is free")
    kept = published.own(tx, alice.id, create_of(tx, alice))
    assert kept is not None
    assert orjson.loads(kept.document) == first


def edits(tx: Transaction, author: Actor, note: dict[str, Any], text: str) -> None:
    later(tx, minutes=1)
    does(tx, author, type="Update", object={"id": note["id"], "content": text})


def waiting(tx: Transaction, reader: Actor) -> list[Parcel]:
    assert reader.peer_id is not None
    return deliveries.batch(tx, reader.peer_id, 10)


def sent(tx: Transaction, reader: Actor) -> list[dict[str, Any]]:
    """What waits for the school of that reader, in order."""
    return [orjson.loads(parcel.body) for parcel in waiting(tx, reader)]


def brought(tx: Transaction, reader: Actor) -> None:
    """All that waits for the school of that reader is there."""
    deliveries.ended(tx, [Ending(parcel.id, "done") for parcel in waiting(tx, reader)])


def lane_to(tx: Transaction, reader: Actor) -> list[str]:
    return [activity["type"] for activity in sent(tx, reader)]
