"""A school can be found by whoever has an address of it, and says honestly what it is."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from storage import actors
from storage.database import Transaction
from tests.town import Town, TownSchool

SELF = "application/activity+json"


@pytest.fixture
async def oakfield(town: Town) -> TownSchool:
    school = await town.school("oakfield")
    await school.staff("lee", "Lee Okafor")
    return school


async def ask(school: TownSchool, query: str) -> tuple[int, dict[str, Any]]:
    """WebFinger as a stranger asks, unsigned."""
    reply = await school.get(f"/.well-known/webfinger{query}", accept="application/jrd+json")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    return reply.status, reply.json if reply.status == 200 else {}


def self_link(jrd: dict[str, Any]) -> str:
    links = [link for link in jrd["links"] if link["rel"] == "self" and link["type"] == SELF]
    assert len(links) == 1
    return str(links[0]["href"])


async def test_a_handle_leads_to_its_actor(oakfield: TownSchool) -> None:
    status, jrd = await ask(oakfield, "?resource=acct:lee@oakfield.example")

    assert status == 200
    assert jrd["subject"] == "acct:lee@oakfield.example"
    assert self_link(jrd) == "https://oakfield.example/users/lee"
    assert "https://oakfield.example/@lee" in jrd["aliases"]


@pytest.mark.parametrize(
    "resource",
    [
        "acct:LEE@Oakfield.Example",
        "acct%3Alee%40oakfield.example",
        "acct:@lee@oakfield.example",
        "lee@oakfield.example",
        "https://oakfield.example/users/lee",
        "https://oakfield.example/@lee",
        "https://OAKFIELD.example/@Lee",
        "acct:lee@oakfield.example&rel=self",
    ],
)
async def test_every_way_to_write_it_leads_to_the_same_actor(
    oakfield: TownSchool, resource: str
) -> None:
    status, jrd = await ask(oakfield, f"?resource={resource}")

    assert status == 200
    assert jrd["subject"] == "acct:lee@oakfield.example"
    assert self_link(jrd) == "https://oakfield.example/users/lee"


@pytest.mark.parametrize(
    "resource",
    [
        "acct:nobody@oakfield.example",
        "acct:lee@other.example",
        "https://other.example/users/lee",
        "https://oakfield.example/users/nobody",
        "https://oakfield.example/objects/1",
    ],
)
async def test_nobody_is_found_where_nobody_is(oakfield: TownSchool, resource: str) -> None:
    assert (await ask(oakfield, f"?resource={resource}"))[0] == 404


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?resource=",
        "?resource=lee",
        "?resource=acct:lee",
        "?resource=acct:@oakfield.example",
        "?resource=acct:l%00e@oakfield.example",
        "?resource=https://[",
        "?resource=https://oakfield.example:8443/users/lee",
        "?resource=https://127.0.0.1/users/lee",
        "?resource=acct:lee@oakfield.example&resource=acct:eve@oakfield.example",
        f"?resource=acct:{'l' * 3000}@oakfield.example",
    ],
)
async def test_a_question_that_cannot_be_read_is_refused(oakfield: TownSchool, query: str) -> None:
    assert (await ask(oakfield, query))[0] == 400


async def test_webfinger_is_only_read(oakfield: TownSchool) -> None:
    url = f"{oakfield.url}/.well-known/webfinger?resource=acct:lee@oakfield.example"
    assert (await oakfield.request("POST", url, headers={})).status == 405


async def test_a_suspended_member_of_staff_is_not_found(oakfield: TownSchool) -> None:
    def suspend(tx: Transaction) -> None:
        lee = actors.local_by_username(tx, "lee")
        assert lee is not None
        actors.update_local(tx, lee.id, state="suspended")

    await oakfield.write(suspend)
    assert (await ask(oakfield, "?resource=acct:lee@oakfield.example"))[0] == 404


async def test_the_school_and_the_actor_that_signs_for_it_are_found(oakfield: TownSchool) -> None:
    _, instance = await ask(oakfield, "?resource=acct:oakfield.example@oakfield.example")
    assert self_link(instance) == "https://oakfield.example/actor"
    _, school = await ask(oakfield, "?resource=acct:school@oakfield.example")
    assert self_link(school) == "https://oakfield.example/school"


async def test_the_address_of_the_school_leads_to_the_actor_that_signs_for_it(
    oakfield: TownSchool,
) -> None:
    status, jrd = await ask(oakfield, "?resource=https://oakfield.example/")

    assert status == 200
    services = [link["href"] for link in jrd["links"] if link["rel"].endswith("#Service")]
    assert services == ["https://oakfield.example/actor"]


async def test_host_meta_names_the_webfinger_address(oakfield: TownSchool) -> None:
    reply = await oakfield.get("/.well-known/host-meta", accept="*/*")

    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/xrd+xml")
    assert 'template="https://oakfield.example/.well-known/webfinger?resource={uri}"' in reply.text


async def test_nodeinfo_is_linked_and_counts_only_our_own_people(oakfield: TownSchool) -> None:
    links = (await oakfield.get("/.well-known/nodeinfo", accept="*/*")).json["links"]
    hrefs = {link["rel"]: link["href"] for link in links}
    assert hrefs["https://www.w3.org/ns/activitystreams#Application"].endswith("/actor")
    reply = await oakfield.get(hrefs["http://nodeinfo.diaspora.software/ns/schema/2.1"])

    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    found = reply.json
    assert found["version"] == "2.1"
    assert found["software"]["name"] == "staffroom"
    assert found["protocols"] == ["activitypub"]
    assert found["openRegistrations"] is False
    assert found["usage"] == {
        "users": {"total": 1, "activeMonth": 0, "activeHalfyear": 0},
        "localPosts": 0,
    }


async def test_nodeinfo_counts_what_everybody_may_see(oakfield: TownSchool) -> None:
    sam = await oakfield.staff("sam")
    await sam.say("Good morning")
    await sam.say("For you only", to="https://oakfield.example/users/lee")
    usage = (await oakfield.get("/nodeinfo/2.1")).json["usage"]

    assert usage["localPosts"] == 1
    assert usage["users"] == {"total": 2, "activeMonth": 1, "activeHalfyear": 1}


async def test_nodeinfo_has_the_shape_of_its_schema(oakfield: TownSchool) -> None:
    vectors = os.environ.get("STAFFROOM_VECTORS", "")
    schema = Path(vectors).parent / "discovery" / "nodeinfo" / "2.1-schema.json"
    if not vectors or not schema.is_file():
        pytest.skip("STAFFROOM_VECTORS does not lead to the NodeInfo schema")
    found = (await oakfield.get("/nodeinfo/2.1")).json

    jsonschema.Draft4Validator(json.loads(schema.read_text("utf-8"))).validate(found)
