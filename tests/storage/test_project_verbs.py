"""Who is in a project when what happens does not come the plain way: somebody moves school, others
pass things on, two leads act at the same moment."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from actors import projects
from federation.errors import Refused, Unreachable
from inbox import dispatch
from inbox.projects import carry_over
from outbox import follow
from storage import actors, memberships, moves, tables
from storage import projects as rows
from storage.actors import Actor
from storage.transaction import Transaction
from tests.storage.meeting import meet
from tests.storage.people import colleague, remote_fields
from tests.storage.teachers import teacher
from tests.storage.test_inbox_verbs import act, arrive, refused, told

HILLSIDE = "hillside.example"


def begun(tx: Transaction, lead: Actor, *, moves: rows.Moves = "automatic") -> Actor:
    return projects.create(
        tx, slug="phonics", name="Phonics", owner=lead, openness="private", moves=moves
    )


def enters(tx: Transaction, project: Actor, person: Actor, role: memberships.Role) -> None:
    memberships.begin(tx, project.id, person.id, role, f"{project.uri}#{person.username}")


def roster(tx: Transaction, project: Actor) -> dict[str, str]:
    page = memberships.members(tx, project.id, limit=80)
    return {person.handle: member.role for member, person in page}


def standing(tx: Transaction, project: Actor, person: Actor) -> str:
    row = memberships.now(tx, project.id, person.id)
    return "nothing" if row is None else f"{row.state} {row.role}"


def said(tx: Transaction, project: Actor) -> list[dict[str, Any]]:
    """What a project of ours published, in order."""
    sent = tables.published
    found = tx.execute(
        select(sent.c.document).where(sent.c.actor_id == project.id).order_by(sent.c.id)
    )
    return [json.loads(document) for (document,) in found]


# --- who moves school ----------------------------------------------------------------------------


def test_a_role_goes_along_with_who_moves_and_everybody_hears_it_in_one_step(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    new = colleague(tx, "bob", HILLSIDE)
    project = begun(tx, alice)
    enters(tx, project, bob, "observer")
    carry_over(tx, bob, new)
    assert roster(tx, project) == {alice.handle: "lead", new.handle: "observer"}
    added, removed, whole = said(tx, project)
    assert added["object"]["object"] == new.uri
    assert added["object"]["origin"] == bob.uri
    assert added["object"]["instrument"] == "visit"
    assert (removed["type"], removed["object"]) == ("Remove", bob.uri)
    assert removed["to"] == [f"{project.uri}/members", bob.uri]
    assert (whole["type"], whole["to"]) == ("Update", [new.uri])
    # Once more: nothing happens.
    carry_over(tx, bob, new)
    assert len(said(tx, project)) == 3
    past = {person.handle for member, person in memberships.history(tx, project.id, limit=9)}
    assert bob.handle in past


def test_who_is_in_it_at_both_schools_keeps_what_may_do_more(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    new = colleague(tx, "bob", HILLSIDE)
    project = begun(tx, alice)
    enters(tx, project, bob, "observer")
    enters(tx, project, new, "lead")
    carry_over(tx, bob, new)
    assert roster(tx, project) == {alice.handle: "lead", new.handle: "lead"}


def test_where_a_project_asks_a_lead_says_whether_the_role_goes_along(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    new = colleague(tx, "bob", HILLSIDE)
    project = begun(tx, alice, moves="ask")
    enters(tx, project, bob, "lead")
    carry_over(tx, bob, new)
    assert (standing(tx, project, bob), standing(tx, project, new)) == ("member lead", "asked lead")
    assert told(tx, alice) == [("join", "bob")]
    waits = memberships.now(tx, project.id, new.id)
    assert waits is not None
    # A Join of theirs meanwhile makes it no other request; the answer is the lead's alone.
    arrive(tx, act(new, "Join", project.uri))
    assert memberships.now(tx, project.id, new.id) == waits
    assert refused(tx, act(new, "Accept", waits.uri)) == "nobody here asked for that"
    # No: the old account stays what it is. Yes: it changes places with the new one.
    arrive(tx, act(alice, "Reject", waits.uri))
    assert (standing(tx, project, bob), standing(tx, project, new)) == ("member lead", "nothing")
    carry_over(tx, bob, new)
    waits = memberships.now(tx, project.id, new.id)
    assert waits is not None
    arrive(tx, act(alice, "Accept", waits.uri))
    assert roster(tx, project) == {alice.handle: "lead", new.handle: "lead"}
    assert [one["type"] for one in said(tx, project)] == ["Add", "Remove", "Update"]


def test_the_only_lead_is_not_made_to_ask_themselves(tx: Transaction, bob: Actor) -> None:
    alice = teacher(tx, "alice")
    new = colleague(tx, "alice", HILLSIDE)
    project = begun(tx, alice, moves="ask")
    enters(tx, project, bob, "editor")
    carry_over(tx, alice, new)
    assert roster(tx, project) == {bob.handle: "editor", new.handle: "lead"}


def test_one_of_ours_who_came_from_another_school_is_in_its_projects_as_before(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    """Only from an account that they call their own, and that said so too."""
    group = colleague(
        tx, "club", type="Group", members="https://riverside.example/users/club/members"
    )
    relation = projects.relationship(group, alice.uri, "lead", formerly=bob.uri)
    moved = act(group, "Add", relation, target=group.members)
    assert refused(tx, moved) == "nobody here asked for that"
    aliases = json.loads(alice.document) | {"aliases": [bob.uri]}
    actors.update_local(tx, alice.id, document=aliases)
    with pytest.raises(Unreachable, match="nothing was heard of the move"):
        arrive(tx, moved)  # perhaps it comes a moment later
    moves.begin(tx, alice.id, "in", bob.id, due_at=tx.now)
    arrive(tx, moved)
    assert standing(tx, group, alice) == "member lead"
    known = rows.get(tx, group.id)
    assert known is not None
    assert known.private  # it did not say that it is open
    assert told(tx, alice) == [("joined", "club")]


# --- what is passed on ---------------------------------------------------------------------------


def test_what_is_asked_of_a_project_counts_only_as_it_comes_from_who_asks(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    """A genuine word of somebody's, passed on by another: it was said to somebody else, or long
    ago."""
    project = begun(tx, alice)
    enters(tx, project, bob, "lead")
    other = colleague(tx, "others", type="Group")
    carol = colleague(tx, "carol")
    waits = memberships.invite(tx, project.id, carol.id, "editor", f"{project.uri}#carol")
    relation = projects.relationship(project, alice.uri, "observer")
    words = [
        act(bob, "Leave", project.uri),
        act(bob, "Invite", project.uri, target=carol.uri),
        act(bob, "Add", relation, target=project.members),
        act(bob, "Remove", alice.uri, target=project.members),
        act(carol, "Accept", waits.uri),
        act(carol, "Reject", waits.uri),
        act(carol, "Join", project.uri),
        act(carol, "Undo", {"type": "Join", "object": project.uri}),
    ]
    for word in words:
        passed = replace(word, passed_on_by=other.uri)
        with pytest.raises(Refused, match="passed on"):
            dispatch.HANDLERS[passed.type].receive(tx, passed)
    assert roster(tx, project) == {alice.handle: "lead", bob.handle: "lead"}
    assert standing(tx, project, carol) == "invited editor"
    for word in words[-2:]:
        arrive(tx, word)  # by themselves they may


def test_a_request_to_another_schools_project_is_there_for_who_leads_it_here(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    group, other = (colleague(tx, name, type="Group") for name in ("club", "others"))
    rows.add(tx, group.id, openness="open")
    join = act(bob, "Join", group.uri, instrument="admin")

    def passed_on(by: Actor) -> None:
        passed = replace(join, passed_on_by=by.uri)
        dispatch.HANDLERS["Join"].receive(tx, passed)

    with pytest.raises(Refused, match="nobody here leads"):
        passed_on(group)
    enters(tx, group, alice, "lead")
    with pytest.raises(Refused, match="by that project alone"):
        passed_on(other)
    passed_on(group)
    assert standing(tx, group, bob) == "asked editor"
    assert told(tx, alice) == [("join", "bob")]
    # It says that this is over.
    arrive(tx, act(group, "Remove", bob.uri, target=f"{group.uri}/members"))
    assert standing(tx, group, bob) == "nothing"


def test_only_the_project_itself_answers_who_asks_to_be_in_it(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    group = colleague(tx, "club", type="Group")
    enters(tx, group, bob, "lead")
    join = f"{alice.uri}/joins/1"
    memberships.ask(tx, group.id, alice.id, "editor", join)
    for kind in ("Accept", "Reject"):
        assert refused(tx, act(bob, kind, join)) == "nobody here asked for that"
    assert standing(tx, group, alice) == "asked editor"
    by_words = {"type": "Join", "actor": alice.uri, "object": group.uri}
    arrive(tx, act(group, "Accept", by_words, instrument="visit"))
    assert standing(tx, group, alice) == "member observer"


def test_whom_a_project_names_we_know_by_their_id_until_their_own_school_says_more(
    tx: Transaction, alice: Actor
) -> None:
    group = colleague(tx, "club", type="Group")
    enters(tx, group, alice, "editor")
    far = "https://far.example/users/frank"
    arrive(
        tx,
        act(
            group, "Add", projects.relationship(group, far, "editor"), target=f"{group.uri}/members"
        ),
    )
    frank = actors.by_uri(tx, far)
    assert frank is not None
    assert (frank.handle, frank.inbox, frank.fetched_at) == ("@frank@far.example", "", None)
    assert standing(tx, group, frank) == "member editor"
    assert actors.name_remote(tx, far, host="far.example", username="other") == frank
    with pytest.raises(actors.NotRemote):
        actors.name_remote(tx, f"{tx.school.url}/users/x", host=tx.school.host, username="x")


# --- at the same moment --------------------------------------------------------------------------


def test_two_leads_who_leave_at_the_same_moment_do_not_leave_nobody(
    fresh_postgresql: Callable[[], str],
) -> None:
    with meet(fresh_postgresql()) as meeting:
        one, other = meeting.one, meeting.other
        alice, bob = teacher(one, "alice"), teacher(one, "bob")
        project = begun(one, alice)
        enters(one, project, bob, "lead")
        one.connection.commit()
        arrive(one, act(alice, "Leave", project.uri))
        second = meeting.start(lambda: arrive(other, act(bob, "Leave", project.uri)))
        one.connection.commit()
        with pytest.raises(Refused, match="the only lead stays"):
            second.end()
        other.connection.rollback()
        assert roster(one, project) == {bob.handle: "lead"}


def test_a_member_is_told_that_a_private_project_takes_no_followers(
    tx: Transaction, alice: Actor
) -> None:
    lantern = actors.save_remote(
        tx,
        replace(
            remote_fields("lantern", HILLSIDE, type="Group"),
            followers=None,
            members=f"https://{HILLSIDE}/projects/lantern/members",
        ),
    )
    enters(tx, lantern, alice, "editor")
    with pytest.raises(Refused, match="has members and no followers"):
        follow.send(tx, alice, {"type": "Follow", "object": lantern.uri})
