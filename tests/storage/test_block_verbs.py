"""One of ours blocks somebody, or is blocked: what goes out, what comes in, what stays unsaid."""

from typing import Any

import pytest

from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC
from storage import blocks, follows, likes, notifications, objects, published
from storage.actors import Actor
from storage.audience import NOBODY, Viewer, can_see
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person, post
from tests.storage.teachers import document, does, inboxes, latest, says, teacher, told_here
from tests.storage.test_inbox_verbs import act, arrive, create, note, refused, told


def apart(tx: Transaction, one: Actor, other: Actor) -> None:
    assert blocks.between(tx, one.id, other.id)
    assert follows.get(tx, one.id, other.id) is None
    assert follows.get(tx, other.id, one.id) is None


# --- ours block ----------------------------------------------------------------------------------


def test_a_block_ends_the_follows_and_only_the_other_one_s_server_is_told(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    follow(tx, bob, alice)
    cy = colleague(tx, "cy", "hillside.example")
    follow(tx, cy, alice)
    sent = does(tx, alice, type="Block", object=bob.uri)
    apart(tx, alice, bob)
    said = document(tx, alice, sent)
    assert (said["type"], said["object"], said["to"]) == ("Block", bob.uri, [bob.uri])
    assert inboxes(tx, sent) == [bob.inbox]
    assert told_here(tx, sent) == []
    # Said in their own words too, for servers that do not know Block.
    undone = document(tx, alice, latest(tx, alice, "Undo"))["object"]
    assert (undone["actor"], undone["object"]) == (alice.uri, bob.uri)
    rejected = document(tx, alice, latest(tx, alice, "Reject"))["object"]
    assert (rejected["actor"], rejected["object"]) == (bob.uri, alice.uri)
    with pytest.raises(Refused, match="already"):
        does(tx, alice, type="Block", object=bob.uri)


def test_a_colleague_who_is_blocked_hears_nothing_of_it(tx: Transaction, alice: Actor) -> None:
    head = teacher(tx, "head")
    follow(tx, head, alice)
    sent = does(tx, alice, type="Block", object=head.uri)
    apart(tx, alice, head)
    assert not inboxes(tx, sent)
    assert not told_here(tx, sent)
    assert "to" not in document(tx, alice, sent)
    done = does(tx, alice, type="Undo", object=sent)
    assert not blocks.between(tx, alice.id, head.id)
    assert not inboxes(tx, done)
    assert not told_here(tx, done)


@pytest.mark.parametrize("whole", [False, True])
def test_a_block_taken_back_is_told_to_the_same_server_and_opens_no_follow(
    tx: Transaction, alice: Actor, bob: Actor, whole: bool
) -> None:
    follow(tx, bob, alice)
    sent = does(tx, alice, type="Block", object=bob.uri)
    done = does(
        tx, alice, type="Undo", object={"type": "Block", "object": bob.uri} if whole else sent
    )
    said = document(tx, alice, done)
    assert said["object"] == {
        "id": sent, "type": "Block", "actor": alice.uri, "object": bob.uri,
    }  # fmt: skip
    assert inboxes(tx, done) == [bob.inbox]
    assert not blocks.between(tx, alice.id, bob.id)
    assert follows.get(tx, bob.id, alice.id) is None
    with pytest.raises(Refused, match="to undo"):
        does(tx, alice, type="Undo", object=sent)


def test_nobody_blocks_themselves_the_school_or_a_stranger(tx: Transaction, alice: Actor) -> None:
    school = person(tx, "school", kind="Organization")
    for uri, error in (
        (alice.uri, Refused),
        (school.uri, Refused),
        ("https://riverside.example/users/nobody", Malformed),
        (None, Malformed),
    ):
        with pytest.raises(error):
            does(tx, alice, type="Block", object=uri)
    assert blocks.of_actor(tx, alice.id, before=None, limit=9) == []


# --- ours are blocked ----------------------------------------------------------------------------


def test_who_is_blocked_from_elsewhere_loses_the_follows_and_is_not_told(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, alice, bob)
    follow(tx, bob, alice)
    block = act(bob, "Block", alice.uri, to=[alice.uri], cc=[])
    arrive(tx, block)
    arrive(tx, block)
    apart(tx, alice, bob)
    assert told(tx, alice) == []
    kept = blocks.get(tx, bob.id, alice.id)
    assert kept is not None
    assert kept.uri == block.id


@pytest.mark.parametrize("named", ["whole", "id", "kind"])
def test_a_block_is_taken_back_by_who_set_it_alone(
    tx: Transaction, alice: Actor, bob: Actor, named: str
) -> None:
    block = act(bob, "Block", alice.uri)
    arrive(tx, block)
    undone: Any = {
        "whole": block.json,
        "id": block.id,
        "kind": {"type": "Block", "actor": bob.uri, "object": alice.uri},
    }[named]
    eve = colleague(tx, "eve")
    assert "another" in refused(tx, act(eve, "Undo", undone))
    assert blocks.between(tx, alice.id, bob.id)
    arrive(tx, act(bob, "Undo", undone))
    assert not blocks.between(tx, alice.id, bob.id)


def test_a_block_that_was_taken_back_before_it_came_does_nothing(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    block = act(bob, "Block", alice.uri)
    arrive(tx, act(bob, "Undo", block.id))
    assert "taken back" in refused(tx, block)
    assert not blocks.between(tx, alice.id, bob.id)


def test_a_ban_from_a_group_or_of_somebody_else_is_no_block(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    ban = act(bob, "Block", alice.uri, target="https://riverside.example/c/physics")
    assert "group" in refused(tx, ban)
    assert "not one of ours" in refused(tx, act(bob, "Block", "https://riverside.example/users/x"))
    assert not blocks.between(tx, alice.id, bob.id)


# --- what cannot pass between them ---------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False])
def test_they_cannot_follow_each_other_again(
    tx: Transaction, alice: Actor, bob: Actor, ours: bool
) -> None:
    one, other = (alice, bob) if ours else (bob, alice)
    blocks.add(tx, uri=f"{one.uri}/block", actor_id=one.id, target_id=other.id)
    asked = act(bob, "Follow", alice.uri)
    arrive(tx, asked)
    assert follows.get(tx, bob.id, alice.id) is None
    answer = latest(tx, alice, "Reject")
    assert document(tx, alice, answer)["object"]["id"] == asked.id
    assert inboxes(tx, answer) == [bob.inbox]
    with pytest.raises(Refused, match="you block this person" if ours else "cannot be reached"):
        does(tx, alice, type="Follow", object=bob.uri)
    assert follows.get(tx, alice.id, bob.id) is None
    assert told(tx, alice) == []


@pytest.mark.parametrize("ours", [True, False])
def test_nothing_new_is_addressed_across_a_block_and_an_edit_stops_before_it(
    tx: Transaction, alice: Actor, bob: Actor, ours: bool
) -> None:
    cy = colleague(tx, "cy", "hillside.example")
    letter = says(tx, alice, to=[bob.uri, cy.uri])
    theirs = post(tx, bob)
    one, other = (alice, bob) if ours else (bob, alice)
    blocks.add(tx, uri=f"{one.uri}/block", actor_id=one.id, target_id=other.id)
    for field in ("to", "cc", "bto", "bcc"):
        addressed: dict[str, Any] = {"to": [cy.uri], field: [bob.uri]}
        with pytest.raises(Malformed, match=f"cannot address {bob.uri}"):
            says(tx, alice, **addressed)
    with pytest.raises(Malformed, match="may not see it"):
        says(tx, alice, inReplyTo=theirs.uri)
    for verb in ("Like", "Announce"):
        with pytest.raises(Malformed, match="may not see it"):
            does(tx, alice, type=verb, object=theirs.uri)
    change = {"id": letter["id"], "type": "Note", "content": "Lab 3, not 2"}
    assert inboxes(tx, does(tx, alice, type="Update", object=change)) == [cy.inbox]
    # What is taken away is taken away there too.
    assert inboxes(tx, does(tx, alice, type="Delete", object=letter["id"])) == [cy.inbox, bob.inbox]


@pytest.mark.parametrize("ours", [True, False])
def test_what_the_other_one_does_is_not_shown_counted_or_told(
    tx: Transaction, alice: Actor, bob: Actor, ours: bool
) -> None:
    minutes = says(tx, alice)
    kept = objects.by_uri(tx, minutes["id"])
    assert kept is not None
    one, other = (alice, bob) if ours else (bob, alice)
    blocks.add(tx, uri=f"{one.uri}/block", actor_id=one.id, target_id=other.id)
    for kind in ("Like", "Announce", "EmojiReact"):
        assert refused(tx, act(bob, kind, minutes["id"])) == "no such post"
    assert likes.count(tx, kept.id) == 0
    answer = create(
        tx,
        bob,
        note(bob, to=[PUBLIC, alice.uri], inReplyTo=minutes["id"],
             tag=[{"type": "Mention", "href": alice.uri}]),
    )  # fmt: skip
    letter = create(tx, bob, note(bob, to=[alice.uri], cc=[]), owner=alice)
    for hidden in (answer, letter):
        assert not can_see(tx, Viewer(alice.id, local=True), hidden.id)
    assert told(tx, alice) == []
    assert notifications.unread(tx, alice.id) == 0
    blocks.remove(tx, one.id, other.id)
    assert can_see(tx, Viewer(alice.id, local=True), letter.id)
    assert told(tx, alice) == []


def test_what_somebody_passed_on_is_not_found_in_their_outbox_across_a_block(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    third = post(tx, teacher(tx, "head"))
    passed = does(tx, alice, type="Announce", object=third.uri)

    def found(viewer: Viewer) -> tuple[int, bool]:
        return (
            published.count_outbox(tx, viewer, alice.id),
            published.seen_by_uri(tx, viewer, passed) is not None,
        )

    reader = Viewer(bob.id, local=False)
    assert found(reader) == (1, True)
    blocks.add(tx, uri="https://oakfield.example/b", actor_id=alice.id, target_id=bob.id)
    assert found(reader) == (0, False)
    assert found(NOBODY) == (1, True)
