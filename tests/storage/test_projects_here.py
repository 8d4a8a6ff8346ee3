"""A project of this school: how it begins, what is told of it and to whom; and what other schools'
projects say of themselves."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from actors import project_documents, projects, remote
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from federation.vocabulary import rfc3339
from storage import actors, follows, keys, memberships
from storage import projects as rows
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.database import Transaction
from tests.storage.people import colleague, follow

RULES = Rules()
AUTUMN = datetime(2026, 9, 7, tzinfo=UTC)
SUMMER = datetime(2027, 7, 20, 22, 59, 59, tzinfo=UTC)
GARDEN = "https://riverside.example/projects/garden"


def garden(tx: Transaction, owner: Actor, *, private: bool = False, **more: Any) -> Actor:
    return projects.create(
        tx,
        slug="garden",
        name="School garden",
        owner=owner,
        aim="Vegetables\nfor three schools",
        openness="private" if private else "open",
        **more,
    )


def outside(actor: Actor) -> Viewer:
    return Viewer(actor.id, local=False)


# --- ours --------------------------------------------------------------------------------------


def test_whoever_begins_a_project_leads_it(tx: Transaction, alice: Actor) -> None:
    made = garden(tx, alice, starts_at=AUTUMN, ends_at=SUMMER)
    document = projects.document(tx, made)

    assert made.uri == f"{tx.school.url}/projects/garden"
    assert memberships.role(tx, made.id, alice.id) == "lead"
    assert (
        document
        | {
            "id": made.uri,
            "url": made.uri,
            "type": "Group",
            "name": "School garden",
            "summary": "<p>Vegetables<br>for three schools</p>",
            "members": f"{made.uri}/members",
            "followers": f"{made.uri}/followers",
            "openness": "moderated",
            "attributedTo": [alice.uri],
            "startTime": "2026-09-07T00:00:00Z",
            "endTime": "2027-07-20T22:59:59Z",
            "discoverable": True,
            "manuallyApprovesFollowers": False,
        }
        == document
    )
    assert "following" not in document
    assert {key.algorithm for key in keys.of_actor(tx, made.id)} == {"rsa", "ed25519"}


def test_a_project_shares_its_names_with_people(tx: Transaction, alice: Actor) -> None:
    with pytest.raises(actors.UsernameTaken):
        projects.create(tx, slug="alice", name="Alice", owner=alice)


def test_a_project_is_led_by_somebody_who_works_here(tx: Transaction, bob: Actor) -> None:
    with pytest.raises(ValueError, match="nobody who works here"):
        garden(tx, bob)


def test_a_project_ends_after_it_begins(tx: Transaction, alice: Actor) -> None:
    with pytest.raises(ValueError, match="cannot end before it begins"):
        garden(tx, alice, starts_at=SUMMER, ends_at=AUTUMN)
    made = garden(tx, alice, ends_at=SUMMER)
    with pytest.raises(ValueError, match="cannot end before it begins"):
        projects.change(tx, made, starts_at=datetime(2028, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("year", [1, 1970, 2200, 9999])
def test_a_project_is_of_this_age(tx: Transaction, alice: Actor, year: int) -> None:
    """The first day of the calendar cannot even be shown west of Greenwich, nor its page."""
    odd = datetime(year, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="that year cannot be right"):
        garden(tx, alice, starts_at=odd)
    with pytest.raises(Malformed, match="that year cannot be right"):
        projects.edited(tx, garden(tx, alice), {"endTime": rfc3339(odd)})
    met = remote.save(tx, remote.fields(bare(), RULES), [])
    kept = projects.keep_document(tx, met, said(startTime=f"{year:04}-01-01T00:00:00Z"), RULES)
    row = rows.get(tx, kept.id)
    assert row is not None
    assert row.starts_at is None


def test_of_a_private_project_a_school_is_told_what_signatures_need_and_no_more(
    tx: Transaction, alice: Actor
) -> None:
    made = garden(tx, alice, private=True)
    document = projects.document(tx, made)

    assert set(project_documents.stub(tx, made)) == {
        "@context",
        "id",
        "type",
        "inbox",
        "publicKey",
        "assertionMethod",
    }
    assert (document["openness"], document["discoverable"]) == ("invite_only", False)
    assert not {"followers", "featured", "following"} & document.keys()


def test_what_one_may_read_of_a_private_project_depends_on_who_one_is(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    made = garden(tx, alice, private=True)
    office = colleague(tx, "actor", type="Application")
    robot = colleague(tx, "robot", type="Service")
    far_office = colleague(tx, "actor", "hillside.example", type="Application")
    everybody = [head, bob, office, robot, far_office]

    assert project_documents.shown_to(tx, NOBODY, made) is None
    assert all(project_documents.shown_to(tx, outside(one), made) is None for one in everybody)

    memberships.invite(tx, made.id, bob.id, "editor", f"{made.uri}/invites/1")
    invited = project_documents.shown_to(tx, outside(bob), made)
    assert invited == projects.document(tx, made)
    assert project_documents.shown_to(tx, outside(office), made) == project_documents.stub(tx, made)
    for other in (head, robot, far_office):
        assert project_documents.shown_to(tx, outside(other), made) is None

    memberships.begin(tx, made.id, bob.id, "editor", f"{made.uri}/invites/1")
    assert project_documents.shown_to(tx, outside(bob), made) == projects.document(tx, made)
    memberships.end(tx, made.id, bob.id)
    assert project_documents.shown_to(tx, outside(bob), made) is None
    assert project_documents.shown_to(tx, outside(office), made) is None
    assert project_documents.shown_to(tx, Viewer(alice.id, local=True), made) is not None


def test_whoever_only_asks_from_outside_does_not_make_their_school_know(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    made = garden(tx, alice, private=True)
    office = colleague(tx, "actor", type="Application")
    memberships.ask(tx, made.id, bob.id, "editor", f"{bob.uri}/joins/1")

    assert project_documents.shown_to(tx, outside(office), made) is None


def test_the_roster_says_who_is_in_it_and_as_what(
    tx: Transaction, alice: Actor, bob: Actor, head: Actor
) -> None:
    made = garden(tx, alice, private=True)
    memberships.begin(tx, made.id, bob.id, "observer", f"{made.uri}/invites/1")
    memberships.invite(tx, made.id, head.id, "editor", f"{made.uri}/invites/2")
    since = "2026-09-01T08:30:00Z"

    assert projects.with_roster(tx, made)["members"] == {
        "type": "Collection",
        "id": f"{made.uri}/members",
        "totalItems": 2,
        "items": [
            {
                "type": "Relationship",
                "subject": made.uri,
                "relationship": "hasMember",
                "object": person.uri,
                "instrument": word,
                "startTime": since,
            }
            for person, word in ((bob, "visit"), (alice, "admin"))
        ],
    }
    assert len(projects.roster(tx, outside(bob), made, None, 40)) == 2
    assert projects.roster(tx, outside(head), made, None, 40) == []


def test_a_roster_goes_on_beyond_one_page(tx: Transaction, alice: Actor) -> None:
    made = garden(tx, alice)
    for number in range(90):
        somebody = colleague(tx, f"teacher{number}")
        memberships.begin(tx, made.id, somebody.id, "editor", f"{made.uri}/{number}")

    listed = projects.relationships(tx, made)
    assert len({member["object"] for member in listed}) == 91
    assert len(projects.relationships(tx, made, 85)) == 85


def test_a_lead_edits_what_the_project_says_of_itself(tx: Transaction, alice: Actor) -> None:
    made = garden(tx, alice, starts_at=AUTUMN, ends_at=SUMMER)
    changed = projects.edited(
        tx, made, {"id": made.uri, "name": " Our garden\n", "summary": "<b>", "endTime": None}
    )
    document = projects.document(tx, changed)

    assert (document["name"], document["summary"]) == ("Our garden", "<p>&lt;b&gt;</p>")
    assert (document["startTime"], document.get("endTime")) == ("2026-09-07T00:00:00Z", None)


@pytest.mark.parametrize(
    "said",
    [
        {"preferredUsername": "other"},
        {"members": "https://riverside.example/members"},
        {"attributedTo": []},
        {"openness": "everyone"},
        {"name": 7},
        {"summary": "x" * 5_001},
        {"startTime": "next week"},
        {"startTime": "2027-01-01T00:00:00Z", "endTime": "2026-01-01T00:00:00Z"},
    ],
    ids=repr,
)
def test_what_cannot_be_changed_of_a_project_is_refused_in_words(
    tx: Transaction, alice: Actor, said: dict[str, Any]
) -> None:
    made = garden(tx, alice)

    with pytest.raises(Malformed):
        projects.edited(tx, made, said)
    assert actors.by_id(tx, made.id) == made


def test_a_project_that_closes_is_followed_by_nobody_and_may_open_again(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    made = garden(tx, alice)
    follow(tx, bob, made)

    closed = projects.edited(tx, made, {"openness": "invite_only"})
    assert follows.count_followers(tx, made.id) == 0
    assert rows.hidden(tx, bob.id, closed)
    assert not {"followers", "featured"} & projects.document(tx, closed).keys()

    opened = projects.edited(tx, closed, {"openness": "moderated"})
    assert not rows.hidden(tx, bob.id, opened)
    assert projects.document(tx, opened)["followers"] == f"{made.uri}/followers"
    assert memberships.role(tx, made.id, alice.id) == "lead"


def test_a_private_project_is_known_to_whom_it_concerns_and_to_nobody_else(
    tx: Transaction, alice: Actor, head: Actor
) -> None:
    made = garden(tx, alice, private=True)

    assert projects.known(tx, made.uri, alice) == made
    assert projects.ours(tx, made.uri) == made
    refusals = []
    for uri in (made.uri, f"{tx.school.url}/projects/nothing", head.uri, None):
        with pytest.raises(Refused) as refused:
            projects.known(tx, uri, head)
        refusals.append(str(refused.value))
    assert set(refusals) == {"no such project"}
    for uri in (alice.uri, None, f"{tx.school.url}/projects/nothing"):
        with pytest.raises(Refused, match="no such project"):
            projects.ours(tx, uri)


# --- other schools' ----------------------------------------------------------------------------


def said(**changed: Any) -> dict[str, Any]:
    document = {
        "id": GARDEN,
        "type": "Group",
        "preferredUsername": "garden",
        "name": "School garden",
        "summary": "<p>Vegetables</p><script>x</script>",
        "inbox": f"{GARDEN}/inbox",
        "outbox": f"{GARDEN}/outbox",
        "members": f"{GARDEN}/members",
        "openness": "invite_only",
        "attributedTo": ["https://riverside.example/users/bob"],
        "startTime": "2026-09-07T00:00:00Z",
        "endTime": "soon",
    }
    return {name: value for name, value in (document | changed).items() if value is not None}


def bare() -> dict[str, Any]:
    return {"id": GARDEN, "type": "Group", "inbox": f"{GARDEN}/inbox"}


def test_whoever_serves_a_stub_is_hidden_from_all_who_are_not_in_it(
    tx: Transaction, alice: Actor
) -> None:
    kept = remote.save(tx, remote.fields(bare(), RULES), [])

    assert rows.hidden(tx, alice.id, kept)
    assert rows.hidden(tx, None, kept)


def test_a_stub_takes_nothing_away_of_what_the_project_told_us_itself(
    tx: Transaction, alice: Actor
) -> None:
    met = remote.save(tx, remote.fields(bare(), RULES), [])
    told = projects.keep_document(tx, met, said(), RULES)
    again = remote.save(tx, remote.fields(bare(), RULES), [])

    assert (told.name, told.summary) == ("School garden", "<p>Vegetables</p>")
    assert (again.name, again.summary, again.members) == (told.name, told.summary, told.members)
    assert json.loads(again.document) == json.loads(told.document)
    row = rows.get(tx, again.id)
    assert row is not None
    assert (row.openness, row.starts_at, row.ends_at) == ("private", AUTUMN, None)


def test_a_project_that_closed_since_is_hidden_when_its_school_says_so(
    tx: Transaction, alice: Actor
) -> None:
    kept = remote.save(tx, remote.fields(said(openness="moderated"), RULES), [])
    assert not rows.hidden(tx, alice.id, kept)

    remote.save(tx, remote.fields(bare(), RULES), [])
    assert rows.hidden(tx, alice.id, kept)


def test_what_a_project_says_of_itself_takes_no_key_away(tx: Transaction) -> None:
    kept = remote.save(tx, remote.fields(bare(), RULES), [])
    key = (f"{GARDEN}#main-key", "rsa", b"public")
    keys.replace_remote(tx, kept.id, [key])

    projects.keep_document(tx, kept, said(publicKey={"id": "x", "publicKeyPem": "y"}), RULES)
    assert [found.uri for found in keys.of_actor(tx, kept.id)] == [f"{GARDEN}#main-key"]


@pytest.mark.parametrize(
    "changed",
    [
        {"members": None},
        {"members": "https://oakfield.example/projects/garden/members"},
        {"type": "Person"},
        {"name": None, "preferredUsername": None},
        {"inbox": "https://hillside.example/inbox"},
    ],
    ids=repr,
)
def test_what_is_not_the_whole_of_a_project_is_not_kept(
    tx: Transaction, changed: dict[str, Any]
) -> None:
    met = remote.save(tx, remote.fields(bare(), RULES), [])

    with pytest.raises(Malformed):
        projects.keep_document(tx, met, said(**changed), RULES)
    assert actors.by_uri(tx, GARDEN) == met


@pytest.mark.parametrize(
    "uri",
    [
        "https://riverside.example/projects/meadow",
        "https://hillside.example/projects/garden",
        "https://Riverside.example/projects/garden",
        "https://oakfield.example/projects/garden",
    ],
)
def test_a_project_says_nothing_of_another(tx: Transaction, alice: Actor, uri: str) -> None:
    ours = garden(tx, alice)
    met = remote.save(tx, remote.fields(bare(), RULES), [])
    of_another = said(id=uri, inbox=f"{uri}/inbox", members=f"{uri}/members")

    with pytest.raises(Refused):
        projects.keep_document(tx, met, of_another, RULES)
    with pytest.raises(Refused):
        projects.keep_document(tx, ours, of_another, RULES)
    assert actors.by_uri(tx, uri) in (None, ours)
    assert projects.document(tx, ours)["openness"] == "moderated"
