"""Every document that other servers' authors left us, through our parser and our door.

Each has the effect that its sender meant, or is refused with the reason that the rules name: the
table `REFUSED` says which, from what stands in the document and never from whose it is.
"""

import asyncio
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest

from inbox import dispatch
from tests.town import Town
from tests.town.streets import Authority
from tests.wild import documents, stage
from tests.wild.documents import (
    ACTORS,
    ADDRESS,
    COLLECTIONS,
    Document,
    Wild,
    author_of,
    first_type,
    id_of,
    many,
    mended,
    one,
    origin_of,
)
from tests.wild.scenes import PUBLICS, SCENES, addressed
from tests.wild.stage import SCHOOL, Came, Stage

ALL = documents.found()
SERVERS = sorted({wild.server for wild in ALL})
if not ALL:
    pytest.skip("STAFFROOM_FIXTURES is not set: 492 documents skipped", allow_module_level=True)


# --- a school for each document -------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


Open = Callable[[], AbstractAsyncContextManager[Stage]]


@pytest.fixture(scope="module")
def furnished(
    authority: Authority, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Stage]:
    """The database of our school as it is the day before, and what stands in it."""
    template = tmp_path_factory.mktemp("school") / "school.sqlite"
    shutil.copyfile(migrated_file, template)

    async def found() -> Stage:
        async with Town(authority, lambda: f"sqlite:///{template}") as town:
            school = await town.school(SCHOOL, mode="open")
            lee = await school.staff("lee")
            return Stage(town, school, lee, *await school.write(stage.furnish, lee))

    before = asyncio.run(found())
    with closing(sqlite3.connect(template)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return template, before


@pytest.fixture
def opened(authority: Authority, furnished: tuple[Path, Stage], tmp_path: Path) -> Open:
    """Opens a stage with our school as it was the day before, as often as wanted."""
    template, before = furnished
    numbers = count(1)

    def fresh() -> str:
        path = tmp_path / f"{next(numbers)}.sqlite"
        shutil.copyfile(template, path)
        return f"sqlite:///{path}"

    @asynccontextmanager
    async def opened_stage() -> AsyncIterator[Stage]:
        async with Town(authority, fresh) as town:
            school = await town.school(SCHOOL, mode="open")
            lee = replace(before.lee, school=school)
            yield Stage(town, school, lee, before.ours, before.poll)

    return opened_stage


# --- one document ---------------------------------------------------------------------------------


async def act(here: Stage, document: Document) -> Came:
    """An activity comes; afterwards its effect is looked for."""
    scene = SCENES.get(first_type(document))
    if scene is not None and _speaks(document):
        document = await scene.before(here, document)
    came = await here.deliver(document, id_of(document.get("actor")))
    if came.reason is None and scene is not None:
        assert await scene.after(here, document), "no refusal and no effect"
    return came


async def post(here: Stage, document: Document) -> Came:
    """A post comes as its author's server brings it; one that lives elsewhere is looked up."""
    author = author_of(document) or f"{origin_of(id_of(document))}/somebody"
    if origin_of(author) != origin_of(id_of(document)):
        return await here.look_up_post(document)
    activity = {
        "@context": document.get("@context"),
        "id": f"{id_of(document).partition('#')[0]}#created",
        "type": "Create",
        "actor": author,
        "to": document.get("to"),
        "cc": document.get("cc"),
        "object": document,
    }
    return await act(here, activity)


async def actor(here: Stage, document: Document) -> Came:
    return await here.look_up_actor(document)


async def anything(here: Stage, document: Document) -> Came:
    """Something that is no activity knocks at the door."""
    return await here.deliver(document, f"{origin_of(id_of(document))}/somebody")


WAYS = {"activities": act, "objects": post, "actors": actor, "collections": anything}


# --- what is refused, and by which rule -----------------------------------------------------------


def _speaks(document: Document) -> bool:
    """Whether it is of one actor, and of the actor's own server."""
    who = id_of(document.get("actor"))
    return (
        bool(who)
        and len(many(document["actor"])) == 1
        and (origin_of(who) == origin_of(id_of(document)))
    )


def _inner(document: Document) -> Document:
    inner = one(document.get("object"))
    return inner if isinstance(inner, dict) else {}


def _anothers(document: Document) -> bool:
    """Whether it is a post of somebody else than who sends it."""
    authors = {id_of(who) for who in many(_inner(document).get("attributedTo"))}
    return bool(authors) and id_of(document.get("actor")) not in authors


def _nobodys(document: Document) -> bool:
    return bool(_inner(document)) and not author_of(_inner(document))


def _actor(document: Document) -> str:
    return id_of(document.get("actor"))


def _is(*kinds: str) -> Callable[[Document], bool]:
    return lambda document: first_type(document) in kinds


def _about(*kinds: str) -> Callable[[Document], bool]:
    return lambda document: first_type(_inner(document)) in kinds


def _is_nowhere(document: Document) -> bool:
    return id_of(document.get("object")) not in documents.by_id()


def _no_inbox(document: Document) -> bool:
    return not id_of(_inner(document).get("inbox"))


def _has_no_name(document: Document) -> bool:
    """One that is a whole handle would say that they live elsewhere."""
    name = document.get("preferredUsername")
    return not name or "@" in name


def _public(document: Document) -> bool:
    return bool(addressed(_inner(document)) & PUBLICS)


def _not_their_own(document: Document) -> bool:
    """Whether it changes a collection of somebody else, or not that of posts at the top."""
    target = id_of(document.get("target"))
    return not target.startswith(_actor(document).rstrip("/")) or bool(_inner(document))


def _another_role(document: Document) -> bool:
    """Whether it is one of those that there are on code forges alone."""
    said = document.get("instrument")
    return said is not None and said not in ("admin", "write", "visit")


def _lives_elsewhere(document: Document) -> bool:
    return bool(author_of(document)) and origin_of(author_of(document)) != origin_of(
        id_of(document)
    )


@dataclass(frozen=True)
class Rule:
    """`words` are what the refusal says, for every document that all of `fits` are true of."""

    words: str
    fits: tuple[Callable[[Document], bool], ...]


NO_POSTS = (*ACTORS, *COLLECTIONS, "Bite", "CryptographicKey", "Emoji", "Multikey", "Tombstone")

# The first line that fits counts. Whatever fits none must have its effect.
REFUSED: dict[str, tuple[Rule, ...]] = {
    "activities": (
        Rule(
            "no actor, or more than one|actor is not as an activity has it",
            (lambda found: len(many(found.get("actor"))) != 1,),
        ),
        Rule("are of different servers", (lambda found: not _speaks(found),)),
        Rule("another's name", (_is("Create"), _anothers)),
        Rule("does not say who wrote it", (_is("Create"), _nobodys)),
        Rule("could not be had", (_is("Create"), lambda found: not _inner(found), _is_nowhere)),
        Rule("no inbox on its own server", (_is("Update"), _about(*ACTORS), _no_inbox)),
        Rule(
            "only its author changes a post",
            (_is("Update"), _about(*ACTORS), lambda found: id_of(found["object"]) != _actor(found)),
        ),
        Rule(
            "without their proof",
            (
                _is("Announce"),
                lambda found: "actor" in _inner(found),
                lambda found: first_type(_inner(found)) not in ("Create", "Update"),
            ),
        ),
        Rule(
            "no such post",
            (_is("Announce"), _about("Note"), _anothers, lambda found: not _public(found)),
        ),
        Rule("not the featured collection of", (_is("Add", "Remove"), _not_their_own)),
        Rule("something else than a project", (_is("Invite"), lambda found: "target" not in found)),
        Rule("a role that we do not know", (_is("Invite", "Join"), _another_role)),
        Rule("a ban from a group", (_is("Block"), lambda found: "target" in found)),
        Rule(
            "nobody here asked for that",
            (
                _is("Accept", "Reject"),
                lambda found: first_type(_inner(found)) not in ("", "Follow"),
            ),
        ),
        Rule("is not taken back here", (_is("Undo"), _about("Delete", "Dislike", "Lock"))),
    ),
    "objects": (
        Rule("not an address of the web", (lambda found: not ADDRESS.match(id_of(found)),)),
        Rule("does not say who wrote it", (lambda found: not found.get("attributedTo"),)),
        Rule("is not a post", (_is(*NO_POSTS),)),
        Rule("names no author on its own server", (_lives_elsewhere,)),
    ),
    "actors": (
        Rule("not an address of the web", (lambda found: not ADDRESS.match(id_of(found)),)),
        Rule("no inbox on its own server", (lambda found: not id_of(found.get("inbox")),)),
        Rule("no usable preferredUsername", (_has_no_name,)),
    ),
    "collections": (Rule("activity has no (actor|id)", ()),),
}


def expected(category: str, document: Document) -> str | None:
    """What a refusal of it says, as a pattern; None if it must have its effect."""
    for rule in REFUSED[category]:
        if all(fits(document) for fits in rule.fits):
            return rule.words
    if category == "activities":
        reason = dispatch.declined(first_type(document))
        return None if reason is None else re.escape(reason)
    return None


# --- all of them ----------------------------------------------------------------------------------


async def outcome(opened: Open, wild: Wild, document: Document) -> str:
    """`stored`, `effect` or `refused`; raises AssertionError for anything unexplained."""
    async with opened() as here:
        came = await WAYS[wild.category](here, document)
    words = expected(wild.category, document)
    if words is None:
        assert came.reason is None, f"refused: {came.reason}"
        creates = first_type(document) in ("Create", "Update", "Announce")
        return "stored" if wild.category != "activities" or creates else "effect"
    assert came.reason is not None, f"not refused, though it should say: {words}"
    assert re.search(words, came.reason), f"refused with other words: {came.reason}"
    return "refused"


@pytest.mark.parametrize("server", SERVERS)
async def test_every_document_of_a_server_has_its_effect_or_is_refused_by_name(
    opened: Open, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    unexplained = []
    for wild in ALL:
        if wild.server != server:
            continue
        try:
            counts[await outcome(opened, wild, mended(wild.document))] += 1
        except AssertionError as error:
            unexplained.append(f"{wild.path} ({wild.kind}): {error}")
    with capsys.disabled():
        print(_line(server, counts, len(unexplained)))
    assert not unexplained, "\n".join(unexplained)


def _line(server: str, counts: Counter[str], unexplained: int) -> str:
    total = sum(counts.values()) + unexplained
    cells = [counts["stored"], counts["effect"], counts["refused"], unexplained]
    return f"{server:20}{total:5}" + "".join(f"{cell:9}" for cell in cells)


def test_every_known_type_of_activity_has_a_scene() -> None:
    """So that none of them can be ignored unseen."""
    assert SCENES.keys() == dispatch.HANDLERS.keys()
