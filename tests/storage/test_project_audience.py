"""Who our people can speak to in projects, asked without the network in front."""

import pytest

from federation.errors import Malformed
from outbox.audience import inboxes, resolve
from storage import projects
from storage.database import Transaction
from tests.storage.people import colleague, join, project
from tests.storage.teachers import teacher

NOWHERE = "https://riverside.example/users/nowhere"


def test_a_private_project_is_nobody_to_whom_it_does_not_concern(tx: Transaction) -> None:
    alice, dave = teacher(tx, "alice"), teacher(tx, "dave")
    phonics = project(tx, "phonics", dave, private=True, host="riverside.example")
    for kind in ("Create", "Follow", "Join"):
        with pytest.raises(Malformed) as unknown:
            resolve(tx, alice, {"type": kind, "to": [NOWHERE]})
        with pytest.raises(Malformed) as hidden:
            resolve(tx, alice, {"type": kind, "to": [phonics.uri]})
        assert str(hidden.value) == str(unknown.value).replace(NOWHERE, phonics.uri)
        assert resolve(tx, dave, {"type": kind, "to": [phonics.uri]}).named == (phonics,)
    # What somebody takes back reaches it all the same: they had to do with it before.
    assert resolve(tx, alice, {"type": "Leave", "to": [phonics.uri]}).named == (phonics,)


def test_what_is_for_everybody_names_an_open_project_as_any_other_group(tx: Transaction) -> None:
    alice, bob = teacher(tx, "alice"), colleague(tx, "bob")
    fair = project(tx, "fair", bob, host="riverside.example")
    audience = resolve(tx, alice, {"type": "Create", "to": [fair.uri, bob.uri]})
    assert (audience.kind, audience.project) == ("direct", None)
    assert audience.named == (fair, bob)


def test_what_is_for_the_members_goes_to_the_project_and_to_nobody_past_it(
    tx: Transaction,
) -> None:
    dave, bob, carol = teacher(tx, "dave"), colleague(tx, "bob"), colleague(tx, "carol")
    members = "https://riverside.example/projects/maths/members"
    maths = colleague(tx, "maths", type="Group", members=members)
    projects.add(tx, maths.id, openness="private")
    for member in (dave, bob):
        join(tx, maths, member)
    said = {"type": "Create", "to": [members], "cc": [maths.uri, bob.uri], "audience": maths.uri}
    audience = resolve(tx, dave, said)
    assert (audience.kind, audience.project) == ("project", maths)
    to = inboxes(audience, dave, "https://oakfield.example/objects/1")
    assert (to.named, to.shared, to.members_of, to.reached_by) == ((maths.id,), (), None, None)
    # Its own inbox is shut for who left it, that of its school is not.
    ended = inboxes(resolve(tx, dave, {**said, "type": "Delete"}), dave)
    assert (ended.named, ended.shared) == ((), (maths.id,))
    with pytest.raises(Malformed, match="cannot also be addressed to @carol"):
        resolve(tx, dave, {**said, "cc": [maths.uri, carol.uri]})
    with pytest.raises(Malformed, match=r"cannot address .*/members: "):
        resolve(tx, teacher(tx, "alice"), said)
