"""The real documents of other servers, each with the people and posts that it speaks of.

A document was sent to somebody, somewhere; here it is sent to our school. So whoever it is about
is made one of ours: the followed person, the liked post, the request that is answered. Nothing
here knows a host or a name: all of it is read from the document.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.wild.vectors import folder

Document = dict[str, Any]

ACTORS = frozenset({"Person", "Group", "Service", "Application", "Organization"})
COLLECTIONS = frozenset(
    {"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"}
)
# Written where a program fills in a name when it runs its tests.
BLANK = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# Written where whoever recorded a document took something out.
TAKEN_OUT = "SCRUBBED_ID"
ADDRESS = re.compile(r"^(https?):/+([^/?#]+)")


@dataclass(frozen=True)
class Wild:
    """One document as it was found."""

    path: str  # below the folder of all documents
    server: str
    category: str  # activities, actors, objects, collections
    text: str

    @property
    def document(self) -> Document:
        found = json.loads(self.text)
        assert isinstance(found, dict), self.path
        return found

    @property
    def kind(self) -> str:
        """Its type as read aloud: `Create Note`."""
        document = self.document
        inner = one(document.get("object")) if self.category == "activities" else None
        names = [first_type(document), first_type(inner) if isinstance(inner, dict) else ""]
        return " ".join(name for name in names if name) or "no type"


def found() -> list[Wild]:
    """All of them, in order; none where the folder is not named."""
    root = folder("STAFFROOM_FIXTURES")
    if root is None:
        return []
    return [_read(root, path) for path in sorted(root.glob("[!_]*/*/**/*.json"))]


def _read(root: Path, path: Path) -> Wild:
    below = path.relative_to(root)
    return Wild(str(below), below.parts[0], below.parts[1], path.read_text("utf-8"))


@cache
def by_id() -> dict[str, Document]:
    """The documents that others among them point to."""
    return {
        document["id"]: document
        for document in (wild.document for wild in found())
        if isinstance(document.get("id"), str)
    }


# --- reading -------------------------------------------------------------------------------------


def one(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if value else None
    return value


def many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def id_of(value: Any) -> str:
    value = one(value)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def first_type(document: Any) -> str:
    return str(one(document.get("type")) or "") if isinstance(document, dict) else ""


def host_of(uri: str) -> str:
    match = ADDRESS.match(uri)
    return match[2].lower() if match else ""


def origin_of(uri: str) -> str:
    match = ADDRESS.match(uri)
    return f"https://{match[2].lower()}" if match else "https://nowhere.example"


def author_of(document: Document) -> str:
    """Who wrote it: of several the first that is no group."""
    authors = many(document.get("attributedTo")) or many(document.get("actor"))
    people = [who for who in authors if first_type(who) != "Group"]
    return id_of(people or authors)


def everything_in(value: Any) -> Iterator[Any]:
    yield value
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from everything_in(part)


# --- mending -------------------------------------------------------------------------------------


def changed(document: Document, change: Callable[[str, str], str]) -> Document:
    """The document with each of its texts changed; `change` is told where it stands, too."""

    def walk(value: Any, where: str) -> Any:
        if isinstance(value, str):
            return change(value, where)
        if isinstance(value, dict):
            return {name: walk(part, f"{where}/{name}") for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part, f"{where}/{number}") for number, part in enumerate(value)]
        return value

    walked = walk(document, "")
    assert isinstance(walked, dict)
    return walked


def with_ids(document: Document, ids: dict[str, str]) -> Document:
    """The document with some ids in the place of others."""
    return changed(document, lambda text, _: ids.get(text, text))


def mended(document: Document) -> Document:
    """As its server would send it today, over https, under a name that can be looked up.

    Many were written down in a program's own tests: without TLS, with a port, at localhost, with
    a blank to fill in, with its ids taken out.
    """
    actor = id_of(document.get("actor"))
    home = f"https://{_named(host_of(actor)) or 'nowhere.example'}"

    def mend(text: str, where: str) -> str:
        if text == TAKEN_OUT:
            return f"{home}/taken-out{where.removesuffix('/id')}"
        text = BLANK.sub(r"\1.example", text).replace("\\/", "/")
        match = ADDRESS.match(text)
        return f"https://{_named(match[2])}{text[match.end() :]}" if match else text

    for part in everything_in(document):
        if isinstance(part, dict) and part.get("id") == TAKEN_OUT and "inbox" in part:
            part["id"] = part["inbox"].removesuffix("/inbox")
    whole = changed(document, mend)
    if id_of(whole.get("actor")) and not ADDRESS.match(id_of(whole)):
        whole["id"] = f"{home}/taken-out"
    return whole


def _named(host: str) -> str:
    """A host without its port, under a name of the web."""
    name = host.partition(":")[0].lower()
    local = "." not in name or name.endswith(".local") or re.fullmatch(r"[\d.]+", name)
    return f"{name.replace('.', '-')}.example" if name and local else name
