"""Posts at the top of somebody's page: put there and taken off by their author alone."""

from typing import Any

import orjson
import pytest

from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC
from storage import featured, objects
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import arrived, arriving, colleague, follow, post
from tests.storage.teachers import document, does, inboxes, latest, says
from tests.storage.test_inbox_verbs import act, arrive, note, refused

TOP = "https://riverside.example/users/bob/featured"


@pytest.fixture
def bob(tx: Transaction) -> Actor:
    return colleague(tx, "bob", featured=TOP)


def top(tx: Transaction, actor: Actor, viewer: Viewer = NOBODY) -> list[Post]:
    return featured.of_actor(tx, viewer, actor.id)


# --- from elsewhere ------------------------------------------------------------------------------


def test_a_post_is_put_at_the_top_and_taken_off_again(tx: Transaction, bob: Actor) -> None:
    theirs = post(tx, bob)
    arrive(tx, act(bob, "Add", theirs.uri, target=TOP))
    arrive(tx, act(bob, "Add", theirs.uri, target=TOP))
    assert top(tx, bob) == [theirs]
    arrive(tx, act(bob, "Remove", theirs.uri, target={"id": TOP, "type": "OrderedCollection"}))
    assert top(tx, bob) == []


def test_a_post_that_we_have_not_got_is_taken_as_its_own_server_serves_it(
    tx: Transaction, bob: Actor
) -> None:
    served = note(bob)
    added = act(bob, "Add", served["id"], target=TOP)
    arrive(tx, added, fetched={served["id"]: served})
    (kept,) = top(tx, bob)
    assert kept.uri == served["id"]


def test_what_is_not_theirs_or_not_there_is_refused(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    theirs, eve = post(tx, bob), colleague(tx, "eve", featured=TOP.replace("bob", "eve"))
    for collection in (
        "https://riverside.example/users/bob/collections/tags",
        f"{bob.followers}",
        eve.featured,
        None,
    ):
        refused(tx, act(bob, "Add", theirs.uri, target=collection))
        refused(tx, act(bob, "Remove", theirs.uri, target=collection))
    for subject in (
        post(tx, eve).uri,
        post(tx, alice).uri,
        "https://riverside.example/notes/none",
        post(tx, bob, audience="direct").uri,
    ):
        refused(tx, act(bob, "Add", subject, target=TOP))
    refused(tx, act(eve, "Add", theirs.uri, target=TOP))
    assert top(tx, bob) == []
    # What stands there for followers each reader sees as far as it is for them.
    arrive(tx, act(bob, "Add", post(tx, bob, audience="followers").uri, target=TOP))
    assert top(tx, bob) == []
    follow(tx, alice, bob)
    assert len(top(tx, bob, Viewer(alice.id, local=True))) == 1


def test_more_than_twenty_are_not_taken(tx: Transaction, bob: Actor) -> None:
    kept = [post(tx, bob) for _ in range(20)]
    for one in kept:
        arrive(tx, act(bob, "Add", one.uri, target=TOP))
    assert "more than 20" in refused(tx, act(bob, "Add", post(tx, bob).uri, target=TOP))
    arrive(tx, act(bob, "Add", kept[0].uri, target=TOP))
    assert {one.id for one in top(tx, bob)} == {one.id for one in kept}


@pytest.mark.parametrize("by_id", [True, False])
def test_both_can_be_undone(tx: Transaction, bob: Actor, by_id: bool) -> None:
    theirs = post(tx, bob)

    def came(kind: str) -> Any:
        done = act(bob, kind, theirs.uri, target=TOP)
        arrive(tx, done)
        row = arriving(done.id, bob.uri, kind=kind)
        arrived(tx, row.__class__(done.id, bob.uri, 0, kind, orjson.dumps(done.json)))
        return done.id if by_id else done.json

    added = came("Add")
    arrive(tx, act(bob, "Undo", added))
    assert top(tx, bob) == []
    arrive(tx, act(bob, "Add", theirs.uri, target=TOP))
    removed = came("Remove")
    arrive(tx, act(bob, "Undo", removed))
    assert top(tx, bob) == [theirs]
    eve = colleague(tx, "eve", featured=TOP.replace("bob", "eve"))
    if not by_id:
        refused(tx, act(eve, "Undo", {"type": "Add", "object": theirs.uri, "target": TOP}))
    assert top(tx, bob) == [theirs]


# --- ours ----------------------------------------------------------------------------------------


def test_ours_is_shown_and_told_to_whom_the_post_is_for(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, bob, alice)
    kept = objects.by_uri(tx, says(tx, alice)["id"])
    assert kept is not None
    added = does(tx, alice, type="Add", object=kept.uri, target=alice.featured)
    assert top(tx, alice) == [kept]
    said = document(tx, alice, added)
    assert (said["object"], said["target"]) == (kept.uri, alice.featured)
    assert (said["to"], said["cc"]) == ([PUBLIC], [alice.followers])
    assert inboxes(tx, added) == ["https://riverside.example/inbox"]
    with pytest.raises(Refused, match="already"):
        does(tx, alice, type="Add", object=kept.uri)
    back = does(tx, alice, type="Undo", object=added)
    assert top(tx, alice) == []
    assert document(tx, alice, back)["object"]["target"] == alice.featured
    with pytest.raises(Refused, match="not at the top"):
        does(tx, alice, type="Remove", object=kept.uri, target=alice.featured)
    does(tx, alice, type="Add", object=kept.uri)
    does(tx, alice, type="Remove", object=kept.uri)
    assert top(tx, alice) == []
    does(tx, alice, type="Undo", object=latest(tx, alice, "Remove"))
    assert top(tx, alice) == [kept]


def test_nobody_features_what_is_not_theirs_or_not_for_all_who_follow(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    letter = says(tx, alice, to=[bob.uri])["id"]
    notice = says(tx, alice, to=["https://oakfield.example/school/members"])["id"]
    own = says(tx, alice)["id"]
    for subject, target, error in (
        (post(tx, bob).uri, None, Refused),
        (letter, None, Refused),
        (notice, None, Refused),
        (None, None, Malformed),
        (own, alice.followers, Malformed),
        (own, TOP, Malformed),
    ):
        with pytest.raises(error):
            does(tx, alice, type="Add", object=subject, **({"target": target} if target else {}))
    assert top(tx, alice, Viewer(alice.id, local=True)) == []
    for _ in range(20):
        does(tx, alice, type="Add", object=says(tx, alice)["id"])
    with pytest.raises(Refused, match="more than 20"):
        does(tx, alice, type="Add", object=own)
