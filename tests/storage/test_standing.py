"""Our administrator suspends a person, of whatever school, and takes it back."""

import pytest

from actors import accounts, remote, standing
from federation.addresses import Rules
from federation.errors import Refused
from inbox import concerned
from outbox import standing as told
from storage import actors, audience, follows, sessions, timelines, tokens
from storage.actors import Actor
from storage.audience import Viewer
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person, post, remote_fields
from tests.storage.teachers import inboxes, latest, teacher
from tests.storage.test_inbox_verbs import act


def now(tx: Transaction, actor: Actor) -> Actor:
    found = actors.by_id(tx, actor.id)
    assert found is not None
    return found


def test_someone_of_another_school_is_seen_by_nobody_and_follows_nobody(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, ada, bob)
    follow(tx, bob, ada)
    theirs = post(tx, bob)
    timelines.place(tx, theirs.id, bob.id)
    assert standing.suspend(tx, bob)
    assert follows.get(tx, ada.id, bob.id) is follows.get(tx, bob.id, ada.id) is None
    assert not audience.can_see(tx, Viewer(ada.id, local=True), theirs.id)
    assert timelines.home(tx, ada.id, before=None, limit=9) == []
    with pytest.raises(Refused):
        concerned.sender(tx, act(bob, "Follow", ada.uri))
    # Their own server's word does not end it.
    remote.save(tx, remote.fields({**FIELDS, "suspended": False}, Rules()), None)
    assert now(tx, bob).state == "suspended"
    assert standing.readmit(tx, now(tx, bob))
    assert now(tx, bob).state == "active"
    assert not now(tx, bob).suspended_here
    assert audience.can_see(tx, Viewer(ada.id, local=True), theirs.id)
    assert follows.get(tx, ada.id, bob.id) is None


def test_the_server_of_who_is_suspended_is_told_that_the_follows_end(tx: Transaction) -> None:
    ada, bob = teacher(tx, "ada"), colleague(tx, "bob")
    follow(tx, ada, bob)
    follow(tx, bob, ada, accepted=False)
    assert told.suspend(tx, bob)
    for kind in ("Undo", "Reject"):
        assert inboxes(tx, latest(tx, ada, kind)) == [bob.inbox]
    assert follows.get(tx, ada.id, bob.id) is follows.get(tx, bob.id, ada.id) is None
    assert now(tx, bob).suspended_here
    assert not told.suspend(tx, now(tx, bob))


def test_whom_their_own_server_suspended_our_word_does_not_free(tx: Transaction) -> None:
    bob = remote.save(tx, remote.fields({**FIELDS, "suspended": True}, Rules()), None)
    assert standing.suspend(tx, bob)
    assert standing.readmit(tx, now(tx, bob))
    assert now(tx, bob).state == "suspended"
    remote.save(tx, remote.fields(FIELDS, Rules()), None)
    assert now(tx, bob).state == "active"


def test_one_of_ours_loses_tokens_and_sessions_and_keeps_followers(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada)
    secret = accounts.issue_token(tx, ada, ("read",))
    sessions.add(tx, ada.id, b"hash", tx.now)
    assert standing.suspend(tx, ada)
    assert accounts.by_token(tx, secret) is None
    assert sessions.end_all(tx, ada.id) == 0
    assert standing.readmit(tx, now(tx, ada))
    # What was revoked stays so.
    assert accounts.by_token(tx, secret) is None
    assert follows.get(tx, bob.id, ada.id) is not None
    tokens.revoke_all(tx, ada.id)


def test_who_was_deleted_is_neither_suspended_nor_readmitted(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    actors.bury(tx, bob.id)
    assert not standing.suspend(tx, now(tx, bob))
    assert not standing.readmit(tx, now(tx, bob))
    assert now(tx, bob).state == "deleted"


FIELDS = {
    "id": remote_fields("bob").uri,
    "type": "Person",
    "preferredUsername": "bob",
    "inbox": remote_fields("bob").inbox,
}
