"""A whole school of the town, and the people who work there."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from actors import accounts, admission, local, staff
from actors.server import Server
from federation.addresses import Rules
from federation.client import Client
from federation.signatures import Signer, sign
from inbox import threads, worker
from outbox import deliver, moving
from staffroom import app
from storage import peers, school
from storage.actors import Actor
from storage.database import Database, School, Transaction
from tests.town.streets import Watched

if TYPE_CHECKING:
    from tests.town.place import Town

ACTIVITY = "application/activity+json"
HTML = "text/html"
LONDON = ZoneInfo("Europe/London")
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        found = orjson.loads(self.body)
        assert isinstance(found, dict), found
        return found

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(frozen=True)
class Person:
    """A member of staff of a school of the town, with a token for the outbox."""

    school: "TownSchool" = field(repr=False, compare=False)
    id: int
    uri: str
    username: str
    token: str = field(repr=False)

    async def post(self, activity: dict[str, Any], *, expect: int = 201) -> str:
        """Do something through the real outbox; answers the id of the activity (Location)."""
        reply = await self.school.post(self, activity)
        assert reply.status == expect, (reply.status, reply.text)
        return reply.headers.get("Location", "")

    async def say(self, text: str, *, to: str | list[str] = "", **more: Any) -> dict[str, Any]:
        """Post a Note to the public (or `to`), and to the followers; answers the Note as made."""
        public = "https://www.w3.org/ns/activitystreams#Public"
        note = {"type": "Note", "content": text, "to": to or public, **more}
        if not to:
            note.setdefault("cc", f"{self.uri}/followers")
        location = await self.post(note)
        reply = await self.school.get(location, as_=self)
        assert reply.status == 200, (reply.status, reply.text)
        made = reply.json["object"]
        assert isinstance(made, dict), made
        return made

    async def inbox(self) -> list[dict[str, Any]]:
        """Every activity in this person's inbox, newest first."""
        return await self.school.collection(f"{self.uri}/inbox", as_=self)


class TownSchool:
    """A school that is really running: its own database, its own TLS server, its own client."""

    server: Server

    def __init__(
        self, town: "Town", host: str, *, mode: Literal["network", "open"], database_url: str
    ) -> None:
        self.town = town
        self.host = host
        self.url = f"https://{host}"
        self.mode = mode
        self.database_url = database_url
        self.listening = False
        self._open = False
        self._port = 0
        self._runner: web.AppRunner | None = None

    @property
    def shared_inbox(self) -> str:
        """Where other servers post what is for many."""
        return f"{self.url}/inbox"

    async def open(self) -> None:
        """Start the school, or start it again after `shut` with everything it kept."""
        name = self.host.partition(".")[0].title()
        house = School(self.host, self.url, f"{name} School", self.host.encode()[:32].ljust(32))
        rules = Rules()
        database = await Database.open(self.database_url, house, now=self.town.clock)
        client = Client(
            rules,
            now=self.town.clock,
            agent=f"Staffroom (+{self.url})",
            admit=admission.gate(database, self.mode),
            resolver=Watched(self.town.streets, rules),
            ca_file=str(self.town.authority.file),
            own=frozenset({self.host}),
        )
        self.server = Server(house, database, client, rules, self.mode, self.town.clock, LONDON)
        self._open = True
        await database.write(_found, house)
        await self.listen()

    async def listen(self) -> None:
        """Answer the door, always at the same place."""
        self._runner = web.AppRunner(
            app.build(self.server, metrics_from=(ip_network("127.0.0.0/8"),)), access_log=None
        )
        await self._runner.setup()
        street = socket.create_server(("127.0.0.1", self._port))
        self._port = street.getsockname()[1]
        await web.SockSite(
            self._runner, street, ssl_context=self.town.authority.server(self.host)
        ).start()
        self.town.streets.ports[self.host] = self._port
        self.listening = True

    async def go_silent(self) -> None:
        """Answer nobody any more, as in a power cut at the school; `listen` ends it."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None
        self.listening = False

    async def move_away(self, port: int = 0) -> int:
        """Answer at another place; those who ask the way find it. Answers the port it had."""
        left = self._port
        await self.go_silent()
        self._port = port
        await self.listen()
        return left

    async def shut(self) -> None:
        """Stop everything, silent or not; what was kept stays in the database."""
        if not self._open:
            return
        self._open = False
        await self.go_silent()
        await self.server.client.close()
        await self.server.database.close()

    async def work(self) -> int:
        """One round of the workers, if the school is open; answers how much was done."""
        if not self.listening:
            return 0
        arrived = await worker.step(self.server) + await threads.step(self.server)
        moved = await moving.step(self.server)
        return arrived + moved + await deliver.step(self.server)

    # --- what its office does ------------------------------------------------------------------

    async def staff(
        self, username: str, name: str = "", *, role: str = "staff", **profile: Any
    ) -> Person:
        """A new member of staff with a token."""

        def join(tx: Transaction) -> tuple[Actor, str]:
            actor = staff.add(
                tx, username=username, name=name or username.title(), role=role, **profile
            )
            return actor, accounts.issue_token(tx, actor, ("read", "write", "follow"))

        actor, token = await self.write(join)
        return Person(self, actor.id, actor.uri, username, token)

    async def allow(self, host: str) -> None:
        """Talk to that host."""
        await self.write(peers.set_policy, host, "allowed")

    async def block(self, host: str) -> None:
        """Talk to that host no more."""
        await self.write(peers.set_policy, host, "blocked")

    async def read(
        self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Ask the school's database."""
        return await self.server.database.read(fn, *args, **kwargs)

    async def write(
        self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Change the school's database."""
        return await self.server.database.write(fn, *args, **kwargs)

    # --- from outside, over HTTP ---------------------------------------------------------------

    async def get(
        self,
        path: str,
        *,
        as_: Person | None = None,
        signed_by: "TownSchool | Signer | None" = None,
        accept: str = ACTIVITY,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """GET a path of this school (or a full URL of it).

        `as_` sends that person's token; `signed_by` signs as another school's instance actor, or
        with any signer.
        """
        url = path if path.startswith("https:") else self.url + path
        sent = {"Accept": accept}
        if as_ is not None:
            sent["Authorization"] = f"Bearer {as_.token}"
        if signed_by is not None:
            sent |= await self._signature(url, signed_by)
        return await self.request("GET", url, headers=sent | (headers or {}))

    async def post(self, person: Person, activity: dict[str, Any]) -> Reply:
        """POST to that person's outbox with their token."""
        return await self.request(
            "POST",
            f"{person.uri}/outbox",
            headers={"Authorization": f"Bearer {person.token}", "Content-Type": ACTIVITY},
            body=orjson.dumps(activity),
        )

    async def collection(self, path: str, **how: Any) -> list[dict[str, Any]]:
        """Everything in a collection, page by page."""
        whole = (await self.get(path, **how)).json
        found: list[dict[str, Any]] = list(whole.get("orderedItems", ()))
        page = whole.get("first")
        seen: set[str] = set()
        while page is not None:
            if isinstance(page, str):
                assert page not in seen, "the pages of this collection go in a circle"
                seen.add(page)
                reply = await self.get(page, **how)
                assert reply.status == 200, (reply.status, reply.text)
                page = reply.json
            found += page.get("orderedItems", ())
            page = page.get("next")
        return found

    async def request(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes | None = None
    ) -> Reply:
        """Any request, its URL and headers sent just as they are."""
        async with self.town.session.request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def _signature(self, url: str, by: "TownSchool | Signer") -> dict[str, str]:
        signer = await by.read(local.instance_signer) if isinstance(by, TownSchool) else by
        return sign("GET", url, signer=signer, now=self.town.clock())


def _found(tx: Transaction, house: School) -> None:
    """The first day of a school; on every later day nothing happens."""
    if school.get(tx) is None:
        school.create(tx, house.host, house.url, house.name)
    local.create_school(tx)
