"""Who is in a project: three schools, and a project that is at home at one of them.

Alice leads it at Oakfield, Bob works at Riverside, Carol at Hillcrest.
"""

from typing import Any

import pytest

from storage import actors, memberships
from storage import projects as rows
from storage.database import Transaction
from tests.federation.members import (
    Project,
    answer,
    everyone_in,
    found,
    invite,
    roster,
    standing,
    told,
    waiting,
)
from tests.town import Person, Town, TownSchool


@pytest.fixture
async def schools(town: Town, oakfield: TownSchool) -> tuple[TownSchool, TownSchool, TownSchool]:
    riverside, hillcrest = await town.school("riverside"), await town.school("hillcrest")
    return oakfield, riverside, hillcrest


async def test_people_of_three_schools_are_invited_and_come_change_and_go(
    town: Town, schools: tuple[TownSchool, ...], alice: Person
) -> None:
    oakfield, riverside, hillcrest = schools
    bob, erin = await riverside.staff("bob"), await riverside.staff("erin")
    carol, dave = await hillcrest.staff("carol"), await hillcrest.staff("dave")
    project = await found(alice, "phonics", "private", aim="Late readers catch up")

    # --- nobody is in it before they say yes
    await invite(alice, project, bob.uri)
    await invite(alice, project, erin.uri)
    assert await told(bob) == ["invite phonics"]
    for school in (oakfield, riverside):
        assert await standing(school, project, bob.uri) == "invited editor"
        assert await roster(school, project) == ({"alice": "lead"} if school is oakfield else {})
    await answer(bob, "Accept", project)
    assert await told(bob) == ["invite phonics", "joined phonics"]
    await answer(erin, "Reject", project)
    assert await standing(oakfield, project, erin.uri) == "nothing"
    assert await told(erin) == []  # for her there is no such project any more

    # --- a newcomer's school learns what it is and who is in it, the others who is new
    await everyone_in(project, alice, (carol, "observer"))
    everybody = {"alice": "lead", "bob": "editor", "carol": "observer"}
    for school in schools:
        assert await roster(school, project) == everybody, school.host
    (theirs,) = await riverside.read(rows.of_actor, bob.id)
    assert (theirs[1].name, theirs[1].summary) == ("Phonics", "<p>Late readers catch up</p>")
    assert theirs[0].private

    # --- a lead works at another school
    relation = {"object": bob.uri, "target": project.members}
    await alice.post({"type": "Add", **relation, "instrument": "admin"})
    await town.settle()
    await invite(bob, project, dave.uri)
    await answer(dave, "Accept", project)
    await bob.post(
        {"type": "Add", "object": carol.uri, "target": project.members, "instrument": "write"}
    )
    await town.settle()
    everybody = {"alice": "lead", "bob": "lead", "carol": "editor", "dave": "editor"}
    for school in schools:
        assert await roster(school, project) == everybody, school.host

    # --- and parts with somebody; others leave of their own will
    await bob.post({"type": "Remove", "object": dave.uri, "target": project.members})
    await town.settle()
    for school in schools:
        assert await standing(school, project, dave.uri) == "nothing", school.host
    assert await told(dave) == []
    await carol.post({"type": "Leave", "object": project.uri})
    assert await standing(hillcrest, project, carol.uri) == "nothing"  # at once
    await town.settle()
    await alice.post({"type": "Leave", "object": project.uri})
    await town.settle()
    for school in (oakfield, riverside):
        assert await roster(school, project) == {"bob": "lead"}
    assert await roster(hillcrest, project) == {}  # nobody there is told any more
    # Who was in it, as what, is kept where it is at home.
    past = await oakfield.read(_history, project)
    assert past["carol"] == ["editor"]
    assert past["erin"] == ["editor"]  # as what she was asked


def _history(tx: Transaction, project: Project) -> dict[str, list[str]]:
    known = actors.by_uri(tx, project.uri)
    assert known is not None
    found: dict[str, list[str]] = {}
    for member, person in memberships.history(tx, known.id, limit=80):
        if member.ended_at is not None:
            found.setdefault(person.username, []).append(member.role)
    return found


async def test_who_asks_to_be_in_an_open_project_is_answered_by_a_lead_wherever_they_work(
    town: Town, schools: tuple[TownSchool, ...], alice: Person
) -> None:
    oakfield, riverside, hillcrest = schools
    bob, carol = await riverside.staff("bob"), await hillcrest.staff("carol")
    dave, frank = await riverside.staff("dave"), await oakfield.staff("frank")
    project = await found(alice, "phonics")
    join = {"type": "Join", "object": project.uri}

    # --- asked twice, the latest counts; nobody asks to be a lead
    await bob.post(join)
    await town.settle()
    again = await bob.post({**join, "instrument": "admin"})
    await town.settle()
    for school in (oakfield, riverside):
        assert await standing(school, project, bob.uri) == "asked editor"
        assert await waiting(school, project, bob.uri) == again
    assert await told(alice) == ["join bob"]
    await alice.post({"type": "Accept", "object": again, "instrument": "admin"})
    await town.settle()
    for school in (oakfield, riverside):
        assert await roster(school, project) == {"alice": "lead", "bob": "lead"}
    assert await told(bob) == ["joined phonics"]

    # --- the request comes to the lead at Riverside with the proof of who asks
    asked = await carol.post({**join, "instrument": "visit"})
    await dave.post(join)
    await town.settle()
    assert await told(bob) == ["join carol", "join dave", "joined phonics"]
    assert await waiting(riverside, project, carol.uri) == asked
    await bob.post({"type": "Accept", "object": asked})
    await dave.post({"type": "Undo", "object": {"type": "Join", "object": project.uri}})
    assert await standing(riverside, project, dave.uri) == "nothing"
    await town.settle()
    everybody = {"alice": "lead", "bob": "lead", "carol": "observer"}
    for school in schools:
        assert await roster(school, project) == everybody
        assert await standing(school, project, dave.uri) == "nothing"

    # --- colleagues ask like everybody else, and may be turned down
    for kind, outcome in (("Reject", "nothing"), ("Accept", "member editor")):
        wish = await frank.post(join)
        await town.settle()
        assert await standing(riverside, project, frank.uri) == "asked editor"
        await bob.post({"type": kind, "object": wish})
        await town.settle()
        assert await standing(oakfield, project, frank.uri) == outcome
        assert await standing(riverside, project, frank.uri) == outcome
    assert await told(frank) == ["joined phonics"]

    # --- who was in it, and whose answer was lost, hears so again
    await carol.post({"type": "Leave", "object": project.uri})
    await town.settle()
    await carol.post(join)
    await town.settle()
    await bob.post({"type": "Remove", "object": carol.uri, "target": project.members})
    await town.settle()
    for school in schools:
        assert await standing(school, project, carol.uri) == "nothing", school.host


async def test_what_both_sides_want_needs_no_further_word(
    town: Town, schools: tuple[TownSchool, ...], alice: Person
) -> None:
    oakfield, riverside, _ = schools
    bob, dave = await riverside.staff("bob"), await riverside.staff("dave")
    project = await found(alice, "phonics")
    # Asked, and then invited by somebody who has not looked.
    await bob.post({"type": "Join", "object": project.uri})
    await town.settle()
    await invite(alice, project, bob.uri, "observer")
    # Invited, and then asking by themselves: as what they were invited.
    await invite(alice, project, dave.uri, "observer")
    await dave.post({"type": "Join", "object": project.uri, "instrument": "write"})
    await town.settle()
    # Both at once: neither has heard of the other.
    erin = await riverside.staff("erin")
    await erin.post({"type": "Join", "object": project.uri})
    await alice.post({"type": "Invite", "object": project.uri, "target": erin.uri})
    await town.settle()
    everybody = {"alice": "lead", "bob": "observer", "dave": "observer", "erin": "editor"}
    for school in (oakfield, riverside):
        assert await roster(school, project) == everybody


async def test_what_our_people_may_not_do_is_said_to_them(
    town: Town, schools: tuple[TownSchool, ...], alice: Person
) -> None:
    oakfield, riverside, hillcrest = schools
    bob, eve = await riverside.staff("bob"), await riverside.staff("eve")
    carol, frank = await hillcrest.staff("carol"), await oakfield.staff("frank")
    project = await found(alice, "phonics", "private")
    await everyone_in(project, alice, (bob, "editor"), (carol, "observer"))
    uri, members = project.uri, project.members
    never = f"{oakfield.url}/projects/never-was"

    async def no(person: Person, **activity: Any) -> str:
        reply = await person.school.post(person, activity)
        assert reply.status in (400, 403), (activity, reply.status, reply.text)
        return f"{reply.status} {reply.json['detail']}"

    only_leads = "403 only a lead of the project decides who is in it, and as what"
    for person in (bob, carol):
        change = {"type": "Add", "object": person.uri, "target": members, "instrument": "admin"}
        assert await no(person, **change) == only_leads
        gone = {"type": "Remove", "object": alice.uri, "target": members}
        assert await no(person, **gone) == only_leads
        guest = {"type": "Invite", "object": uri, "target": eve.uri}
        assert await no(person, **guest) == only_leads
    last = "403 the only lead stays: make somebody else a lead first"
    assert await no(alice, type="Leave", object=uri) == last
    assert await no(alice, type="Remove", object=alice.uri, target=members) == last
    lower = {"type": "Add", "object": alice.uri, "target": members, "instrument": "write"}
    assert await no(alice, **lower) == last
    assert "already" in await no(bob, type="Join", object=uri)
    assert "already" in await no(alice, type="Invite", object=uri, target=bob.uri)
    group = {"type": "Invite", "object": uri, "target": f"{riverside.url}/school"}
    assert "no person" in await no(alice, **group)
    assert "invite them" in await no(alice, **{**lower, "object": frank.uri})
    assert "role" in await no(alice, **{**lower, "instrument": "headteacher"})
    assert (await no(bob, type="Accept", object=f"{uri}#owner")).startswith("403")

    # To everybody else it is what is not there, whatever they try, at home and elsewhere.
    for person in (eve, frank):
        for kind, more in (
            ("Join", {}),
            ("Leave", {}),
            ("Invite", {"target": person.uri}),
            ("Update", {"name": "Ours"}),
        ):
            answers = []
            for named in (uri, never):
                about: Any = {"id": named, **more} if kind == "Update" else named
                activity = {"type": kind, "object": about}
                activity |= {} if kind == "Update" else more
                answers.append((await no(person, **activity)).replace(named, "WHAT"))
            assert answers[0] == answers[1], (kind, answers)
        for kind in ("Add", "Remove"):
            answers = [
                (await no(person, type=kind, object=person.uri, target=f"{named}/members")).replace(
                    named, "WHAT"
                )
                for named in (uri, never)
            ]
            assert answers[0] == answers[1], (kind, answers)
    await town.settle()
    for school in schools:
        everybody = {"alice": "lead", "bob": "editor", "carol": "observer"}
        assert await roster(school, project) == everybody
    assert await told(alice) == []


async def test_a_lead_changes_what_a_project_says_of_itself(
    town: Town, schools: tuple[TownSchool, ...], alice: Person
) -> None:
    _, riverside, _ = schools
    bob = await riverside.staff("bob")
    project = await found(alice, "phonics", "private")
    await everyone_in(project, alice, (bob, "lead"))
    await alice.post(
        {
            "type": "Update",
            "object": {"id": project.uri, "name": "Reading", "startTime": "2027-01-04T08:00:00Z"},
        }
    )
    await town.settle()
    ((theirs, actor, _),) = await riverside.read(rows.of_actor, bob.id)
    assert actor.name == "Reading"
    assert theirs.starts_at is not None
    assert theirs.starts_at.isoformat() == "2027-01-04T08:00:00+00:00"
    assert theirs.private
    for change in ({"openness": "moderated"}, {"inbox": "https://riverside.example/inbox"}):
        reply = await alice.school.post(
            alice, {"type": "Update", "object": {"id": project.uri, **change}}
        )
        assert reply.status == 400, reply.text
