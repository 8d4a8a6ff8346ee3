"""Who has that name, and what is that server: asked and answered as it is done out there.

`STAFFROOM_FIXTURES` names the folder with what servers answered (`_discovery`), beside which stand
the cases that a sound server and a sound client pass (`../discovery`). Names of hosts and people
are always read from the documents. Each ends as it must, or is refused with the reason.
"""

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema  # type: ignore[import-untyped]
import pytest
from aiohttp import web

from federation import host_meta, nodeinfo, webfinger
from federation.addresses import Rules
from federation.errors import Gone, Malformed, Refused
from federation.webfinger import Found
from tests.town import Stranger, Town, TownSchool
from tests.town.streets import Authority
from tests.wild.vectors import folder

FIXTURES = folder("STAFFROOM_FIXTURES")
if FIXTURES is None:
    pytest.skip("STAFFROOM_FIXTURES is not set: discovery skipped", allow_module_level=True)
ANSWERED = FIXTURES / "_discovery"
CASES = next(
    (
        place / "discovery"
        for place in (FIXTURES.parent, (folder("STAFFROOM_VECTORS") or FIXTURES).parent)
        if (place / "discovery").is_dir()
    ),
    None,
)
if CASES is None:
    pytest.skip("there are no discovery cases beside the fixtures", allow_module_level=True)
WEBFINGER: dict[str, Any] = json.loads((CASES / "webfinger-cases.json").read_text("utf-8"))

JRD = "application/jrd+json"
ACTIVITY = "application/activity+json"
HANDLE = re.compile(r"acct:(?P<name>[^@]+)@(?P<host>.+)")


class Kept(NamedTuple):
    """A file of the folder."""

    name: str
    text: str


def files(of: Path, count: int) -> pytest.MarkDecorator:
    """One test for each file in a folder that is known to hold so many."""
    found = [Kept(one.name, one.read_text("utf-8")) for one in sorted(of.iterdir())]
    assert len(found) == count, of
    return pytest.mark.parametrize("file", [pytest.param(one, id=one.name) for one in found])


def handle_of(document: dict[str, Any]) -> tuple[str, str]:
    """Name and host of the subject."""
    match = HANDLE.fullmatch(document["subject"])
    assert match is not None
    return match["name"], match["host"]


def actor_of(document: dict[str, Any]) -> str | None:
    """Where the ActivityPub self link leads, if there is one."""
    return next(
        (
            link["href"]
            for link in document["links"]
            if link.get("rel") == "self" and "activity" in str(link.get("type"))
        ),
        None,
    )


def host_of(url: str) -> str:
    return url.split("/")[2]


# --- asking others -----------------------------------------------------------------------------


class Asker:
    """Our school, which asks, and whoever is asked."""

    def __init__(self, town: Town, school: TownSchool) -> None:
        self.town = town
        self.school = school

    async def server(self, host: str) -> Stranger:
        if host not in self.town.strangers:
            return await self.town.stranger(host)
        return self.town.strangers[host]

    async def answers(self, host: str, name: str, said: Any, media_type: str = JRD) -> Stranger:
        """That server answers so when it is asked for this name at its own host."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return await self.replies(host, name, web.Response(body=body, content_type=media_type))

    async def replies(self, host: str, name: str, reply: web.Response) -> Stranger:
        server = await self.server(host)
        server.cards[f"acct:{name}@{host}"] = reply
        return server

    async def asks(self, name: str, host: str, **how: Any) -> Found:
        await self.server(host)
        client = self.school.server.client
        return await webfinger.look_up(client, name, host, **how)

    def questions(self) -> int:
        paths = [path for one in self.town.strangers.values() for path in one.fetched]
        return paths.count("/.well-known/webfinger")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def asker(authority: Authority, fresh_sqlite: Callable[[], str]) -> AsyncIterator[Asker]:
    async with Town(authority, fresh_sqlite) as town:
        yield Asker(town, await town.school("oakfield"))


# Answers that their own projects keep to show that they are refused.
FORGED = {"imposter-webfinger.json.json", "webfinger_spoof.json.json"}


def filled(text: str) -> str:
    """A template as the project that keeps it fills it in."""
    values = {
        "nickname": "graf",
        "domain": "pleroma.example",
        "subdomain": "social.pleroma.example",
    }
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


@files(ANSWERED / "webfinger", 12)
async def test_what_servers_answer_leads_to_the_actor_or_is_refused(
    asker: Asker, file: Kept
) -> None:
    document = json.loads(filled(file.text))
    name, host = handle_of(document)
    actor = actor_of(document)
    await asker.answers(host, name, document)
    if actor is None:
        with pytest.raises(Malformed, match="names no actor"):
            await asker.asks(name, host)
        return
    home = host_of(actor)
    if file.name in FORGED:
        # Asked for somebody there, that server speaks of somebody elsewhere, who is not known.
        mine = actor.rpartition("/")[2]
        await asker.answers(home, mine, document)
        del asker.town.strangers[host].cards[f"acct:{name}@{host}"]
        with pytest.raises(Refused, match="does not know them"):
            await asker.asks(mine, home)
        return
    expected = Found(actor, name, host)
    if home != host:
        await asker.server(home)
        with pytest.raises(Refused, match="does not know them"):
            await asker.asks(name, host)
        await asker.answers(home, name, document)
        assert await asker.asks(name, home) == expected
    assert await asker.asks(name, host) == expected


@files(ANSWERED / "webfinger-xml", 4)
async def test_answers_that_are_no_json_are_refused_by_their_type(asker: Asker, file: Kept) -> None:
    text, media_type = file.text, "application/xrd+xml"
    if text.startswith("{"):
        recorded = json.loads(text)
        text = recorded["body"]
        media_type = recorded["headers"]["content-type"].partition(";")[0]
    await asker.answers("old.example", "ana", text.encode(), media_type)
    with pytest.raises(Malformed, match=f"answers with {re.escape(media_type)}"):
        await asker.asks("ana", "old.example")


LINK = re.compile(r"<Link\b[^>]*?\brel=['\"]lrdd['\"][^>]*>")
PREFERRED = ("application/jrd+json", "application/json", "", "application/xrd+xml")


def template_in(text: str) -> str | None:
    """The template that is to be asked, as one finds it with the naked eye."""
    by_type: dict[str, str] = {}
    for link in LINK.findall(text):
        attributes = dict(re.findall(r"(\w+)=['\"]([^'\"]*)['\"]", link))
        by_type.setdefault(attributes.get("type", ""), attributes["template"])
    return next((by_type[kind] for kind in PREFERRED if kind in by_type), None)


@files(ANSWERED / "host-meta", 19)
def test_host_meta_names_whom_to_ask_or_is_refused(file: Kept) -> None:
    text = file.text
    expected = template_in(text)
    assert expected is not None
    if not expected.startswith("https://") or "{{" in expected:
        with pytest.raises(Malformed, match=r"not https|no business there|name of a host"):
            host_meta.template(text.encode(), Rules())
        expected = template_in(filled(text).replace("http://", "https://"))
        text = text.replace('template="http://', 'template="https://')
    assert host_meta.template(filled(text).encode(), Rules()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>Not found</body></html>",
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"/>',
        '<!DOCTYPE XRD [<!ENTITY a "aaaa">]><XRD>&a;</XRD>',
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">'
        '<Link rel="lrdd" template="https://b.example/ask"/></XRD>',
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">'
        '<Link rel="lrdd" template="https://127.0.0.1/?r={uri}"/></XRD>',
    ],
)
def test_host_meta_that_names_nobody_is_refused(text: str) -> None:
    for encoded in (text.encode(), text.encode("utf-16")):
        with pytest.raises(Malformed):
            host_meta.template(encoded, Rules())


def recorded(name: str) -> tuple[str, str]:
    """Media type and body of a recorded answer."""
    head, _, body = (ANSWERED / "recorded-responses" / name).read_text("utf-8").partition("\n\n")
    (media_type,) = re.findall(r"(?im)^content-type:\s*([^;\s]+)", head)
    return media_type, body


RECORDED = {
    "host-meta.txt",
    "localdomain-feed.txt",
    "localdomain-hostmeta.txt",
    "redirected.host-meta.txt",
    "webfinger-hacker1.txt",
    "webfinger-hacker3.txt",
    "webfinger.txt",
}


def test_every_recorded_answer_is_looked_at() -> None:
    assert {one.name for one in (ANSWERED / "recorded-responses").iterdir()} == RECORDED


async def test_a_recorded_answer_for_an_actor_elsewhere_counts_when_that_server_agrees(
    asker: Asker,
) -> None:
    media_type, body = recorded("webfinger.txt")
    document = json.loads(body)
    (name, host), actor = handle_of(document), actor_of(document)
    assert actor is not None
    home = host_of(actor)
    await asker.answers(host, name, document, media_type)
    await asker.server(home)
    with pytest.raises(Refused, match="does not know them"):
        await asker.asks(name, host)
    await asker.answers(home, name, document, media_type)
    assert await asker.asks(name, host) == Found(actor, name, host)


@pytest.mark.parametrize("file", ["webfinger-hacker1.txt", "webfinger-hacker3.txt"])
async def test_a_recorded_answer_without_an_actor_is_refused(asker: Asker, file: str) -> None:
    media_type, body = recorded(file)
    document = json.loads(body)
    name, host = handle_of(document)
    await asker.answers(host, name, document, media_type)
    with pytest.raises(Malformed, match="names no actor"):
        await asker.asks(name, host)


@pytest.mark.parametrize(
    "file", ["host-meta.txt", "localdomain-hostmeta.txt", "redirected.host-meta.txt"]
)
async def test_a_host_with_only_pages_says_who_answers_for_it(asker: Asker, file: str) -> None:
    media_type, body = recorded(file)
    there = host_of(str(template_in(body)))
    pages = await asker.server("pages.example")
    pages.documents["/.well-known/host-meta"] = web.Response(
        body=body.encode(), content_type=media_type
    )
    actor = f"https://{there}/users/ana"
    card = {
        "subject": "acct:ana@pages.example",
        "links": [{"rel": "self", "type": ACTIVITY, "href": actor}],
    }
    answering = await asker.answers(there, "ana", card)
    with pytest.raises(Gone):
        await asker.asks("ana", "pages.example")
    answering.cards["acct:ana@pages.example"] = answering.cards[f"acct:ana@{there}"]
    assert await asker.asks("ana", "pages.example") == Found(actor, "ana", "pages.example")
    # Whom we do not talk to is not asked either.
    await asker.school.block(there)
    with pytest.raises(Refused):
        await asker.asks("ana", "pages.example")


def test_a_recorded_feed_is_no_host_meta() -> None:
    media_type, body = recorded("localdomain-feed.txt")
    assert media_type == "application/atom+xml"
    with pytest.raises(Malformed):
        host_meta.template(body.encode(), Rules())


# --- the cases for who asks --------------------------------------------------------------------


def dotted(text: str) -> str:
    """A name with a dot: without one it is no host that a school would talk to."""
    return re.sub(r"@(\w+)$", r"@\1.example", text)


async def elsewhere(asker: Asker, case: dict[str, Any]) -> None:
    name, host = handle_of({"subject": case["asked"]})
    answer = case["answer"]
    if dotted(answer["subject"]) != answer["subject"]:
        await asker.answers(host, name, answer)
        with pytest.raises(Malformed):
            await asker.asks(name, host)
        answer = {**answer, "subject": dotted(answer["subject"])}
    other_name, other = handle_of(answer)
    await asker.answers(host, name, answer)
    await asker.server(other)
    with pytest.raises(Refused, match="does not know them"):
        await asker.asks(name, host)
    links = [{"rel": "self", "type": ACTIVITY, "href": f"https://{other}/users/eve"}]
    await asker.answers(other, other_name, {**answer, "links": links})
    with pytest.raises(Refused, match="do not agree"):
        await asker.asks(name, host)
    await asker.answers(other, other_name, answer)
    before = asker.questions()
    found = await asker.asks(name, host)
    assert found == Found(str(actor_of(answer)), other_name, other)
    assert asker.questions() == before + 2


async def plain(asker: Asker, case: dict[str, Any]) -> None:
    name, host = handle_of(case["answer"])
    await asker.answers(host, name, case["answer"])
    assert (await asker.asks(name, host)).actor == actor_of(case["answer"])


async def split(asker: Asker, case: dict[str, Any]) -> None:
    (name, host), actor = handle_of(case["answer"]), str(actor_of(case["answer"]))
    await asker.answers(host, name, case["answer"])
    await asker.server(host_of(actor))
    with pytest.raises(Refused, match="does not know them"):
        await asker.asks(name, host)
    await asker.answers(host_of(actor), name, case["answer"])
    assert await asker.asks(name, host) == Found(actor, name, host)


async def namesakes(asker: Asker, case: dict[str, Any]) -> None:
    name, host = handle_of(case["answer"])
    by_kind = {
        next(iter(link["properties"].values())): link["href"] for link in case["answer"]["links"]
    }
    await asker.answers(host, name, case["answer"])
    assert (await asker.asks(name, host)).actor == by_kind["Person"]
    assert (await asker.asks(name, host, kind="Group")).actor == by_kind["Group"]
    assert webfinger.handle(f"!{name}@{host}", Rules()) == (name, host)


async def forged(asker: Asker, case: dict[str, Any]) -> None:
    name, host = handle_of({"subject": case["asked"]})
    victim, good = handle_of(case["answer"])
    await asker.answers(host, name, case["answer"])
    theirs = [{"rel": "self", "type": ACTIVITY, "href": f"https://{good}/users/{victim}"}]
    for card in ({**case["answer"], "links": theirs}, None):
        asker.town.strangers.get(good)
        if card is not None:
            await asker.answers(good, victim, card)
        else:
            (await asker.server(good)).cards.clear()
        with pytest.raises(Refused):
            await asker.asks(name, host)


async def redirected(asker: Asker, case: dict[str, Any]) -> None:
    def to(host: str) -> web.Response:
        where = f"https://{host}/.well-known/webfinger?resource=acct:ana@a.example"
        return web.Response(status=302, headers={"Location": where})

    card = {
        "subject": "acct:ana@a.example",
        "links": [{"rel": "self", "type": ACTIVITY, "href": "https://a.example/users/ana"}],
    }
    last = web.Response(body=json.dumps(card).encode(), content_type=JRD)
    for host, reply in (("a", to("b.example")), ("b", to("c.example")), ("c", to("d.example"))):
        (await asker.server(f"{host}.example")).cards["acct:ana@a.example"] = reply
    fourth = await asker.server("d.example")
    fourth.cards["acct:ana@a.example"] = last
    assert (await asker.asks("ana", "a.example")).host == "a.example"
    fourth.cards["acct:ana@a.example"] = to("e.example")
    with pytest.raises(Malformed, match="more than 3 redirects"):
        await asker.asks("ana", "a.example")
    plainly = {"Location": "http://a.example/"}
    fourth.cards["acct:ana@a.example"] = web.Response(status=302, headers=plainly)
    with pytest.raises(Malformed, match="not https"):
        await asker.asks("ana", "a.example")


async def by_host_meta(asker: Asker, case: dict[str, Any]) -> None:
    pages = await asker.server("pages.example")
    with pytest.raises(Gone):
        await asker.asks("ana", "pages.example")
    assert pages.fetched.count("/.well-known/host-meta") == 1
    pages.documents["/.well-known/host-meta"] = web.Response(
        body=b'<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">'
        b'<Link rel="lrdd" template="https://pages.example/who?is={uri}"/></XRD>'
    )
    pages.documents["/who"] = web.json_response(
        {
            "subject": "acct:ana@pages.example",
            "links": [{"rel": "self", "type": ACTIVITY, "href": "https://pages.example/ana"}],
        },
        content_type=JRD,
    )
    assert (await asker.asks("ana", "pages.example")).actor == "https://pages.example/ana"


async def unusable(asker: Asker, case: dict[str, Any]) -> None:
    await asker.answers("a.example", "ana", b"<!doctype html><title>Hello</title>", "text/html")
    with pytest.raises(Malformed, match="answers with text/html"):
        await asker.asks("ana", "a.example")
    await asker.answers("a.example", "ana", {"subject": "a" * 1024 * 1024})
    with pytest.raises(Malformed, match="larger than"):
        await asker.asks("ana", "a.example")


CLIENT = {
    "subject has another domain": elsewhere,
    "self link with ld+json": plain,
    "several self links": plain,
    "self link to another host": split,
    "Lemmy": namesakes,
    "hostile": forged,
    "redirect": redirected,
    "404": by_host_meta,
    "answer is HTML": unusable,
}


@pytest.mark.parametrize("case", WEBFINGER["client"], ids=lambda case: case["what"][:40])
async def test_a_sound_client(asker: Asker, case: dict[str, Any]) -> None:
    (check,) = (check for start, check in CLIENT.items() if case["what"].startswith(start))
    await check(asker, case)


def test_every_case_of_a_client_is_known() -> None:
    assert len(WEBFINGER["client"]) == len(CLIENT)


# --- being asked -------------------------------------------------------------------------------


async def test_a_sound_server(authority: Authority, fresh_sqlite: Callable[[], str]) -> None:
    cases = WEBFINGER["server"]
    assert len(cases) == 13
    name, host = handle_of({"subject": cases[0]["query"].partition("=")[2]})
    async with Town(authority, fresh_sqlite) as town:
        school = await town.school(host)
        lee = await school.staff(name)
        for case in cases:
            query = case.get("query")
            url = f"{school.url}/.well-known/webfinger"
            reply = await school.request(
                case.get("method", "GET"), url if query is None else f"{url}?{query}", headers={}
            )
            assert str(reply.status) in str(case["status"]).split(" or "), case
            if reply.status == 405:
                continue
            assert reply.headers["Access-Control-Allow-Origin"] == "*"
            if reply.status == 200:
                assert reply.headers["Content-Type"].partition(";")[0] == JRD
                theirs = f"acct:{host}@{host}" in str(query)
                assert reply.json["subject"] == f"acct:{host if theirs else name}@{host}"
                assert actor_of(reply.json) == (f"{school.url}/actor" if theirs else lee.uri)


# --- NodeInfo ----------------------------------------------------------------------------------

SCHEMAS = CASES / "nodeinfo"
VERSIONS = ("1.0", "1.1", "2.0", "2.1", "2.2")


def schema(version: str) -> Any:
    found = json.loads((SCHEMAS / f"{version}-schema.json").read_text("utf-8"))
    return jsonschema.validators.validator_for(found)(found)


@pytest.mark.parametrize("version", VERSIONS)
def test_nodeinfo_of_every_version_is_read(version: str) -> None:
    example = json.loads((SCHEMAS / f"{version}-example.json").read_text("utf-8"))
    schema(version).validate(example)
    node = nodeinfo.read(example)
    assert node.software == example["software"]["name"]
    assert node.version == example["software"]["version"]
    assert node.people == example["usage"]["users"].get("total")
    assert node.speaks_activitypub == ("activitypub" in json.dumps(example["protocols"]))


@files(ANSWERED / "nodeinfo", 7)
async def test_what_servers_say_of_themselves_is_read(asker: Asker, file: Kept) -> None:
    document = json.loads(file.text)
    if "links" in document:
        newest = max(document["links"], key=lambda link: link["rel"])
        assert nodeinfo.address(document, Rules()) == newest["href"]
        return
    server = await asker.server("some.example")
    rel = f"http://nodeinfo.diaspora.software/ns/schema/{document['version']}"
    server.documents["/.well-known/nodeinfo"] = web.json_response(
        {"links": [{"rel": rel, "href": "https://some.example/nodeinfo"}]}
    )
    server.documents["/nodeinfo"] = web.json_response(document)
    node = await nodeinfo.ask(asker.school.server.client, "some.example")
    assert node.software == document["software"]["name"]
    assert node.people == document["usage"]["users"]["total"]
    assert node.speaks_activitypub


@pytest.mark.parametrize(
    "document",
    [{}, {"links": []}, {"links": [{"rel": "urn:x", "href": "https://a.example"}]}],
)
def test_nodeinfo_without_a_version_we_know_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        nodeinfo.address(document, Rules())
    with pytest.raises(Malformed):
        nodeinfo.read(document)


async def test_what_we_say_of_ourselves_has_the_shape_of_its_schema(asker: Asker) -> None:
    links = (await asker.school.get("/.well-known/nodeinfo", accept="*/*")).json["links"]
    said = {link["rel"].rpartition("/")[2]: link["href"] for link in links}
    for version in ("2.0", "2.1"):
        found = (await asker.school.get(said[version])).json
        schema(version).validate(found)
        assert nodeinfo.read(found).software == "staffroom"
