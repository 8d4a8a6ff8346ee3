"""Who is in a project: asking, being asked, taking part, and what stays known afterwards."""

from collections.abc import Callable

import pytest

from storage import actors, memberships, projects, standing
from storage.actors import Actor
from storage.memberships import Membership
from storage.transaction import Transaction
from tests.storage.meeting import meet
from tests.storage.people import colleague, join, later, person, project

JOIN = "https://riverside.example/users/bob/joins/1"
INVITE = "https://oakfield.example/projects/bridge/invites/1"
ADD = "https://oakfield.example/projects/bridge/adds/1"


@pytest.fixture
def bridge(tx: Transaction) -> Actor:
    """A project about bridges, of this school."""
    return project(tx, "bridge")


def state(tx: Transaction, group: Actor, who: Actor) -> tuple[str, str, str] | None:
    row = memberships.now(tx, group.id, who.id)
    return None if row is None else (row.state, row.role, row.uri)


def names(rows: list[tuple[Membership, Actor]]) -> list[str]:
    return [actor.username for _, actor in rows]


def test_who_asks_is_no_member_until_the_project_says_so(
    tx: Transaction, bridge: Actor, bob: Actor
) -> None:
    asked = memberships.ask(tx, bridge.id, bob.id, "editor", JOIN)
    assert (asked.state, asked.began_at, asked.created_at) == ("asked", None, tx.now)
    assert memberships.by_uri(tx, JOIN) == asked
    assert memberships.role(tx, bridge.id, bob.id) is None
    assert memberships.members(tx, bridge.id, limit=9) == []
    assert names(memberships.of_state(tx, bridge.id, "asked")) == ["bob"]
    later(tx, days=1)
    member = memberships.begin(tx, bridge.id, bob.id, "observer", ADD)
    assert (member.id, member.state, member.role, member.uri) == (
        asked.id,
        "member",
        "observer",
        ADD,
    )
    assert (member.created_at, member.began_at) == (asked.created_at, tx.now)
    assert memberships.role(tx, bridge.id, bob.id) == "observer"
    assert memberships.of_state(tx, bridge.id, "asked") == []
    assert names(memberships.members(tx, bridge.id, limit=9)) == ["bob"]
    assert memberships.count(tx, bridge.id) == 1


def test_the_latest_word_of_asking_and_inviting_counts_and_members_stay_members(
    tx: Transaction, bridge: Actor, bob: Actor
) -> None:
    memberships.ask(tx, bridge.id, bob.id, "observer", JOIN)
    memberships.ask(tx, bridge.id, bob.id, "editor", f"{JOIN}0")
    assert state(tx, bridge, bob) == ("asked", "editor", f"{JOIN}0")
    assert memberships.by_uri(tx, JOIN) is None
    memberships.invite(tx, bridge.id, bob.id, "lead", INVITE)
    assert state(tx, bridge, bob) == ("invited", "lead", INVITE)
    memberships.ask(tx, bridge.id, bob.id, "editor", JOIN)
    assert state(tx, bridge, bob) == ("asked", "editor", JOIN)
    began = memberships.begin(tx, bridge.id, bob.id, "editor", ADD).began_at
    later(tx, days=1)
    memberships.ask(tx, bridge.id, bob.id, "lead", JOIN)
    memberships.invite(tx, bridge.id, bob.id, "lead", INVITE)
    assert state(tx, bridge, bob) == ("member", "editor", ADD)
    again = memberships.begin(tx, bridge.id, bob.id, "observer", f"{ADD}0")
    assert state(tx, bridge, bob) == ("member", "observer", ADD)
    assert again.began_at == began


def test_a_role_is_of_a_member_and_changes_only_while_they_are_one(
    tx: Transaction, bridge: Actor, bob: Actor
) -> None:
    asked = memberships.ask(tx, bridge.id, bob.id, "editor", JOIN)
    assert not memberships.set_role(tx, asked.id, "lead")
    memberships.begin(tx, bridge.id, bob.id, "editor", ADD)
    assert memberships.set_role(tx, asked.id, "lead")
    assert not memberships.set_role(tx, asked.id, "lead")
    assert [lead.id for lead in memberships.leads(tx, bridge.id)] == [bob.id]
    assert memberships.end(tx, bridge.id, bob.id)
    assert not memberships.set_role(tx, asked.id, "editor")


def test_what_ended_counts_for_nothing_and_stays_known(
    tx: Transaction, bridge: Actor, bob: Actor
) -> None:
    assert memberships.ended_at(tx, bridge.id, bob.id) is None
    join(tx, bridge, bob)
    later(tx, days=200)
    left = tx.now
    assert memberships.end(tx, bridge.id, bob.id)
    assert not memberships.end(tx, bridge.id, bob.id)
    assert (state(tx, bridge, bob), memberships.role(tx, bridge.id, bob.id)) == (None, None)
    assert memberships.by_uri(tx, f"{bridge.uri}/adds/{bob.id}") is None
    assert memberships.members(tx, bridge.id, limit=9) == []
    assert memberships.count(tx, bridge.id) == 0
    assert memberships.of_actor(tx, bob.id) == []
    later(tx, days=1)
    memberships.ask(tx, bridge.id, bob.id, "editor", JOIN)
    memberships.end(tx, bridge.id, bob.id, at=left)
    join(tx, bridge, bob)
    assert memberships.ended_at(tx, bridge.id, bob.id) == left
    assert [
        (row.state, row.ended_at) for row, _ in memberships.history(tx, bridge.id, limit=9)
    ] == [
        ("member", None),
        ("asked", left),
        ("member", left),
    ]


def test_a_role_goes_over_from_the_old_account_to_the_new_in_one_step(
    tx: Transaction, bridge: Actor, bob: Actor
) -> None:
    robert = colleague(tx, "robert", "hillside.example")
    memberships.invite(tx, bridge.id, robert.id, "observer", INVITE)
    memberships.begin(tx, bridge.id, bob.id, "lead", JOIN)
    later(tx, days=1)
    now = memberships.begin(tx, bridge.id, robert.id, "lead", ADD, formerly_id=bob.id)
    assert (now.state, now.formerly_id, now.began_at) == ("member", bob.id, tx.now)
    assert memberships.role(tx, bridge.id, bob.id) is None
    assert memberships.ended_at(tx, bridge.id, bob.id) == tx.now
    assert [lead.id for lead in memberships.leads(tx, bridge.id)] == [robert.id]
    assert memberships.count(tx, bridge.id) == 1
    # Once it is known, it is not forgotten.
    join(tx, bridge, robert)
    kept = memberships.now(tx, bridge.id, robert.id)
    assert kept is not None
    assert kept.formerly_id == bob.id


def test_members_are_shown_page_by_page_and_not_who_is_gone(tx: Transaction, bridge: Actor) -> None:
    everybody = [person(tx, f"t{number}") for number in range(5)]
    for teacher in everybody:
        join(tx, bridge, teacher)
    standing.suspend(tx, everybody[1].id)
    actors.bury(tx, everybody[2].id)
    first = memberships.members(tx, bridge.id, limit=2)
    assert names(first) == ["t4", "t3"]
    assert names(memberships.members(tx, bridge.id, before=first[-1][0].id, limit=2)) == ["t0"]
    assert memberships.count(tx, bridge.id) == 3


def test_a_lead_who_cannot_act_is_not_counted_as_one(
    tx: Transaction, bridge: Actor, alice: Actor, head: Actor
) -> None:
    for lead in (alice, head):
        memberships.begin(tx, bridge.id, lead.id, "lead", ADD)
    standing.suspend(tx, head.id)
    assert [lead.id for lead in memberships.leads(tx, bridge.id)] == [alice.id]


@pytest.mark.parametrize("private", [False, True])
def test_members_of_a_private_project_are_seen_by_its_members_alone(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor, private: bool
) -> None:
    trip = project(tx, "trip", alice, bob, private=private)
    invited, left = person(tx, "invited"), person(tx, "left")
    memberships.invite(tx, trip.id, invited.id, "editor", INVITE)
    memberships.ask(tx, trip.id, head.id, "editor", JOIN)
    join(tx, trip, left)
    memberships.end(tx, trip.id, left.id)
    # Being in another project helps nobody.
    project(tx, "choir", left, head, invited)
    everyone = ["bob", "alice"]
    for viewer in (alice, bob):
        assert names(memberships.seen_members(tx, viewer.id, trip.id, limit=9)) == everyone
    for stranger in (invited.id, head.id, left.id, None):
        seen = names(memberships.seen_members(tx, stranger, trip.id, limit=9))
        assert seen == ([] if private else everyone)


def test_of_a_project_elsewhere_nothing_counts_any_more_when_our_last_person_left(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    orchard = project(tx, "orchard", alice, bob, host="hillside.example")
    memberships.invite(tx, orchard.id, person(tx, "head").id, "editor", INVITE)
    assert memberships.ours(tx, orchard.id) == 2
    memberships.end(tx, orchard.id, alice.id)
    assert memberships.end_all(tx, orchard.id) == 2
    assert memberships.ours(tx, orchard.id) == memberships.count(tx, orchard.id) == 0


def test_how_many_answers_are_awaited_from_somebody(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    bridge, orchard = project(tx, "bridge"), project(tx, "orchard", host="hillside.example")
    memberships.begin(tx, bridge.id, alice.id, "lead", ADD)
    memberships.begin(tx, bridge.id, head.id, "editor", ADD)
    memberships.ask(tx, bridge.id, bob.id, "editor", JOIN)
    memberships.ask(tx, bridge.id, colleague(tx, "cy").id, "editor", JOIN)
    # What a project elsewhere decides is decided there.
    memberships.begin(tx, orchard.id, alice.id, "lead", ADD)
    memberships.ask(tx, orchard.id, bob.id, "editor", JOIN)
    assert (memberships.waiting(tx, alice.id), memberships.waiting(tx, head.id)) == (2, 0)
    for group in (orchard, project(tx, "choir")):
        for who in (alice, head):
            memberships.invite(tx, group.id, who.id, "editor", INVITE)
    assert (memberships.waiting(tx, alice.id), memberships.waiting(tx, head.id)) == (3, 2)
    memberships.set_role(tx, memberships.of_actor(tx, alice.id)[0].id, "editor")
    assert memberships.waiting(tx, alice.id) == 1


def test_two_leads_who_leave_at_the_same_moment_do_not_both_find_the_other_there(
    fresh_postgresql: Callable[[], str],
) -> None:
    with meet(fresh_postgresql()) as meeting:
        ann, ben = person(meeting.one, "ann"), person(meeting.one, "ben")
        bridge = project(meeting.one, "bridge")
        for lead in (ann, ben):
            memberships.begin(meeting.one, bridge.id, lead.id, "lead", ADD)
        meeting.one.connection.commit()

        def leave(tx: Transaction, lead: Actor) -> None:
            assert projects.hold(tx, bridge.id) is not None
            if len(memberships.leads(tx, bridge.id)) > 1:
                memberships.end(tx, bridge.id, lead.id)

        def second() -> None:
            leave(meeting.other, ben)
            meeting.other.connection.commit()

        leave(meeting.one, ann)
        running = meeting.start(second)
        meeting.one.connection.commit()
        running.end()
        assert [lead.id for lead in memberships.leads(meeting.one, bridge.id)] == [ben.id]
