"""A teacher comes from a server of another make, or goes to one, and keeps everybody.

Mastodon, GoToSocial, Akkoma, Misskey and WordPress each say it in documents of their own; the
shapes here were written for this test after what these servers send.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from storage import actors, follows
from storage.database import Transaction
from tests.storage import people
from tests.town import Foreigner, Person, Stranger, Town, TownSchool

Document = dict[str, Any]


@dataclass(frozen=True)
class Make:
    """How servers of one make say that somebody moved, and list whom somebody follows."""

    move: Callable[[Foreigner, str], Document]
    following: Callable[[Foreigner, list[str]], dict[str, Document]]  # by path
    aliases: Callable[[str], Any]


def _pages(first: str) -> Callable[[Foreigner, list[str]], dict[str, Document]]:
    """A collection whose first page is at that query; every page holds one."""

    def serve(who: Foreigner, followed: list[str]) -> dict[str, Document]:
        whole = f"{who.uri}/following"
        path = whole.removeprefix(who.home.url)
        found: dict[str, Document] = {
            path: {
                "@context": "https://www.w3.org/ns/activitystreams",
                "id": whole,
                "type": "OrderedCollection",
                "totalItems": len(followed),
                "first": f"{whole}/{first}1",
            }
        }
        for number, uri in enumerate(followed, 1):
            page: Document = {
                "@context": "https://www.w3.org/ns/activitystreams",
                "id": f"{whole}/{first}{number}",
                "type": "OrderedCollectionPage",
                "partOf": whole,
                "orderedItems": [uri],
            }
            if number < len(followed):
                page["next"] = f"{whole}/{first}{number + 1}"
            found[f"{path}/{first}{number}"] = page
        return found

    return serve


def _whole(who: Foreigner, followed: list[str]) -> dict[str, Document]:
    """All in one piece, as small servers do it."""
    whole = f"{who.uri}/following"
    return {
        whole.removeprefix(who.home.url): {
            "@context": "https://www.w3.org/ns/activitystreams",
            "id": whole,
            "type": "OrderedCollection",
            "totalItems": len(followed),
            "orderedItems": followed,
        }
    }


def _embedded(who: Foreigner, followed: list[str]) -> dict[str, Document]:
    """The first page inside the collection."""
    found = _whole(who, followed)
    (whole,) = found.values()
    whole["first"] = {
        "id": f"{whole['id']}?page=1",
        "type": "OrderedCollectionPage",
        "partOf": whole["id"],
        "orderedItems": whole.pop("orderedItems"),
    }
    return found


def _mastodon(who: Foreigner, target: str) -> Document:
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{who.uri}#moves/7",
        "type": "Move",
        "actor": who.uri,
        "object": who.uri,
        "target": target,
        "to": f"{who.uri}/followers",
    }


def _gotosocial(who: Foreigner, target: str) -> Document:
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "actor": who.uri,
        "id": f"{who.uri}/moves/01HRS8ZJ9YF5VFNFRT1B8X2F3Q",
        "object": who.uri,
        "target": target,
        "to": f"{who.uri}/followers",
        "type": "Move",
    }


def _akkoma(who: Foreigner, target: str) -> Document:
    return {
        "@context": [
            "https://www.w3.org/ns/activitystreams",
            f"{who.home.url}/schemas/litepub-0.1.jsonld",
            {"@language": "und"},
        ],
        "type": "Move",
        "id": f"{who.home.url}/activities/5b7d0e6e-move",
        "actor": who.uri,
        "object": who.uri,
        "target": target,
        "to": [f"{who.uri}/followers"],
        "cc": [],
        "bcc": [],
    }


def _misskey(who: Foreigner, target: str) -> Document:
    return {
        "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"],
        "id": f"{who.home.url}/moves/{who.username}/9h2",
        "actor": who.uri,
        "type": "Move",
        "object": who.uri,
        "target": target,
    }


def _wordpress(who: Foreigner, target: str) -> Document:
    return {
        "@context": ["https://www.w3.org/ns/activitystreams"],
        "id": f"{who.uri}#activity-move-2026-11-24T10:00:00Z",
        "type": "Move",
        "actor": who.uri,
        "origin": who.uri,
        "object": who.uri,
        "target": target,
        "to": ["https://www.w3.org/ns/activitystreams#Public"],
        "cc": [f"{who.uri}/followers"],
    }


def _many(uri: str) -> list[str]:
    return ["https://elsewhere.example/users/another", uri]


MAKES = {
    "mastodon": Make(_mastodon, _pages("page-"), lambda uri: [uri]),
    "gotosocial": Make(_gotosocial, _embedded, lambda uri: [uri]),
    "akkoma": Make(_akkoma, _whole, _many),
    "misskey": Make(_misskey, _pages("p"), _many),
    "wordpress": Make(_wordpress, _whole, lambda uri: uri),
}


@dataclass
class Street:
    """Carol and Dave work at two schools; the stranger is of another make."""

    town: Town
    oakfield: TownSchool
    hillcrest: TownSchool
    stranger: Stranger
    carol: Person
    dave: Person


async def _street(town: Town) -> Street:
    oakfield = await town.school("oakfield.example")
    hillcrest = await town.school("hillcrest.example")
    stranger = await town.stranger("social.example")
    for school, others in (
        (oakfield, ("hillcrest.example", "social.example")),
        (hillcrest, ("oakfield.example", "social.example")),
    ):
        for host in others:
            await school.allow(host)
    carol, dave = await hillcrest.staff("carol"), await oakfield.staff("dave")
    return Street(town, oakfield, hillcrest, stranger, carol, dave)


async def _follow(street: Street, who: Person, whom: Foreigner) -> None:
    """One of ours follows a stranger, whose server says yes."""
    sent = await who.post({"type": "Follow", "object": whom.uri})
    await street.town.settle()
    yes = whom.activity(
        "Accept", {"id": sent, "type": "Follow", "actor": who.uri, "object": whom.uri}
    )
    await whom.send(f"{who.uri}/inbox", yes)
    await street.town.settle()


def _followed(tx: Transaction, who: Person) -> list[str]:
    return [one.uri for _, one in follows.following(tx, who.id, before=None, limit=40)]


@pytest.mark.parametrize("make", MAKES)
async def test_a_teacher_comes_from_another_server_and_everybody_follows_them_here(
    town: Town, make: str
) -> None:
    street = await _street(town)
    lee = street.stranger.person("lee")
    friend = street.stranger.person("friend")
    for path, document in MAKES[make].following(lee, [friend.uri, street.carol.uri]).items():
        street.stranger.documents[path] = document
    await _follow(street, street.carol, lee)
    await _follow(street, street.dave, lee)
    lee.document["movedTo"] = f"{street.oakfield.url}/users/lee"

    here = await street.oakfield.staff("lee")
    moved = MAKES[make].move(lee, here.uri)
    assert (await lee.send(street.oakfield.shared_inbox, moved)).status == 202
    await town.settle()
    assert await street.oakfield.read(_followed, street.dave) == [lee.uri]  # the alias is missing

    await street.oakfield.write(people.add_alias, here.id, lee.uri)
    moved["id"] += "-again"
    for inbox in (street.oakfield.shared_inbox, street.hillcrest.shared_inbox):
        assert (await lee.send(inbox, moved)).status == 202
    await town.settle()
    assert await street.hillcrest.read(_followed, street.carol) == [here.uri]
    assert await street.oakfield.read(_followed, street.dave) == [here.uri]
    asked = {one["object"] for one in street.stranger.activities("Follow")} - {lee.uri}
    assert asked == {friend.uri}
    assert await street.oakfield.read(_followed, here) == [street.carol.uri]
    assert lee.uri in [one["object"]["object"] for one in street.stranger.activities("Undo")]


# What differs is how the new account names the old: GoToSocial as Mastodon, Akkoma as Misskey.
@pytest.mark.parametrize("make", ["mastodon", "misskey", "wordpress"])
async def test_a_teacher_goes_to_another_server_whose_followers_understand_it(
    town: Town, make: str
) -> None:
    street = await _street(town)
    here = await street.oakfield.staff("lee")
    lee, fan = street.stranger.person("lee"), street.stranger.person("fan")
    follow = fan.activity("Follow", here.uri)
    assert (await fan.send(f"{here.uri}/inbox", follow)).status == 202
    await street.carol.post({"type": "Follow", "object": here.uri})
    await town.settle()

    move = {"type": "Move", "object": here.uri, "target": lee.uri}
    assert (await street.oakfield.post(here, move)).status in (400, 403)  # they do not say so
    lee.document["alsoKnownAs"] = MAKES[make].aliases(here.uri)
    await here.post(move)
    await town.settle()
    sent = street.stranger.activities("Move")
    assert {one["id"] for one in sent} == {sent[0]["id"]}
    said = sent[0]
    assert (said["actor"], said["object"], said["target"]) == (here.uri, here.uri, lee.uri)
    assert isinstance(said["to"], str | list)
    updates = street.stranger.activities("Update")
    assert updates[-1]["object"]["movedTo"] == lee.uri

    # Carol's school asks to follow the new one; the fan's server does as its make does.
    asked = {one["actor"] for one in street.stranger.activities("Follow")}
    assert street.carol.uri in asked
    assert await street.oakfield.read(_count, here) == 1  # the fan, who said nothing yet
    undo = fan.activity("Undo", {"type": "Follow", "actor": fan.uri, "object": here.uri})
    assert (await fan.send(street.oakfield.shared_inbox, undo)).status == 202
    await town.settle()
    assert await street.oakfield.read(_count, here) == 0
    moved_on = await street.oakfield.read(actors.by_uri, here.uri)
    assert moved_on is not None
    assert moved_on.moved_to == lee.uri


def _count(tx: Transaction, who: Person) -> int:
    return follows.count_followers(tx, who.id)
