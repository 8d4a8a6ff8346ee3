"""Who is in a project is settled by its host and the person: what others try has no effect.

At Oakfield are Alice's project and schools that are not ours speak to it; then a project of
another school speaks to Oakfield.
"""

from typing import Any

import pytest

from federation.vocabulary import PUBLIC
from tests.federation.members import (
    Project,
    answer,
    found,
    invite,
    reasons,
    roster,
    standing,
    told,
)
from tests.town import Foreigner, Person, Stranger, Town, TownSchool

MEMBERS_ONLY = "only a lead of the project decides who is in it, and as what"
UNASKED = "nobody here asked for that"
UNKNOWN = "no such project"


@pytest.fixture
async def hillcrest(town: Town, oakfield: TownSchool) -> Stranger:
    return await town.stranger("hillcrest")


async def bring(who: Foreigner, school: TownSchool, activity: dict[str, Any]) -> str | None:
    """Somebody sends it, honestly signed; why it had no effect, None if it had one."""
    assert (await who.send(school.shared_inbox, activity)).status == 202
    await school.town.settle()
    found = await reasons(school, activity["id"])
    assert found, activity
    return found[-1]


# --- at the project's own school -----------------------------------------------------------------


async def come(lead: Person, project: Project, person: Foreigner, role: str) -> dict[str, Any]:
    """Somebody of another kind of server is invited and says yes; the Accept that they sent."""
    await invite(lead, project, person.uri, role)
    asked = person.home.activities("Invite")[-1]
    yes = person.activity("Accept", asked["id"], to=[project.uri], cc=[])
    assert await bring(person, lead.school, yes) is None
    return yes


async def test_what_a_project_says_is_whole_and_what_its_members_may_not_say_has_no_effect(
    town: Town, oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    carol, mallory, bob = (hillcrest.person(name) for name in ("carol", "mallory", "bob"))
    project = await found(alice, "phonics", "private", aim="Late readers catch up")
    uri, members = project.uri, project.members
    yes = await come(alice, project, carol, "observer")

    # --- what arrives at hers
    (asked,) = hillcrest.activities("Invite")
    assert (asked["actor"], asked["target"], asked["instrument"]) == (uri, carol.uri, "visit")
    assert asked["object"]["openness"] == "invite_only"
    assert asked["object"]["attributedTo"] == [alice.uri]
    (added,) = hillcrest.activities("Add")
    assert added["target"] == members
    assert added["to"] == [members]
    assert added["object"] == {
        "type": "Relationship",
        "subject": uri,
        "relationship": "hasMember",
        "object": carol.uri,
        "instrument": "visit",
        "startTime": added["object"]["startTime"],
    }
    (whole,) = hillcrest.activities("Update")
    assert whole["to"] == [carol.uri]
    assert whole["object"]["members"]["totalItems"] == 2
    assert {one["object"] for one in whole["object"]["members"]["items"]} == {alice.uri, carol.uri}

    # --- what she may not
    await invite(alice, project, bob.uri)
    (_, bobs) = hillcrest.activities("Invite")
    relation = {"type": "Relationship", "subject": uri, "relationship": "hasMember"}
    lead = {**relation, "object": carol.uri, "instrument": "admin"}
    to = {"to": [uri], "cc": []}
    tried = [
        (carol.activity("Add", lead, target=members, **to), MEMBERS_ONLY),
        (carol.activity("Add", carol.uri, target=members, instrument="admin", **to), MEMBERS_ONLY),
        (carol.activity("Remove", alice.uri, target=members, **to), MEMBERS_ONLY),
        (carol.activity("Invite", uri, target=mallory.uri, **to), MEMBERS_ONLY),
        (carol.activity("Invite", mallory.uri, target=uri, **to), MEMBERS_ONLY),
        (carol.activity("Accept", bobs["id"], **to), UNASKED),
        (carol.activity("Reject", bobs["id"], **to), UNASKED),
        (carol.activity("Undo", bobs["id"], **to), "nobody undoes what another did"),
        (carol.activity("Update", {**asked["object"], "name": "Hers"}, **to), None),
        # For somebody who is not in it there is no such project.
        (mallory.activity("Join", uri, **to), UNKNOWN),
        (mallory.activity("Leave", uri, **to), UNKNOWN),
        (mallory.activity("Invite", uri, target=mallory.uri, **to), UNKNOWN),
        (mallory.activity("Add", lead, target=members, **to), UNKNOWN),
        (mallory.activity("Remove", carol.uri, target=members, **to), UNKNOWN),
        (mallory.activity("Accept", bobs["id"], **to), UNASKED),
        (
            mallory.activity("Accept", {"type": "Join", "object": uri, "actor": mallory.uri}),
            UNASKED,
        ),
        (mallory.activity("Join", f"{oakfield.url}/projects/never-was", **to), UNKNOWN),
    ]
    fetched = list(hillcrest.fetched)
    for activity, why in tried:
        said = await bring(
            hillcrest.people[activity["actor"].rpartition("/")[2]], oakfield, activity
        )
        assert said == why or (why is None and said is not None), (activity, said)
    assert "/people/mallory" in fetched or "/people/mallory" in hillcrest.fetched
    assert (await mallory.send(f"{uri}/inbox", mallory.activity("Join", uri, **to))).status == 404
    # In somebody else's name.
    forged = {**carol.activity("Leave", uri, **to), "actor": alice.uri}
    assert (await carol.send(oakfield.shared_inbox, forged)).status in (400, 401, 403)
    forged = {**mallory.activity("Join", uri, **to), "actor": carol.uri}
    assert (await mallory.send(oakfield.shared_inbox, forged)).status == 401

    # --- once she is out, nothing that she said before brings her back
    await alice.post({"type": "Remove", "object": carol.uri, "target": members})
    await town.settle()
    assert (hillcrest.activities("Remove")[-1]["object"]) == carol.uri
    assert (await carol.send(oakfield.shared_inbox, yes)).status == 202
    assert await bring(carol, oakfield, carol.activity("Accept", asked["id"], **to)) == UNASKED
    assert await bring(carol, oakfield, carol.activity("Join", uri, **to)) == UNKNOWN
    assert await roster(oakfield, project) == {"alice": "lead"}
    assert await standing(oakfield, project, bob.uri) == "invited editor"
    assert await told(alice) == []


async def test_an_open_project_takes_no_request_that_was_taken_back_or_that_others_pass_on(
    town: Town, oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    carol, mallory = hillcrest.person("carol"), hillcrest.person("mallory")
    project = await found(alice, "phonics")
    to = {"to": [project.uri], "cc": []}
    join = carol.activity("Join", project.uri, **to)
    assert await bring(carol, oakfield, carol.activity("Undo", join["id"], **to)) is None
    assert await bring(carol, oakfield, join) == "it was taken back before it came"
    # A bot asks, somebody asks for a role that nobody knows, and for what is no project.
    robot = hillcrest.person("robot")
    robot.document["type"] = "Service"
    said = await bring(robot, oakfield, robot.activity("Join", project.uri, **to))
    assert "projects are for people" in str(said)
    odd = carol.activity("Join", project.uri, instrument="headteacher", **to)
    assert await bring(carol, oakfield, odd) == "a role that we do not know"
    event = carol.activity("Join", f"{hillcrest.url}/events/1", **to)
    assert "no project of this school" in str(await bring(carol, oakfield, event))

    # She asks, and only a lead answers; the second Join is the one that counts.
    first = carol.activity("Join", project.uri, **to)
    second = carol.activity("Join", project.uri, instrument="visit", **to)
    assert await bring(carol, oakfield, first) is None
    assert await bring(carol, oakfield, second) is None
    for kind in ("Accept", "Reject"):
        assert await bring(carol, oakfield, carol.activity(kind, second["id"], **to)) == UNASKED
        assert await bring(mallory, oakfield, mallory.activity(kind, second["id"], **to)) == UNASKED
    undo = mallory.activity("Undo", {"type": "Join", "actor": carol.uri, "object": project.uri})
    assert await bring(mallory, oakfield, undo) == "nobody undoes what another did"
    assert await standing(oakfield, project, carol.uri) == "asked observer"
    assert (await oakfield.post(alice, {"type": "Accept", "object": first["id"]})).status == 403
    await alice.post({"type": "Accept", "object": second["id"], "instrument": "admin"})
    await town.settle()
    (yes,) = hillcrest.activities("Accept")
    request = {"id": second["id"], "type": "Join", "actor": carol.uri, "object": project.uri}
    assert (yes["object"], yes["instrument"]) == (request, "admin")
    # The answer was lost: she asks once more, and hears so again.
    again = carol.activity("Join", project.uri, **to)
    assert await bring(carol, oakfield, again) is None
    assert hillcrest.activities("Accept")[-1]["object"]["id"] == again["id"]
    assert await roster(oakfield, project) == {"alice": "lead", "carol": "lead"}

    # Two leads; when one has gone the other stays, whatever her server says.
    await alice.post({"type": "Leave", "object": project.uri})
    await town.settle()
    last = "the only lead stays: make somebody else a lead first"
    relation = {"type": "Relationship", "subject": project.uri, "relationship": "hasMember"}
    lower = {**relation, "object": carol.uri, "instrument": "visit"}
    for activity in (
        carol.activity("Leave", project.uri, **to),
        carol.activity("Add", lower, target=project.members, **to),
        carol.activity("Remove", carol.uri, target=project.members, **to),
    ):
        assert await bring(carol, oakfield, activity) == last
    assert await roster(oakfield, project) == {"carol": "lead"}


# --- at a member's school ------------------------------------------------------------------------


def club(home: Stranger, name: str = "club") -> Foreigner:
    """A private project of another school."""
    group = Foreigner(home, name, path=f"/groups/{name}")
    home.people[name] = group
    group.document |= {
        "type": "Group",
        "members": f"{group.uri}/members",
        "openness": "invite_only",
        "attributedTo": [home.person("dora").uri],
    }
    return group


def says(group: Foreigner, person: str, role: str = "write", **more: Any) -> dict[str, Any]:
    """The project says that somebody is in it."""
    relation = {
        "type": "Relationship",
        "subject": group.uri,
        "relationship": "hasMember",
        "object": person,
        "instrument": role,
        **more,
    }
    members = f"{group.uri}/members"
    return group.activity("Add", relation, target=members, to=[members], cc=[])


def whole(group: Foreigner, *people: str) -> dict[str, Any]:
    """The project tells a newcomer what it is and who is in it."""
    items = [says(group, person)["object"] for person in people]
    members = {
        "type": "Collection",
        "id": f"{group.uri}/members",
        "totalItems": len(items),
        "items": items,
    }
    return group.activity("Update", {**group.document, "members": members}, cc=[])


async def test_nobody_of_ours_is_in_a_project_of_another_school_without_wanting_it(
    town: Town, oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    group, other, mallory = club(hillcrest), club(hillcrest, "chess"), hillcrest.person("mallory")
    project = Project(oakfield, group.uri)
    far = "https://far.example/users/frank"  # of a school that Oakfield never heard of
    members, dora = f"{group.uri}/members", hillcrest.person("dora").uri

    async def stays(said: str, activity: dict[str, Any], who: Foreigner = group) -> None:
        before = await standing(oakfield, project, alice.uri)
        assert await bring(who, oakfield, activity) == said
        assert await standing(oakfield, project, alice.uri) == before

    await stays(UNASKED, says(group, alice.uri))
    await stays("nobody of ours", says(group, f"{oakfield.url}/users/nobody"))
    yes = group.activity("Accept", {"type": "Join", "actor": alice.uri, "object": group.uri})
    await stays(UNASKED, yes)
    await bring(group, oakfield, whole(group, alice.uri, far))
    assert await roster(oakfield, project) == {}
    assert await told(alice) == []

    # --- invited, she is in it once she said yes, and it heard so
    asked = group.activity(
        "Invite", group.document, target=alice.uri, instrument="visit", to=[alice.uri], cc=[]
    )
    mallorys = mallory.activity("Invite", group.document, target=alice.uri, to=[alice.uri])
    await stays("an invitation to something else than a project of this school", mallorys, mallory)
    assert await bring(group, oakfield, asked) is None
    assert await told(alice) == ["invite club"]
    await stays(UNASKED, says(group, alice.uri))
    assert await standing(oakfield, project, alice.uri) == "invited observer"
    await answer(alice, "Accept", project)
    assert await standing(oakfield, project, alice.uri) == "asked observer"
    for who in (other, mallory):
        about = {**says(other, alice.uri), "actor": who.uri, "target": members}
        assert await bring(who, oakfield, about) is not None
    assert await standing(oakfield, project, alice.uri) == "asked observer"
    assert await bring(group, oakfield, says(group, alice.uri, "visit")) is None
    assert await standing(oakfield, project, alice.uri) == "member observer"

    # --- of others the project speaks alone, and nobody else is asked about them
    assert await bring(group, oakfield, whole(group, alice.uri, far, mallory.uri)) is None
    everybody = {"alice": "editor", "frank": "editor", "mallory": "editor"}
    assert await roster(oakfield, project) == everybody
    relation = {**says(other, far)["object"], "subject": group.uri}
    tried = [
        (other, other.activity("Add", relation, target=members)),
        (other, other.activity("Remove", far, target=members)),
        (other, other.activity("Add", relation, target=f"{other.uri}/members")),
        (mallory, mallory.activity("Remove", alice.uri, target=members)),
        (group, says(group, alice.uri, "headteacher")),
        (group, group.activity("Add", alice.uri, target=members)),
        (group, group.activity("Add", says(other, dora)["object"], target=members)),
    ]
    for who, activity in tried:
        assert await bring(who, oakfield, activity) is not None, activity
    assert await roster(oakfield, project) == everybody

    # --- out of order: it said later that he is gone
    late = says(group, far)
    town.clock.advance(minutes=5)
    gone = group.activity("Remove", far, target=members, to=[members], cc=[])
    assert await bring(group, oakfield, gone) is None
    assert await bring(group, oakfield, late) == "they left since this was said"
    assert await bring(group, oakfield, whole(group, alice.uri)) is None
    assert await roster(oakfield, project) == {"alice": "editor"}

    # --- a request counts as passed on by the project to who leads it
    for who in (group, other):
        join: dict[str, Any] = {"id": f"{hillcrest.url}/joins/{who.username}", "type": "Join"}
        join |= {"actor": mallory.uri, "object": group.uri, "to": [group.uri]}
        passed = who.activity("Announce", join, to=[alice.uri], cc=[])
        assert await bring(who, oakfield, passed) is not None  # without a proof of hers
    assert await standing(oakfield, project, mallory.uri) == "nothing"

    # --- and when she is out, nothing more of it is kept
    assert await bring(group, oakfield, says(group, far)) is None
    out = group.activity("Remove", alice.uri, target=members, to=[alice.uri], cc=[])
    assert await bring(group, oakfield, out) is None
    assert await roster(oakfield, project) == {}
    await stays("nobody here is in that project", says(group, far))
    await stays(UNASKED, says(group, alice.uri))
    assert PUBLIC not in out["to"]
