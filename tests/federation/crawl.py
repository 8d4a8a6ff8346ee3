"""Somebody who asks a school for everything that it has a URL for, and keeps every byte.

Each GET of `staffroom/routes.py` is filled in with every name and number there is, whether or not
the caller could know of it. Then whatever the answers lead to is asked for as well, until nothing
new comes. What was found is told apart by words that stand in one post only.
"""

import asyncio
import html
import itertools
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from aiohttp import ClientSession, DummyCookieJar, web
from yarl import URL

from staffroom import app
from staffroom.routes import ROUTES, Route
from tests.town import ACTIVITY, HTML, TownSchool

# A word, the number of the post and the part of it, in letters that no spelling changes.
MARKER = re.compile(r"quokka(\d{3})([a-z]+)")
NUMBER = re.compile(r"\d{15,19}")
# No row ever has it; as long as those that are.
NEVER = 1_234_567_890_123_456_789

AT_ONCE = 8
MOST = 4_000
# What differs between two answers to the same question.
PASSING = frozenset({"date"})

# What somebody sends with a request, by its method and URL.
Headers = Callable[[str, str], Mapping[str, str]]

_PLACE = re.compile(r"\{(\w+):((?:[^{}]|\{[^{}]*\})*)\}")
_HREF = re.compile(r'<(?:a|link)\b[^>]*?\shref="([^"]+)"')


def marker(number: int, part: str) -> str:
    """A word that stands nowhere but in this part of this post."""
    return f"quokka{number:03}{part}"


@dataclass(frozen=True)
class Answer:
    """What came back, as one text: the lines of the head, and the body."""

    status: int
    head: tuple[str, ...]
    body: str

    @property
    def text(self) -> str:
        return "\n".join((*self.head, self.body))

    def without(self, *words: str) -> "Answer":
        """The same where each of these words is the same word; its length counts for nothing."""
        head, body = "\n".join(self.head), self.body
        for word in filter(None, words):
            head, body = head.replace(word, "…"), body.replace(word, "…")
        kept = [line for line in head.split("\n") if not line.startswith("content-length:")]
        return Answer(self.status, tuple(kept), body)


@dataclass(frozen=True)
class Question:
    """A path of the school with its query, asked for as a page or as a document."""

    path: str
    page: bool


@dataclass
class Viewer:
    """Who asks: with which headers for pages and for documents; None where they ask for none."""

    name: str
    page: Headers | None = None
    document: Headers | None = None

    def headers(self, url: str, *, page: bool, method: str = "GET") -> dict[str, str] | None:
        """What they send for that URL."""
        asked = self.page if page else self.document
        if asked is None:
            return None
        return {"Accept": HTML if page else ACTIVITY, **asked(method, url)}


@dataclass(frozen=True)
class Known:
    """Every name and number that a school has, whoever may know it."""

    host: str
    usernames: tuple[str, ...]
    handles: tuple[str, ...]  # of people elsewhere, without @ in front
    people: tuple[int, ...]
    projects: tuple[int, ...]  # of whatever school
    slugs: tuple[str, ...]
    posts: tuple[tuple[str, int], ...]  # (username of the author or "nobody", number)
    activities: tuple[int, ...]
    arrivals: tuple[int, ...]
    tags: tuple[str, ...]

    def values(self, path: str) -> Iterator[dict[str, str]]:
        """What the places of a route are filled with."""
        posts = [number for _, number in self.posts]
        # One of each kind stands where it does not belong.
        strays = [NEVER, *self.people[:1], *self.activities[:1], *self.arrivals[:1], *posts[:1]]
        names = (*self.usernames, "nobody")
        numbers = {
            "/activities/": self.activities,
            "/people/": self.people,
            "/projects/": self.projects,
        }
        if path.startswith("/@") and path.endswith("}/{id}"):
            yield from ({"name": name, "id": str(number)} for name, number in self.posts)
            yield from ({"name": "alice", "id": str(number)} for number in strays)
        elif "{host}" in path:
            for handle in self.handles:
                yield dict(zip(("name", "host"), handle.split("@"), strict=True))
        elif "{id}" in path:
            own = next((ids for start, ids in numbers.items() if path.startswith(start)), posts)
            yield from ({"id": str(number)} for number in dict.fromkeys([*own, *strays]))
        elif "{slug}" in path:
            yield from ({"slug": slug} for slug in (*self.slugs, *self.usernames[:2], "nobody"))
        elif path.startswith("/tags/"):
            yield from ({"name": tag} for tag in self.tags)
        elif "{name}" in path:
            yield from ({"name": name} for name in names)
        else:
            yield {}

    def queries(self, path: str) -> Iterator[str]:
        """What can be asked for behind a path, beside nothing."""
        if path == "/compose":
            # One of the three for each post: the same question finds out who may see it.
            roles = itertools.cycle(("reply", "quote", "edit"))
            yield from (
                f"?{role}={number}" for role, (_, number) in zip(roles, self.posts, strict=False)
            )
            yield from (f"?to=%40{handle}" for handle in self.handles)
            yield from (f"?project={number}" for number in (*self.projects, NEVER))
        elif path == "/.well-known/webfinger":
            yield from (f"?resource=acct:{name}@{self.host}" for name in self.usernames)
            yield from (f"?resource=https://{self.host}/@{name}" for name in self.usernames)
            yield from (f"?resource=https://{self.host}/projects/{one}" for one in self.slugs)
        elif path.endswith("/replies") or re.match(r"/projects/\w+/(members|outbox)", path):
            yield "?page=first"


def seeds(known: Known) -> Iterator[Question]:
    """Every GET of the school, filled with everything that is known."""
    for route in ROUTES:
        if route.method == "GET":
            filled = list(_filled(route, known))
            assert filled, f"nobody knows what to ask {route.path} for"
            yield from filled


def _filled(route: Route, known: Known) -> Iterator[Question]:
    plain = _PLACE.sub(r"{\1}", route.path)
    choices = dict(_PLACE.findall(route.path))
    listed = choices.get("list", "").split("|")
    for values, one in itertools.product(known.values(plain), listed):
        path = plain.format(**values, **({"list": one} if one else {}))
        for query in ("", *known.queries(path)):
            for page in _forms(route):
                yield Question(path + query, page)


def _forms(route: Route) -> tuple[bool, ...]:
    """Whether a route is asked for as a page, as a document, or both."""
    if route.handler.__module__.startswith("pages."):
        return (True,)
    # What decides between the two is made in the table itself.
    name = route.handler.__qualname__
    return (True, False) if "<locals>" in name and not name.startswith("by_token.") else (False,)


@lru_cache(maxsize=256)
def _pattern(route: str) -> re.Pattern[str]:
    return re.compile(_PLACE.sub(r"(?:\2)", route))


def fits(route: str, path: str) -> bool:
    """Whether that path is one of a route."""
    return _pattern(route).fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _forms_of(path: str) -> tuple[bool, ...]:
    """The same for a path that was found in an answer."""
    bare = path.partition("?")[0]
    gets = (route for route in ROUTES if route.method == "GET")
    return next((_forms(route) for route in gets if fits(route.path, bare)), (True, False))


@dataclass(frozen=True)
class Door:
    """A way in without TLS, as behind a proxy: thousands of questions go through it quickly."""

    school: TownSchool
    session: ClientSession
    address: URL

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Ask once, and read to the end."""
        path = URL(url.removeprefix(self.school.url), encoded=True)
        sent = {**headers, "Host": self.school.host}
        async with self.session.request(
            method, self.address.join(path), headers=sent, data=body, allow_redirects=False
        ) as reply:
            lines = [(name.lower(), value) for name, value in reply.headers.items()]
            head = tuple(f"{name}: {value}" for name, value in lines if name not in PASSING)
            return Answer(reply.status, head, (await reply.read()).decode())


@asynccontextmanager
async def door(
    school: TownSchool, mode: Literal["network", "open"] | None = None
) -> AsyncIterator[Door]:
    """The same school, answering at one more address, perhaps in the other mode."""
    server = replace(school.server, mode=mode or school.mode)
    runner = web.AppRunner(app.build(server), access_log=None)
    await runner.setup()
    street = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, street).start()
    address = URL(f"http://127.0.0.1:{street.getsockname()[1]}/")
    async with ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False) as session:
        yield Door(school, session, address)
    await runner.cleanup()


@dataclass
class Crawl:
    """What one viewer was answered."""

    door: Door
    viewer: Viewer
    answers: dict[Question, Answer] = field(default_factory=dict)

    async def over(self, questions: Iterable[Question]) -> "Crawl":
        """Ask these, and whatever the answers lead to, until nothing new comes."""
        waiting = [question for question in dict.fromkeys(questions) if self._asks(question)]
        asked = set(waiting)
        while waiting:
            batch, waiting = waiting, []
            assert len(asked) <= MOST, "this crawl has no end"
            lanes = [batch[start::AT_ONCE] for start in range(AT_ONCE)]
            for found in await asyncio.gather(*map(self._lane, lanes)):
                waiting += [one for one in found if self._asks(one)]
            waiting = [one for one in dict.fromkeys(waiting) if one not in asked]
            asked |= set(waiting)
        return self

    async def ask(self, question: Question) -> Answer:
        """The answer, asked for now."""
        school = self.door.school
        url = school.url + question.path
        while True:
            headers = self.viewer.headers(url, page=question.page)
            assert headers is not None
            answer = await self.door.ask("GET", url, headers)
            if answer.status != 429:
                return answer
            school.town.clock.advance(minutes=1)  # the limits have their own tests

    def _asks(self, question: Question) -> bool:
        return (self.viewer.page if question.page else self.viewer.document) is not None

    async def _lane(self, questions: list[Question]) -> list[Question]:
        found: list[Question] = []
        for question in questions:
            answer = self.answers[question] = await self.ask(question)
            found += links(self.door.school, answer)
        return found


def links(school: TownSchool, answer: Answer) -> Iterator[Question]:
    """Where an answer leads to at the same school."""
    found: Iterable[str]
    if any(line.startswith("content-type: text/html") for line in answer.head):
        found = map(html.unescape, _HREF.findall(answer.body))
    else:
        found = re.findall(rf'"({re.escape(school.url)}/[^"\\]*)"', answer.body)
    moved = [line.removeprefix("location: ") for line in answer.head if line.startswith("location")]
    for link in (*found, *moved):
        path = link.removeprefix(school.url).partition("#")[0]
        # Whoever must sign in first is always shown the same page.
        if path.startswith("/") and not path.startswith("/sign-in?next="):
            yield from (Question(path, page) for page in _forms_of(path))


async def all_over(doors: Door, viewers: Iterable[Viewer], known: Known) -> dict[str, Crawl]:
    """Everybody at once."""
    questions = list(seeds(known))
    crawls = [Crawl(doors, viewer) for viewer in viewers]
    await asyncio.gather(*(crawl.over(questions) for crawl in crawls))
    return {crawl.viewer.name: crawl for crawl in crawls}


def words_in(question: str, text: str) -> set[tuple[int, str]]:
    """The markers in an answer, without those that were in the question: to be told one's own
    words tells nothing."""
    found = set(MARKER.findall(text.lower())) - set(MARKER.findall(question.lower()))
    return {(int(number), part) for number, part in found}


def numbers_in(question: str, text: str) -> set[int]:
    """The numbers in an answer that may be those of rows, likewise."""
    return {int(found) for found in set(NUMBER.findall(text)) - set(NUMBER.findall(question))}
