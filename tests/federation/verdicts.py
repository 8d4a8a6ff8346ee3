"""What may stand in an answer, and what is wrong with one.

Three things give a post away: its words, its name (the number of its row, or its id elsewhere),
and an answer that is not the one for what never was.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from storage import tables
from storage.database import Transaction
from tests.federation.audiences import VIEWERS, Circle, Piece, Scene
from tests.federation.crawl import (
    NEVER,
    NUMBER,
    Answer,
    Crawl,
    Question,
    numbers_in,
    words_in,
)
from tests.town import Foreigner
from tests.town.stranger import PUBLIC

EVERYBODY = frozenset(VIEWERS)
NOBODY: frozenset[str] = frozenset()
ASKED = "asked of a project:"
_IN_A_PROJECT = re.compile(r'"subject":"([^"]+)","relationship":"hasMember"')
_ELSEWHERE = re.compile(r"https://(?!oakfield\.example)[a-z]+\.example/[^\s\"'<>&\\]+")


@dataclass(frozen=True)
class Misplaced:
    """A word or name that somebody found who should not have."""

    viewer: str
    what: str
    question: Question


@dataclass
class Judge:
    """The table: who may find which words, and who may know of which names."""

    words: dict[tuple[int, str], frozenset[str]]
    names: dict[str, frozenset[str]]
    labels: dict[str, str]
    rosters: dict[str, frozenset[str]]  # who may know who is in a project, by its id
    own: set[tuple[str, str]]  # what somebody asked of a project: they may read what they said

    def misplaced(self, viewer: str, question: Question, answer: Answer) -> Iterator[Misplaced]:
        """What in the answer is not for that viewer."""
        if (viewer, question.path.rpartition("/")[2]) in self.own:
            return
        text = "\n".join((*answer.head, answer.body))
        for number, part in words_in(question.path, text):
            if viewer not in self.words.get((number, part), NOBODY):
                yield Misplaced(viewer, self.labels[f"{number}"] + f": {part}", question)
        elsewhere = set(_ELSEWHERE.findall(text)) if ".example/" in text else set()
        here = numbers_in(question.path, _ELSEWHERE.sub("", text))
        for name in (*elsewhere, *map(str, here)):
            if viewer not in self.names.get(name, EVERYBODY):
                yield Misplaced(viewer, f"{self.labels[name]}: its name", question)
        if "hasMember" in text:
            for project in set(_IN_A_PROJECT.findall(text)):
                if viewer not in self.rosters.get(project, EVERYBODY):
                    yield Misplaced(viewer, f"who is in {project}", question)


def judge(tx: Transaction, scene: Scene) -> Judge:
    """The table of that scene."""
    words: dict[tuple[int, str], frozenset[str]] = {}
    names: dict[str, frozenset[str]] = {}
    labels: dict[str, str] = {}
    pointed: dict[str, frozenset[str]] = defaultdict(frozenset)
    for piece in scene.pieces.values():
        for uri in piece.points_to:
            pointed[uri] |= piece.readers
    for piece in scene.pieces.values():
        labels[f"{piece.number}"] = piece.name
        words |= {(piece.number, part): piece.readers for part in piece.parts}
        known = piece.readers | piece.once | pointed[piece.uri]
        for name in _names(scene, piece):
            # An edited post has a line for its old words and one for the new.
            names[name], labels[name] = known, piece.name
        names[_name(scene, piece.activity)] = piece.readers | piece.once
        labels[_name(scene, piece.activity)] = f"{piece.name}: what was done"
    names.pop("", None)
    own = set()
    for uri, readers, label in _deeds(tx, scene):
        if label.startswith(ASKED):
            own |= {(viewer, _name(scene, uri)) for viewer in readers}
        names.setdefault(_name(scene, uri), readers)
        labels.setdefault(_name(scene, uri), label)
    rosters = {}
    for circle in scene.projects.values():
        rosters[circle.uri] = circle.members if circle.private else EVERYBODY
        for row in _memberships(tx, circle):
            names[row], labels[row] = rosters[circle.uri], f"a place in {circle.name}"
    return Judge(words, names, labels, rosters, own)


def _memberships(tx: Transaction, circle: Circle) -> Iterator[str]:
    """The numbers of the rows that say who is, was or may be in it."""
    found = select(tables.memberships.c.id).join(
        tables.actors, tables.actors.c.id == tables.memberships.c.project_id
    )
    yield from map(str, tx.execute(found.where(tables.actors.c.uri == circle.uri)).scalars())


def _names(scene: Scene, piece: Piece) -> set[str]:
    if piece.name in scene.projects:
        return {str(piece.id or "")}  # what its address is says the piece beside it
    return {name for name in (_name(scene, piece.uri), str(piece.id or "")) if name}


def _name(scene: Scene, uri: str) -> str:
    """The number of what is ours, the whole id of what is not."""
    return uri.rpartition("/")[2] if uri.startswith(scene.oakfield.url) else uri


def _deeds(tx: Transaction, scene: Scene) -> Iterator[tuple[str, frozenset[str], str]]:
    """Who may know of what else was done at oakfield: each activity, by its type."""
    who = {person.uri: name for name, person in (scene.people | scene.others).items()}
    projects = {circle.uri: circle for circle in scene.projects.values()}
    by_uri = {piece.uri: piece for piece in scene.pieces.values() if piece.uri}
    rows = tx.execute(
        select(
            tables.published.c.uri,
            tables.published.c.type,
            tables.published.c.object_uri,
            tables.actors.c.uri,
            tables.published.c.document,
        ).join(tables.actors, tables.actors.c.id == tables.published.c.actor_id)
    )
    for uri, kind, about, actor_uri, document in rows:
        if actor_uri in projects:
            said = _said_by(scene, projects[actor_uri], about, json.loads(document), who)
            yield uri, said, f"{kind} by {projects[actor_uri].name}"
            continue
        actor, piece = who.get(actor_uri, ""), by_uri.get(about)
        between = frozenset({actor, who.get(about, "")})
        if actor == "rita" and kind == "Delete":
            continue  # every server is told that she left
        named = json.loads(document or "{}").get("to", [])
        if actor in ("samir", "rita"):
            readers = NOBODY
        elif any(project in named for project in projects):
            # What is asked of a project is between the two.
            readers, kind = frozenset({actor}), f"{ASKED} {kind}"
        elif kind in ("Flag", "Block"):
            readers = frozenset({actor})
        elif kind == "Follow":
            readers = between
        elif kind == "Like" and piece is not None:
            # And its author elsewhere, who is told.
            readers = frozenset({actor}) | {who.get(_author(scene, piece), "")}
            if piece.project:
                readers |= scene.projects[piece.project].members
        elif piece is not None:
            readers = piece.readers | piece.once
        else:
            continue
        yield uri, readers, f"{kind} by {actor or actor_uri}"


def _said_by(
    scene: Scene,
    circle: Circle,
    about: str | None,
    document: dict[str, Any],
    who: Mapping[str, str],
) -> frozenset[str]:
    """Who may know of what a project said: whom it was said to, while they may know of it."""
    named = {*document.get("to", ()), *document.get("cc", ())}
    readers = {who.get(uri, "") for uri in named}
    if PUBLIC in named:
        readers |= EVERYBODY
    if circle.list in named:
        readers |= circle.members
    pieces = [piece for piece in scene.pieces.values() if about and piece.uri == about]
    if pieces:
        readers &= frozenset().union(*(piece.readers | piece.once for piece in pieces))
    return frozenset(readers & circle.known_to)


def _author(scene: Scene, piece: Piece) -> str:
    names = (*scene.people, *scene.others)
    return next((scene.uri_of(name) for name in names if piece.name.startswith(name)), "")


# --- what other servers show ---------------------------------------------------------------------


def brought(person: Foreigner, *, follows_alice: bool, scene: Scene) -> list[str]:
    """What an honest server has to show to that person of what came to it: every post as it
    stands now, every other activity, as far as they were named, follow or are in the project."""
    alice = scene.people["alice"].uri
    theirs_too = {
        circle.list for circle in scene.projects.values() if person.username in circle.members
    }
    # Of what they were in, or asked into, once: nothing any more.
    over = {
        circle.uri for circle in scene.projects.values() if person.username not in circle.known_to
    }
    kept: dict[str, tuple[str, bool]] = {}
    shown = []
    for delivered in person.home.delivered:
        activity = delivered.json
        if activity["actor"] in over:
            continue
        named = {*activity.get("to", ()), *activity.get("cc", ())}
        if activity["type"] == "Announce" and isinstance(activity.get("object"), dict):
            activity = activity["object"]
        about = activity.get("object")
        if activity["type"] in ("Flag", "Block"):
            continue
        theirs = (
            person.document["inbox"] == person.home.url + delivered.path
            or bool(named & {person.uri, PUBLIC, *theirs_too})
            or (follows_alice and f"{alice}/followers" in named)
        )
        if activity["type"] in ("Create", "Update") and isinstance(about, dict):
            theirs |= kept.get(about["id"], ("", False))[1]
            kept[about["id"]] = (delivered.body.decode(), theirs)
        elif activity["type"] == "Delete" and isinstance(about, dict):
            kept.pop(about["id"], None)
        elif theirs:
            shown.append(delivered.body.decode())
    return shown + [text for text, theirs in kept.values() if theirs]


# --- hidden is missing ---------------------------------------------------------------------------


async def told_apart(judge: Judge, crawl: Crawl) -> list[str]:
    """Questions about what is hidden from the viewer whose answers differ from those about what
    never was."""
    viewer, found = crawl.viewer.name, []
    for question in [*crawl.answers]:
        number = next(iter(NUMBER.findall(question.path)), "")
        if viewer in judge.names.get(number, EVERYBODY) or "before=" in question.path:
            continue
        never = Question(question.path.replace(number, str(NEVER)), question.page)
        if never not in crawl.answers:
            crawl.answers[never] = await crawl.ask(never)
        if crawl.answers[question].without(number) != crawl.answers[never].without(str(NEVER)):
            found.append(f"{viewer}: {question.path} ({judge.labels[number]})")
    return found


# --- counters ------------------------------------------------------------------------------------


def miscounted(crawl: Crawl) -> list[str]:
    """Lists that say another number than one finds in them."""
    documents = {
        question.path: json.loads(answer.body)
        for question, answer in crawl.answers.items()
        if answer.status == 200 and '"totalItems"' in answer.body and not question.page
    }
    found = []
    for path, document in documents.items():
        if document.get("type") != "OrderedCollection" or "first" not in document:
            continue
        listed = list(_listed(documents, document["first"].removeprefix(crawl.door.school.url)))
        if len(listed) != document["totalItems"]:
            said = document["totalItems"]
            found.append(f"{crawl.viewer.name}: {path} says {said}, and lists {len(listed)}")
    return found


def _listed(documents: Mapping[str, Any], path: str | None) -> Iterator[Any]:
    while path is not None:
        page = documents[path]
        yield from page["orderedItems"]
        path = page["next"].partition("oakfield.example")[2] if "next" in page else None
