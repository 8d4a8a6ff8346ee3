"""What a project is, who finds it, and who must not learn that there is one."""

from datetime import timedelta

import pytest

from storage import actors, memberships, peers, projects, standing
from storage.actors import Actor
from storage.projects import Project
from storage.transaction import Transaction
from tests.storage.people import colleague, join, later, person, project, remote_fields

INVITE = "https://oakfield.example/projects/trip/invites/1"


def test_a_project_says_anew_whether_it_is_open_and_when_it_is(tx: Transaction) -> None:
    group = person(tx, "bridge", kind="Group")
    assert projects.get(tx, group.id) is projects.hold(tx, group.id) is None
    ends = tx.now + timedelta(days=90)
    made = projects.add(tx, group.id, openness="open", moves="ask", ends_at=ends)
    assert made == projects.get(tx, group.id) == projects.hold(tx, group.id)
    assert made == Project(group.id, "open", "ask", None, ends, tx.now)
    assert not made.private
    later(tx, days=1)
    again = projects.add(tx, group.id, openness="private", starts_at=tx.now)
    assert again == Project(group.id, "private", "ask", tx.now, None, made.created_at)
    assert again.private


def test_details_change_one_by_one_and_a_date_can_be_taken_away(tx: Transaction) -> None:
    group = project(tx, "bridge")
    projects.change(tx, group.id, starts_at=tx.now, ends_at=tx.now)
    changed = projects.change(tx, group.id, starts_at=None, openness="private")
    assert (changed.starts_at, changed.ends_at, changed.openness) == (None, tx.now, "private")
    assert projects.change(tx, group.id, moves="ask").moves == "ask"
    assert projects.change(tx, group.id) == projects.get(tx, group.id)
    with pytest.raises(LookupError):
        projects.change(tx, person(tx, "ada").id, moves="ask")


def test_a_project_is_found_by_the_address_of_its_members(tx: Transaction) -> None:
    uri = "https://hillside.example/projects/orchard"
    fields = remote_fields(
        "orchard", "hillside.example", uri=uri, type="Group", members=f"{uri}/members"
    )
    orchard = actors.save_remote(tx, fields)
    assert projects.by_members(tx, f"{uri}/members") == orchard
    assert orchard.members == f"{uri}/members"
    assert projects.by_members(tx, uri) is None
    standing.suspend(tx, orchard.id)
    assert projects.by_members(tx, f"{uri}/members") is None


def test_nobody_elsewhere_takes_the_address_of_our_members(tx: Transaction) -> None:
    members = f"{tx.school.url}/projects/bridge/members"
    colleague(tx, "thief", "mallory.example", type="Group", members=members)
    uri = f"{tx.school.url}/projects/bridge"
    bridge = actors.add_local(
        tx,
        uri=uri,
        type="Group",
        username="bridge",
        name="Bridge",
        url=uri,
        inbox=f"{uri}/inbox",
        shared_inbox=None,
        outbox=None,
        followers=None,
        following=None,
        featured=None,
        members=members,
        document={},
    )
    assert projects.by_members(tx, members) == bridge


def test_a_person_finds_what_they_are_in_before_invitations_and_requests(
    tx: Transaction, alice: Actor
) -> None:
    project(tx, "first", alice)
    project(tx, "second", alice, private=True)
    invited = project(tx, "invited", private=True, host="hillside.example")
    memberships.invite(tx, invited.id, alice.id, "lead", INVITE)
    asked = project(tx, "asked")
    memberships.ask(tx, asked.id, alice.id, "editor", "urn:join")
    left = project(tx, "left", alice)
    memberships.end(tx, left.id, alice.id)
    blocked = project(tx, "blocked", alice, host="mallory.example")
    peers.set_policy(tx, "mallory.example", "blocked")
    found = projects.of_actor(tx, alice.id)
    assert [(actor.username, row.state) for _, actor, row in found] == [
        ("second", "member"),
        ("first", "member"),
        ("invited", "invited"),
        ("asked", "asked"),
    ]
    assert [project.private for project, _, _ in found] == [True, False, True, False]
    assert blocked.id not in {actor.id for _, actor, _ in found}


def test_open_projects_of_this_school_are_for_everybody_private_ones_for_who_runs_it(
    tx: Transaction,
) -> None:
    for number in range(3):
        project(tx, f"open{number}")
    project(tx, "trip", private=True)
    project(tx, "orchard", host="hillside.example")
    standing.suspend(tx, project(tx, "closed").id)
    first = projects.open_here(tx, before=None, limit=2)
    assert [actor.username for _, actor in first] == ["open2", "open1"]
    rest = projects.open_here(tx, before=first[-1][1].id, limit=2)
    assert [actor.username for _, actor in rest] == ["open0"]
    everything = projects.ours(tx, limit=9)
    assert [actor.username for _, actor in everything] == [
        "closed",
        "trip",
        "open2",
        "open1",
        "open0",
    ]
    assert [row.private for row, _ in everything] == [False, True, False, False, False]


@pytest.mark.parametrize("host", [None, "hillside.example"])
def test_a_private_project_is_hidden_from_who_has_nothing_to_do_with_it(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor, host: str | None
) -> None:
    trip = project(tx, "trip", alice, private=True, host=host)
    assert not projects.hidden(tx, alice.id, trip)
    assert not projects.hidden(tx, trip.id, trip)
    for stranger in (None, head.id, bob.id):
        assert projects.hidden(tx, stranger, trip)
    memberships.invite(tx, trip.id, head.id, "editor", INVITE)
    memberships.ask(tx, trip.id, bob.id, "editor", "urn:join")
    assert not projects.hidden(tx, head.id, trip)
    assert not projects.hidden(tx, bob.id, trip)
    for one in (alice, head, bob):
        memberships.end(tx, trip.id, one.id)
        assert projects.hidden(tx, one.id, trip)


def test_everybody_may_know_of_people_open_projects_and_other_groups(
    tx: Transaction, alice: Actor, head: Actor
) -> None:
    lemmy = colleague(tx, "physics", "lemmy.example", type="Group")
    for actor in (alice, project(tx, "bridge"), lemmy):
        assert not projects.hidden(tx, None, actor)
        assert not projects.hidden(tx, head.id, actor)


@pytest.mark.parametrize("host", [None, "hillside.example"])
def test_private_projects_are_not_found_by_name_and_not_linked_in_posts(
    tx: Transaction, alice: Actor, host: str | None
) -> None:
    trip = project(tx, "trip", alice, private=True, host=host)
    choir = project(tx, "choir", alice, host=host)
    for group, found in ((trip, []), (choir, [choir.id])):
        named = actors.by_handle(tx, group.username, group.host)
        assert [actor.id for actor in named] == found
    linked = actors.mentioned(tx, [trip.uri, choir.uri, alice.uri]).actors
    assert trip.uri not in linked
    assert alice.uri in linked
    # Nor does it show by making another's handle ambiguous.
    namesake = colleague(tx, "trip", "hillside.example", uri="https://hillside.example/u/trip")
    assert actors.mentioned(tx, [namesake.uri]).shared == frozenset()


def test_a_server_may_know_a_project_while_somebody_of_it_is_in_it_or_invited(
    tx: Transaction, bob: Actor
) -> None:
    trip, cy = project(tx, "trip", private=True), colleague(tx, "cy", "hillside.example")
    assert bob.peer_id is not None
    assert cy.peer_id is not None
    memberships.ask(tx, trip.id, bob.id, "editor", "urn:join")
    assert not projects.known_by_host(tx, trip.id, bob.peer_id)
    join(tx, trip, bob)
    memberships.invite(tx, trip.id, cy.id, "editor", INVITE)
    assert projects.known_by_host(tx, trip.id, bob.peer_id)
    assert projects.known_by_host(tx, trip.id, cy.peer_id)
    standing.suspend(tx, bob.id)
    memberships.end(tx, trip.id, cy.id)
    assert not projects.known_by_host(tx, trip.id, bob.peer_id)
    assert not projects.known_by_host(tx, trip.id, cy.peer_id)
