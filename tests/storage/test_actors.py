"""Everyone we know: our own people and those of other schools."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from storage import (
    actors,
    announces,
    audience,
    featured,
    follows,
    likes,
    notifications,
    objects,
    peers,
    tables,
    timelines,
)
from storage.audience import NOBODY
from storage.transaction import Transaction
from tests.storage.people import activity, colleague, follow, later, person, post, remote_fields


def test_a_member_of_staff_is_found_by_name_whatever_its_letter_case(tx: Transaction) -> None:
    ada = person(tx, "Ada")
    assert ada.local
    assert ada.handle == "@Ada@oakfield.example"
    assert actors.local_by_username(tx, "aDA") == ada
    assert actors.by_uri(tx, ada.uri) == ada
    assert actors.by_id(tx, ada.id) == ada
    assert actors.by_ids(tx, [ada.id, ada.id, 1]) == {ada.id: ada}
    assert actors.local_by_username(tx, "ben") is None


def test_who_is_mentioned_is_found_if_our_people_may_see_them(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    eve, mia = colleague(tx, "eve", "blocked.example"), colleague(tx, "mia")
    gone = [colleague(tx, "max"), person(tx, "lee")]
    for actor in gone:
        actors.bury(tx, actor.id)
    office = person(tx, "actor", kind="Application")
    peers.set_policy(tx, "blocked.example", "blocked")
    group = colleague(tx, "Mia", uri="https://riverside.example/groups/mia")
    everybody = (ada, bob, eve, mia, *gone, office)
    found = actors.mentioned(tx, [*(actor.uri for actor in everybody), "https://x.example/nobody"])
    assert found.actors == {actor.uri: actor for actor in (ada, bob, mia)}
    assert found.shared == {mia.uri}
    actors.bury(tx, group.id)
    assert actors.mentioned(tx, [mia.uri]).shared == frozenset()
    assert actors.mentioned(tx, []).actors == {}


@pytest.mark.parametrize("kind", ["Person", "Group"])
def test_one_name_is_one_actor_here_whatever_its_kind(tx: Transaction, kind: str) -> None:
    person(tx, "science")
    with pytest.raises(actors.UsernameTaken):
        person(tx, "Science", kind=kind)


def test_a_namesake_elsewhere_takes_no_name_here(tx: Transaction) -> None:
    colleague(tx, "ada")
    ada = person(tx, "ada")
    assert actors.local_by_username(tx, "ada") == ada


def test_what_a_person_changes_is_kept_and_the_rest_stays(tx: Transaction) -> None:
    ada = person(tx, "ada", name="Ada Reed")
    later(tx, hours=1)
    after = actors.update_local(tx, ada.id, summary="<p>Physics</p>", approves_followers=True)
    assert (after.name, after.summary, after.approves_followers) == (
        "Ada Reed",
        "<p>Physics</p>",
        True,
    )
    assert after.updated_at == tx.now
    again = actors.update_local(tx, ada.id, name="", document={"fields": ["x"]})
    assert (again.name, json.loads(again.document)) == ("", {"fields": ["x"]})
    with pytest.raises(LookupError):
        actors.update_local(tx, colleague(tx, "bob").id, name="Mallory")


def test_someone_elsewhere_is_kept_and_refreshed_under_one_row(tx: Transaction) -> None:
    first = colleague(tx, "bob")
    assert not first.local
    later(tx, days=7)
    second = colleague(tx, "bob", name="Robert", moved_to="https://hill.example/users/bob")
    assert second.id == first.id
    assert (second.name, second.moved_to) == ("Robert", "https://hill.example/users/bob")
    assert (second.created_at, second.fetched_at) == (first.created_at, tx.now)
    assert actors.by_uris(tx, [first.uri, "https://nobody.example/"]) == {first.uri: second}


def test_no_document_from_outside_becomes_one_of_ours(tx: Transaction) -> None:
    ada = person(tx, "ada")
    with pytest.raises(actors.NotRemote):
        actors.save_remote(tx, remote_fields("ada", "oakfield.example"))
    with pytest.raises(actors.NotRemote):
        actors.save_remote(tx, remote_fields("ada", uri=ada.uri, name="Mallory"))
    assert actors.by_id(tx, ada.id) == ada


def test_who_was_deleted_does_not_come_back(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    actors.bury(tx, bob.id)
    again = colleague(tx, "bob")
    assert (again.id, again.state, again.name) == (bob.id, "deleted", "")


def test_people_are_listed_by_name_without_who_left(tx: Transaction) -> None:
    for name in ("zoe", "Ben", "ada"):
        person(tx, name)
    person(tx, "school", kind="Organization")
    colleague(tx, "bob")
    actors.bury(tx, person(tx, "left").id)
    assert [someone.username for someone in actors.local_people(tx)] == ["ada", "Ben", "zoe"]


def test_a_school_counts_only_what_everybody_may_see(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    person(tx, "school", kind="Organization")
    activity(tx, ben, post(tx, ben))
    later(tx, days=100)
    activity(tx, ada, post(tx, ada, audience="unlisted"))
    post(tx, ada, audience="followers")
    post(tx, ada, audience="school")
    objects.bury(tx, post(tx, ada).id, {"type": "Tombstone"})
    post(tx, colleague(tx, "bob"))
    later(tx, days=10)
    assert actors.counts(tx) == actors.LocalCounts(
        people=2, posts=2, active_month=1, active_halfyear=2
    )


def test_an_actor_who_is_gone_leaves_tombstones_and_nothing_else(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    follow(tx, ada, bob)
    follow(tx, bob, ada)
    follow(tx, ada, cy)
    said, kept = post(tx, bob), post(tx, cy)
    timelines.place(tx, said.id, bob.id)
    follow(tx, ada, bob)
    likes.add(tx, uri="https://oakfield.example/likes/1", actor_id=ada.id, object_id=said.id)
    likes.add(tx, uri="https://riverside.example/likes/1", actor_id=bob.id, object_id=kept.id)
    announces.add(
        tx,
        uri="https://riverside.example/announces/1",
        actor_id=bob.id,
        object_id=kept.id,
        audience="public",
    )
    timelines.place(tx, kept.id, cy.id, announced_by=bob.id)
    featured.add(tx, bob.id, said.id)
    notifications.add(tx, owner_id=ada.id, kind="follow", actor_id=bob.id)
    notifications.add(tx, owner_id=ada.id, kind="reply", actor_id=cy.id, object_id=said.id)
    later(tx, hours=1)

    actors.bury(tx, bob.id)

    gone = actors.by_id(tx, bob.id)
    assert gone is not None
    assert (gone.state, gone.name, gone.summary) == ("deleted", "", "")
    stone = objects.by_uri(tx, said.uri)
    assert stone is not None
    assert (stone.id, stone.content, stone.deleted_at) == (said.id, "", tx.now)
    assert json.loads(stone.document) == {
        "@context": "https://www.w3.org/ns/activitystreams",
        "type": "Tombstone",
        "id": said.uri,
        "formerType": "Note",
        "deleted": "2026-09-01T09:30:00Z",
    }
    for table in (
        tables.likes,
        tables.announces,
        tables.featured,
        tables.timelines,
        tables.notifications,
    ):
        left = tx.execute(select(func.count()).select_from(table)).scalar_one()
        assert left == 0, table.name
    assert follows.get(tx, ada.id, bob.id) is None
    assert follows.get(tx, bob.id, ada.id) is None
    assert follows.get(tx, ada.id, cy.id) is not None
    assert audience.can_see(tx, NOBODY, kept.id)


def test_burying_again_changes_no_date(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    said = post(tx, bob)
    actors.bury(tx, bob.id)
    first = objects.by_uri(tx, said.uri)
    tx.now += timedelta(days=1)
    actors.bury(tx, bob.id)
    assert objects.by_uri(tx, said.uri) == first


def test_whom_a_project_names_is_found_by_no_handle_until_their_own_server_says_who_they_are(
    tx: Transaction,
) -> None:
    ben = colleague(tx, "ben", "hillside.example")
    uri = "https://hillside.example/invented/ben"
    named = actors.name_remote(tx, uri, host="hillside.example", username="ben")
    assert (named.fetched_at, named.inbox) == (None, "")
    assert actors.by_handle(tx, "ben", "hillside.example") == [ben]
    found = actors.mentioned(tx, [ben.uri, uri])
    assert set(found.actors) == {ben.uri}
    assert found.shared == frozenset()
    # Whom we know stays as known.
    assert actors.name_remote(tx, ben.uri, host="hillside.example", username="benjamin") == ben
    with pytest.raises(actors.NotRemote):
        actors.name_remote(tx, f"{tx.school.url}/users/x", host=tx.school.host, username="x")
    later(tx, hours=1)
    fetched = actors.save_remote(tx, remote_fields("ben2", "hillside.example", uri=uri))
    assert (fetched.id, fetched.username) == (named.id, "ben2")
    assert actors.by_handle(tx, "ben2", "hillside.example") == [fetched]
