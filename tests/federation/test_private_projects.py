"""A private project is there for whom it concerns, person by person; for everybody else there is
nothing, byte for byte."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors import handles, local, projects, remote
from federation.errors import Gone
from storage import actors, memberships
from storage import projects as rows
from storage.actors import Actor
from storage.database import Transaction
from tests.federation.test_access import told
from tests.town import HTML, Foreigner, Person, Reply, Town, TownSchool

HIDDEN, MISSING = "garden-7f3a", "meadow-9b2c"
SURFACES = (
    "/projects/{}",
    "/projects/{}/outbox",
    "/projects/{}/outbox?page=first",
    "/projects/{}/followers",
    "/projects/{}/followers?page=first",
    "/projects/{}/featured",
    "/projects/{}/members",
    "/projects/{}/members?page=first",
    "/projects/{}/inbox",
    "/@{}",
    "/users/{}",
    "/users/{}/outbox",
    "/users/{}/inbox",
    "/.well-known/webfinger?resource=acct:{}@oakfield.example",
    "/.well-known/webfinger?resource=https://oakfield.example/projects/{}",
    "/.well-known/webfinger?resource=https://oakfield.example/@{}",
)
# What a member of a school elsewhere may read, and whom it is invited to of it.
READ = ("/projects/{}", "/projects/{}/outbox", "/projects/{}/featured", "/projects/{}/members")

Ask = Callable[[str], Awaitable[Reply]]


def found(tx: Transaction, owner_id: int, slug: str, openness: str) -> Actor:
    owner = actors.by_id(tx, owner_id)
    assert owner is not None
    return projects.create(
        tx,
        slug=slug,
        name="School garden",
        owner=owner,
        openness="private" if openness == "private" else "open",
    )


def invite(tx: Transaction, project: Actor, uri: str) -> None:
    person = actors.by_uri(tx, uri)
    assert person is not None
    memberships.invite(tx, project.id, person.id, "editor", f"{project.uri}/invites/{person.id}")


def admit(tx: Transaction, project: Actor, uri: str) -> None:
    person = actors.by_uri(tx, uri)
    assert person is not None
    memberships.begin(tx, project.id, person.id, "editor", f"{project.uri}/invites/{person.id}")


def part(tx: Transaction, project: Actor, uri: str) -> None:
    person = actors.by_uri(tx, uri)
    assert person is not None
    assert memberships.end(tx, project.id, person.id)


def bury(tx: Transaction, project: Actor) -> None:
    actors.bury(tx, project.id)


async def nothing_there(ask: Ask) -> None:
    """That reader cannot tell the project from one that never was, on any surface."""
    for surface in SURFACES:
        there, never = [told(await ask(surface.format(slug))) for slug in (HIDDEN, MISSING)]
        # The address to go on to holds the name that was asked for, whoever has it.
        assert str(there).replace(HIDDEN, MISSING) == str(never), surface
        assert there[0] in (303, 401, 404, 405), surface


def as_(school: TownSchool, person: Person | None) -> Ask:
    return lambda path: school.get(path, as_=person)


def signed(school: TownSchool, foreigner: Foreigner) -> Ask:
    return lambda path: foreigner.get(school.url + path)


async def statuses(ask: Ask, slug: str = HIDDEN) -> list[int]:
    return [(await ask(surface.format(slug))).status for surface in READ]


@pytest.mark.parametrize("mode", ["network", "open"])
async def test_a_private_project_is_there_for_its_people_and_for_nobody_else(
    town: Town, mode: Any
) -> None:
    oakfield = await town.school("oakfield", mode=mode)
    alice, dan = await oakfield.staff("alice"), await oakfield.staff("dan")
    hillside = await town.stranger("hillside")
    bob, colleague, office = map(hillside.person, ("bob", "colleague", "office"))
    office.document["type"] = "Application"
    outsiders = [as_(oakfield, dan), signed(oakfield, colleague)]
    unsigned = as_(oakfield, None)
    project = await oakfield.write(found, alice.id, HIDDEN, "private")

    # Nobody was asked yet.
    for ask in (*outsiders, signed(oakfield, bob), signed(oakfield, office), unsigned):
        await nothing_there(ask)
    assert await statuses(as_(oakfield, alice)) == [200] * 4

    # An invitation is for one person, and their school gets what signatures need.
    await oakfield.write(invite, project, bob.uri)
    assert await statuses(signed(oakfield, bob)) == [200, 200, 200, 404]
    stub = await office.get(project.uri)
    needed = {"@context", "id", "type", "inbox", "publicKey", "assertionMethod"}
    assert stub.json.keys() == needed
    assert await statuses(signed(oakfield, office)) == [200, 404, 404, 404]
    for ask in (*outsiders, unsigned):
        await nothing_there(ask)

    # A member sees who is in it.
    await oakfield.write(admit, project, bob.uri)
    whole = await bob.get(project.uri)
    assert (whole.json["name"], whole.headers["Cache-Control"]) == (
        "School garden",
        "private, no-store",
    )
    page = (await bob.get(f"{project.members}?page=first")).json
    assert [(one["object"], one["instrument"]) for one in page["orderedItems"]] == [
        (bob.uri, "write"),
        (alice.uri, "admin"),
    ]
    for ask in (*outsiders, unsigned):
        await nothing_there(ask)

    # When the last one of a school has left, it is gone for that school too, at once.
    await oakfield.write(part, project, bob.uri)
    for ask in (signed(oakfield, bob), signed(oakfield, office)):
        await nothing_there(ask)

    # And when it is over, nobody learns that it ever was.
    await oakfield.write(bury, project)
    for ask in (*outsiders, signed(oakfield, bob), unsigned):
        await nothing_there(ask)


async def test_the_inbox_of_a_private_project_is_there_only_for_its_people_as_it_is_now(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    hillside = await town.stranger("hillside")
    bob, colleague = hillside.person("bob"), hillside.person("colleague")
    project = await oakfield.write(found, alice.id, HIDDEN, "private")
    never = f"{oakfield.url}/projects/{MISSING}/inbox"

    async def knock(person: Foreigner) -> list[int]:
        """How many doors open: the project's, and one that never was; else byte for byte."""
        leave = person.activity("Leave", project.uri, to=[project.uri], cc=[])
        there, missing = await person.send(project.inbox, leave), await person.send(never, leave)
        assert missing.status == 404
        if there.status == 404:
            assert told(there) == told(missing)
        return [there.status, missing.status]

    assert await knock(bob) == [404, 404]
    await oakfield.write(invite, project, bob.uri)
    assert await knock(bob) == [202, 404]
    assert await knock(colleague) == [404, 404]
    await oakfield.write(part, project, bob.uri)
    assert await knock(bob) == [404, 404]
    users = f"{oakfield.url}/users/{HIDDEN}/inbox"
    assert (await bob.send(users, bob.activity("Leave", project.uri))).status == 404


async def test_an_open_project_is_there_for_everybody_and_has_a_name(town: Town) -> None:
    oakfield = await town.school("oakfield", mode="open")
    riverside = await town.school("riverside")
    alice = await oakfield.staff("alice")
    project = await oakfield.write(found, alice.id, "garden-plot", "open")

    document = (await oakfield.get(project.uri)).json
    assert (document["openness"], document["attributedTo"]) == ("moderated", [alice.uri])
    card = "/.well-known/webfinger?resource=acct:Garden-plot@oakfield.example"
    assert project.uri in (await oakfield.get(card)).text
    assert (await oakfield.get("/@garden-plot")).headers["Location"] == project.uri
    assert (await oakfield.get("/@nobody")).headers["Location"] == f"{oakfield.url}/users/nobody"
    for list_ in ("outbox", "followers", "featured"):
        assert (await oakfield.get(f"{project.uri}/{list_}")).status == 200

    # Who is in it is for those who say who they are; a robot learns how many.
    members = f"{project.uri}/members"
    assert (await oakfield.get(f"{members}?page=first")).status == 401
    assert "first" not in (await oakfield.get(members)).json
    assert (await oakfield.get(members)).json["totalItems"] == 1
    listed = await oakfield.collection(members, signed_by=riverside)
    assert [member["object"] for member in listed] == [alice.uri]

    # Another school finds it by its handle, and knows that it is open.
    kept = await handles.find(riverside.server, "!garden-plot@oakfield.example")
    assert (kept.uri, kept.members, kept.name) == (project.uri, members, "School garden")
    assert await riverside.read(_openness, kept.id) == "open"


def _openness(tx: Transaction, actor_id: int) -> str | None:
    row = rows.get(tx, actor_id)
    return None if row is None else row.openness


async def test_no_handle_leads_to_a_private_project(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    project = await oakfield.write(found, alice.id, HIDDEN, "private")
    here = await riverside.write(found, bob.id, "meadow", "private")
    await remote.actor(oakfield.server, bob.uri)
    await oakfield.write(invite, project, bob.uri)
    # Riverside has read what it needs to check signatures.
    kept = await remote.actor(riverside.server, project.uri)
    assert (kept.name, kept.uri) == (HIDDEN, project.uri)

    for slug, host in ((HIDDEN, "oakfield"), (MISSING, "oakfield"), ("meadow", "riverside")):
        with pytest.raises(Gone) as gone:
            await handles.find(riverside.server, f"@{slug}@{host}.example")
        assert gone.value.status == 404
    assert await riverside.read(_openness, kept.id) == "private"
    assert here.uri == f"{riverside.url}/projects/meadow"


async def test_a_member_reads_the_project_with_their_own_key_and_a_colleague_does_not(
    town: Town,
) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    dave = await riverside.staff("dave")
    project = await oakfield.write(found, alice.id, HIDDEN, "private")
    await remote.actor(oakfield.server, bob.uri)
    await oakfield.write(admit, project, bob.uri)

    async def read_as(person: Person) -> int:
        signer = await riverside.read(_signer, person.uri)
        return (await oakfield.get(project.uri, signed_by=signer)).status

    assert (await read_as(bob), await read_as(dave)) == (200, 404)
    reply = await oakfield.get(project.uri, signed_by=riverside)
    assert "name" not in reply.json
    assert (await oakfield.get("/nodeinfo/2.1")).json["usage"]["users"]["total"] == 1


def _signer(tx: Transaction, uri: str) -> Any:
    return local.signer(tx, local.ours(tx, uri))


async def test_a_page_of_a_private_project_is_the_page_of_nothing(town: Town) -> None:
    oakfield = await town.school("oakfield", mode="open")
    alice = await oakfield.staff("alice")
    await oakfield.write(found, alice.id, HIDDEN, "private")

    async def look(path: str) -> Reply:
        return await oakfield.get(path, accept=HTML)

    for surface in ("/projects/{}", "/@{}", "/users/{}"):
        there, never = [told(await look(surface.format(slug))) for slug in (HIDDEN, MISSING)]
        assert str(there).replace(HIDDEN, MISSING) == str(never), surface
        assert there[0] == 404
