"""What projects and moves ask of the database goes by an index, on SQLite where the plan shows."""

from datetime import timedelta
from functools import partial

from actors import audiences
from federation.activity import read
from federation.addresses import Rules
from federation.vocabulary import PUBLIC, Addressing
from inbox import passing_on
from storage import actors, blocks, deliveries, memberships, moved_things, moves, projects
from storage.transaction import Transaction
from tests.storage.people import colleague, join, person, project
from tests.storage.test_plans import plans, scans, sqlite_tx

__all__ = ["sqlite_tx"]


def test_who_is_in_a_project_is_read_from_its_index_without_sorting(
    sqlite_tx: Transaction,
) -> None:
    ada = person(sqlite_tx, "ada")
    bridge = project(sqlite_tx, "bridge", ada)

    def ask(tx: Transaction) -> None:
        memberships.members(tx, bridge.id, before=7, limit=20)
        memberships.seen_members(tx, ada.id, bridge.id, before=7, limit=20)
        memberships.of_state(tx, bridge.id, "asked")
        memberships.count(tx, bridge.id)

    steps = plans(sqlite_tx, ask)
    assert sum("ix_memberships_project (project_id=? AND state=?" in step for step in steps) == 4
    assert not any("TEMP B-TREE" in step for step in steps), steps
    steps += plans(sqlite_tx, lambda tx: memberships.leads(tx, bridge.id))
    steps += plans(sqlite_tx, lambda tx: memberships.history(tx, bridge.id, limit=20))
    steps += plans(sqlite_tx, lambda tx: memberships.ours(tx, bridge.id))
    assert scans(steps) == []


def test_what_somebody_may_do_in_a_project_is_one_look_into_its_index(
    sqlite_tx: Transaction,
) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    bridge = project(sqlite_tx, "bridge", ada, bob, private=True)
    for ask in (
        lambda tx: memberships.now(tx, bridge.id, ada.id),
        lambda tx: memberships.role(tx, bridge.id, ada.id),
        lambda tx: memberships.end(tx, bridge.id, ada.id),
        lambda tx: projects.hidden(tx, ada.id, bridge),
    ):
        steps = plans(sqlite_tx, ask)
        looks = [step for step in steps if "memberships" in step]
        assert len(looks) == 1, steps
        assert "uq_memberships_now (project_id=? AND actor_id=?)" in looks[0], looks
        assert scans(steps) == []


def test_a_post_that_has_nothing_to_do_with_a_project_is_not_asked_about_any(
    sqlite_tx: Transaction,
) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    project(sqlite_tx, "bridge", ada, bob)
    followers = str(bob.followers)
    for to, cc in (((PUBLIC,), (followers, ada.uri)), ((followers,), ()), ((ada.uri,), ())):
        post = {"id": f"{bob.uri}/notes/1", "type": "Note", "attributedTo": bob.uri}
        said = {"id": f"{bob.uri}/creates/1", "type": "Create", "actor": bob.uri, "object": post}
        activity = read(said | {"to": list(to), "cc": list(cc)}, Rules())
        addressed = Addressing(to, cc)
        assert plans(sqlite_tx, partial(audiences.of, author=bob, addressed=addressed)) == []
        assert plans(sqlite_tx, partial(passing_on.pass_on, activity=activity)) == []


def test_projects_and_invitations_of_a_person_are_found_by_indexes(sqlite_tx: Transaction) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    for number in range(3):
        project(sqlite_tx, f"project{number}", ada, bob)
    assert bob.peer_id is not None
    peer_id = bob.peer_id

    def ask(tx: Transaction) -> None:
        projects.of_actor(tx, ada.id)
        projects.by_members(tx, "urn:members")
        projects.first_by_uri(tx, ["urn:project"])
        projects.known_by_host(tx, ada.id, peer_id)
        memberships.waiting(tx, ada.id)
        memberships.of_actor(tx, ada.id)
        memberships.by_uri(tx, "urn:join")
        memberships.reaches(tx, ada.id, 5)
        deliveries.withhold(tx, ada.id, peer_id, "urn:inbox")
        actors.by_handle(tx, "project1", "oakfield.example")
        actors.mentioned(tx, [ada.uri])

    steps = plans(sqlite_tx, ask)
    assert scans(steps) == [], steps
    assert any("ix_actors_members (members=?)" in step for step in steps), steps
    assert any("ix_memberships_uri (uri=?)" in step for step in steps), steps


def test_a_list_of_projects_looks_at_no_other_schools_actors(sqlite_tx: Transaction) -> None:
    for ask in (projects.open_here, projects.ours):
        steps = plans(sqlite_tx, lambda tx, ask=ask: ask(tx, before=7, limit=20))  # type: ignore[misc]
        assert scans(steps) == []
        assert any("ix_actors_peer (peer_id=?)" in step for step in steps), steps


def test_steps_of_moves_look_at_no_more_than_is_due(sqlite_tx: Transaction) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    join(sqlite_tx, project(sqlite_tx, "bridge"), ada)
    move, _ = moves.begin(sqlite_tx, ada.id, "in", bob.id, due_at=sqlite_tx.now)
    moved_things.expect(sqlite_tx, move.id, "following", [bob.uri], due_at=sqlite_tx.now)

    def step(tx: Transaction) -> None:
        moves.claim(tx, 8, timedelta(minutes=1))
        moved_things.due_things(tx, move.id, 8)
        moved_things.next_due(tx, move.id)
        moved_things.settle(tx, move.id, "following", bob.uri, "asked")
        moved_things.settle_for(tx, ada.id, "in", "following", bob.uri, "moved")
        moved_things.again(tx, move.id, "following", bob.uri, tx.now, "unreachable")
        moved_things.expect_followers(tx, move.id, ada.id)
        moved_things.expect_following(tx, move.id, ada.id)
        moved_things.expect_projects(tx, move.id, ada.id)
        moved_things.totals(tx, move.id)
        moved_things.things(tx, move.id, limit=20)
        moves.of_actor(tx, ada.id)
        blocks.blockers_of(tx, bob.id)
        blocks.count_of_actor(tx, ada.id)

    steps = plans(sqlite_tx, step)
    assert scans(steps) == [], steps
    assert any("ix_moves_due (due_at<?)" in one for one in steps), steps
    assert any("ix_moved_things_due (move_id=? AND due_at<?)" in one for one in steps), steps
