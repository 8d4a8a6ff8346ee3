"""Handles: a business card leads to the right person, whoever else lays claim to the name."""

from typing import Any

import pytest
from aiohttp import web

from federation import webfinger
from federation.addresses import Rules
from federation.errors import Gone, Malformed, Refused, Unreachable
from tests.unit.neighbourhood import ACTIVITY, ONE_MACHINE, Neighbourhood, always


def link(actor: str, media_type: str = ACTIVITY, **more: Any) -> dict[str, Any]:
    return {"rel": "self", "type": media_type, "href": actor, **more}


async def finger(
    near: Neighbourhood, host: str, said: dict[str, tuple[str, Any]], **more: str
) -> None:
    """A server that answers for these handles (`name@host`) with a subject and links."""

    async def answer(request: web.BaseRequest) -> web.Response:
        resource = request.query.get("resource", "")
        if request.path != "/.well-known/webfinger" or resource[5:] not in said:
            return web.Response(status=404)
        subject, links = said[resource[5:]]
        links = [link(links)] if isinstance(links, str) else links
        return web.json_response(
            {"subject": subject, "links": links},
            content_type=more.get("content_type", "application/jrd+json"),
        )

    await near.house(host, answer)


LEE = "http://oakfield.example/users/lee"
KNOWN: dict[str, tuple[str, Any]] = {"lee@oakfield.example": ("acct:lee@oakfield.example", LEE)}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("@lee@oakfield.example", ("lee", "oakfield.example")),
        ("lee@OakField.Example:443", ("lee", "oakfield.example")),
        ("acct:Lee.B_1-2@oakfield.example", ("Lee.B_1-2", "oakfield.example")),
        ("ACCT:@lee@bücher.example", ("lee", "xn--bcher-kva.example")),
        (" @lee@oakfield.example ", ("lee", "oakfield.example")),
    ],
)
def test_a_handle_as_people_write_it(typed: str, found: tuple[str, str]) -> None:
    assert webfinger.handle(typed, Rules()) == found


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "lee",
        "@lee",
        "lee@",
        "@@oakfield.example",
        "lee@bo@oakfield.example",
        "lee@localhost",
        "lee@127.0.0.1",
        "lee/../x@oakfield.example",
        "lee?x=1@oakfield.example",
        "le e@oakfield.example",
        "lee@oakfield.example/users",
        "l" * 101 + "@oakfield.example",
    ],
)
def test_what_is_no_handle(typed: str) -> None:
    with pytest.raises(Malformed):
        webfinger.handle(typed, Rules())


async def test_a_person_is_found_by_handle_whatever_the_letter_case(near: Neighbourhood) -> None:
    await finger(
        near, "oakfield.example", {"Lee@oakfield.example": ("acct:lee@OakField.example", LEE)}
    )
    assert (await webfinger.look_up(near.client(), "Lee", "oakfield.example")).actor == LEE
    assert len(near.heard) == 1


@pytest.mark.parametrize(
    "links",
    [
        [link("http://oakfield.example/@lee", "text/html"), link(LEE)],
        [link(LEE, 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"')],
        [{"rel": "http://ostatus.org/schema/1.0/subscribe", "template": "x"}, link(LEE), None, 7],
        [
            link("http://oakfield.example/c/lee", properties={webfinger._KIND: "Group"}),
            link(LEE, properties={webfinger._KIND: "Person"}),
        ],
    ],
)
async def test_the_link_to_the_actor_is_chosen(near: Neighbourhood, links: list[Any]) -> None:
    said = {"lee@oakfield.example": ("acct:lee@oakfield.example", links)}
    await finger(near, "oakfield.example", said)
    assert (await webfinger.look_up(near.client(), "lee", "oakfield.example")).actor == LEE


@pytest.mark.parametrize(
    ("subject", "links"),
    [
        ("lee@oakfield.example", LEE),
        ("http://oakfield.example/users/lee", LEE),
        ("acct:lee", LEE),
        (None, LEE),
        ("acct:lee@oakfield.example", []),
        ("acct:lee@oakfield.example", [link("javascript:alert(1)")]),
        ("acct:lee@oakfield.example", [link("http://oakfield.example/@lee", "text/html")]),
        ("acct:lee@oakfield.example", [{"rel": "self", "type": ACTIVITY, "href": 7}]),
    ],
)
async def test_an_answer_that_names_nobody_is_refused(
    near: Neighbourhood, subject: Any, links: Any
) -> None:
    await finger(near, "oakfield.example", {"lee@oakfield.example": (subject, links)})
    with pytest.raises(Malformed):
        await webfinger.look_up(near.client(), "lee", "oakfield.example")


async def test_an_answer_of_another_type_is_refused(near: Neighbourhood) -> None:
    said = KNOWN
    await finger(near, "oakfield.example", said, content_type="text/plain")
    with pytest.raises(Malformed):
        await webfinger.look_up(near.client(), "lee", "oakfield.example")


async def test_nobody_of_that_name(near: Neighbourhood) -> None:
    await finger(near, "oakfield.example", {})
    with pytest.raises(Gone):
        await webfinger.look_up(near.client(), "lee", "oakfield.example")
    await near.house("down.example", always(503))
    with pytest.raises(Unreachable):
        await webfinger.look_up(near.client(), "lee", "down.example")


async def test_a_school_whose_handles_are_shorter_than_its_servers_name(
    near: Neighbourhood,
) -> None:
    actor = "http://social.oakfield.example/users/lee"
    said = {"lee@oakfield.example": ("acct:lee@oakfield.example", actor)}
    await finger(near, "oakfield.example", said)
    at_home = {"lee@social.oakfield.example": ("acct:lee@oakfield.example", actor)}
    await finger(near, "social.oakfield.example", at_home)
    client = near.client()
    assert (await webfinger.look_up(client, "lee", "oakfield.example")).actor == actor
    assert (await webfinger.look_up(client, "lee", "social.oakfield.example")).actor == actor
    assert len(near.heard) == 4


async def test_nobody_takes_a_victims_handle_for_an_actor_of_their_own(near: Neighbourhood) -> None:
    evil = "http://evil.example/users/x"
    await finger(near, "evil.example", {"x@evil.example": ("acct:lee@oakfield.example", evil)})
    await finger(near, "oakfield.example", KNOWN)
    with pytest.raises(Refused):
        await webfinger.look_up(near.client(), "x", "evil.example")


async def test_nobody_hangs_their_handle_on_a_victim(near: Neighbourhood) -> None:
    await finger(near, "evil.example", {"lee@evil.example": ("acct:lee@evil.example", LEE)})
    await finger(near, "oakfield.example", KNOWN)
    with pytest.raises(Refused):
        await webfinger.look_up(near.client(), "lee", "evil.example")


async def test_two_servers_cannot_speak_for_a_third(near: Neighbourhood) -> None:
    said = {"x@evil.example": ("acct:x@other.example", LEE)}
    await finger(near, "evil.example", said)
    await finger(near, "other.example", {"x@other.example": ("acct:x@other.example", LEE)})
    with pytest.raises(Refused):
        await webfinger.look_up(near.client(), "x", "evil.example")


async def test_one_hop_more_and_no_further(near: Neighbourhood) -> None:
    actor = "http://a.example/users/x"
    await finger(near, "a.example", {"x@a.example": ("acct:x@b.example", actor)})
    await finger(near, "b.example", {"x@b.example": ("acct:x@c.example", actor)})
    await finger(near, "c.example", {"x@c.example": ("acct:x@c.example", actor)})
    with pytest.raises(Refused):
        await webfinger.look_up(near.client(), "x", "a.example")
    assert len(near.heard) == 2


async def test_schools_on_one_machine_are_found_over_http(near: Neighbourhood) -> None:
    port = await near.house("localhost", always(404))
    with pytest.raises(Gone):
        await webfinger.look_up(near.client(), "lee", f"localhost:{port}")
    assert near.heard[0].url.startswith(f"http://localhost:{port}/.well-known/webfinger?resource=")


def test_https_alone_where_nobody_allowed_anything_else() -> None:
    assert webfinger._schemes("localhost:8001", Rules()) == ["https"]
    assert webfinger._schemes("localhost:8001", ONE_MACHINE) == ["http", "https"]
    assert webfinger._schemes("oakfield.example", ONE_MACHINE) == ["https", "http"]


def test_what_we_say_of_our_own_people() -> None:
    card = webfinger.jrd(
        "acct:lee@oakfield.example",
        "https://oakfield.example/users/lee",
        "https://oakfield.example/@lee",
    )
    assert card["subject"] == "acct:lee@oakfield.example"
    assert set(card["aliases"]) == {
        "https://oakfield.example/users/lee",
        "https://oakfield.example/@lee",
    }
    assert {"rel": "self", "type": ACTIVITY, "href": "https://oakfield.example/users/lee"} in card[
        "links"
    ]
    assert card["links"][-1]["href"] == "https://oakfield.example/@lee"
