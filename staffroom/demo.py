"""Three schools on this machine, talking to each other, for somebody to watch.

Each school is what a real one is: a data directory made by `staffroom init`, a process that runs
`staffroom serve`, people added by `staffroom staff add`. What they do, they do over HTTP with
their tokens. What is shown is what the servers wrote down about it.
"""

import asyncio
import itertools
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from rich.console import Console
from rich.markup import escape

from staffroom import demo_cast, demo_move, demo_peer, demo_play, demo_project
from staffroom.config import CannotOpen
from staffroom.demo_cast import FAILING, PROJECT, SCHOOLS
from staffroom.demo_house import House, Keys, free_place
from staffroom.demo_play import Player

QUEUE_EVERY = 15.0
OUTCOMES = {
    "done": "green",
    "again": "yellow",
    "failed": "yellow",
    "paused": "red",
    "dropped": "red",
    "over": "red",
    "aside": "red",
}


class Traffic:
    """What crossed between schools, counted and shown line by line."""

    def __init__(self, console: Console, names: dict[str, str]) -> None:
        self._console = console
        self._names = names  # host to the name that is shown
        self.crossed: Counter[tuple[str, str]] = Counter()
        self.all_pairs = asyncio.Event()

    async def follow(self, house: House) -> None:
        """Show what one school writes down, as long as it does."""
        async for line in house.journal():
            room, event = line.get("room"), line.get("event")
            if (room, event) == ("inbox.worker", "arrival"):
                self._arrival(house, line)
            elif (room, event) == ("outbox.deliver", "delivery"):
                self._delivery(house, line)
            elif line.get("level") in {"warning", "error"}:
                self.went_wrong(f"{house.cast.name}: {event}")

    def _arrival(self, house: House, line: dict[str, Any]) -> None:
        sender = self._name(str(line.get("actor", "")))
        own = self._names[house.host]
        if sender == own:
            return
        if line.get("outcome") == "done" and sender not in FAILING:
            self.crossed[sender, own] += 1
            if len(self.crossed) == len(SCHOOLS) * (len(SCHOOLS) - 1):
                self.all_pairs.set()
        self._show(sender, own, "arrived", line)

    def _delivery(self, house: House, line: dict[str, Any]) -> None:
        receiver = self._name(f"http://{line.get('peer', '')}/")
        if line.get("outcome") == "done":
            return  # it is shown where it arrives
        self._show(self._names[house.host], receiver, "sent", line)

    def keeps(self, house: House, host: str, words: str) -> None:
        """What a school keeps for another."""
        receiver = self._names.get(host, host)
        self._say(f"{house.cast.slug} keeps for {receiver}", f"[yellow]{escape(words)}[/yellow]")

    def tell(self, text: str) -> None:
        """What is going on, between the lines."""
        self._print(f"[bold]{escape(text)}[/bold]")

    def went_wrong(self, text: str) -> None:
        self._print(f"[red]{escape(text)}[/red]")

    def _show(self, sender: str, receiver: str, what: str, line: dict[str, Any]) -> None:
        outcome = str(line.get("outcome"))
        colour = OUTCOMES.get(outcome, "white")
        more = " ".join(
            str(line[name]) for name in ("status", "reason") if line.get(name) not in {None, ""}
        )
        if line.get("next_try"):
            more += f", next try {line['next_try']}"
        self._say(
            f"{sender} → {receiver}",
            f"{escape(str(line.get('activity_type'))):9} {what} [{colour}]{outcome}[/{colour}] "
            f"[dim]{escape(more)}[/dim]",
        )

    def _say(self, who: str, what: str) -> None:
        self._print(f"{escape(who):32} {what}")

    def _print(self, line: str) -> None:
        moment = time.strftime("%H:%M:%S")
        self._console.print(f"[dim]{moment}[/dim]  {line}", highlight=False, soft_wrap=True)

    def _name(self, url: str) -> str:
        host = url.partition("://")[2].partition("/")[0]
        return self._names.get(host, host)

    def summary(self) -> str:
        """One line: `crossed: oakfield→riverside 12, …`."""
        pairs = itertools.permutations([cast.slug for cast in SCHOOLS], 2)
        return "crossed: " + ", ".join(f"{a}→{b} {self.crossed[a, b]}" for a, b in pairs)


def show(seconds: int | None, folder: Path | None) -> None:
    """Run the demo until Ctrl-C, or for `seconds` once all schools are ready.

    Raises CannotOpen where a school does not start.
    """
    with tempfile.TemporaryDirectory(prefix="staffroom-demo-") as temporary:
        place = folder or Path(temporary)
        taken = [cast.slug for cast in SCHOOLS if (place / cast.slug).exists()]
        if taken:
            raise CannotOpen(f"{place / taken[0]} exists already: name an empty directory")
        asyncio.run(_show(seconds, place))


async def _show(seconds: int | None, place: Path) -> None:
    console = Console(highlight=False)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    playing = asyncio.create_task(_play(console, seconds, place))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not playing.done():
            console.print("\nclosing …")
            playing.cancel()
    with suppress(asyncio.CancelledError):
        await playing


async def _play(console: Console, seconds: int | None, place: Path) -> None:
    async with AsyncExitStack() as stack:
        houses, heads, keys = await _open(stack, console, place)
        began = time.monotonic()
        for house in houses:
            console.print(f"ready {house.url}  {house.cast.name}")
        _print_people(console, houses, keys)
        names = {house.host: house.cast.slug for house in houses}
        names |= {head.host: head.name for head in heads}
        traffic = Traffic(console, names)
        session = await stack.enter_async_context(
            ClientSession(timeout=ClientTimeout(total=30), trust_env=False)
        )
        players = {
            member.username: Player(session, house.url, member.username, key[member.username].token)
            for house, key in zip(houses, keys, strict=True)
            for member in house.cast.members
        }
        try:
            async with asyncio.TaskGroup() as group:
                watchers = [group.create_task(traffic.follow(house)) for house in houses]
                acts = [
                    group.create_task(_perform(traffic, houses, players)),
                    group.create_task(_fail(heads, session, players["alice"].uri)),
                    group.create_task(_announce(console, traffic, began)),
                    group.create_task(_watch_queue(traffic, houses[0])),
                ]
                await _until(began, seconds)
                for task in (*acts, *watchers):
                    task.cancel()
        finally:
            console.print(traffic.summary(), soft_wrap=True)


async def _open(
    stack: AsyncExitStack, console: Console, place: Path
) -> tuple[list[House], list[demo_peer.Head], list[dict[str, Keys]]]:
    """Three schools that answer, the people of those that fail, and what opens everybody's
    account."""
    places = [free_place() for _ in range(len(SCHOOLS) + 1)]
    ports = [one.getsockname()[1] for one in places]
    heads = await stack.enter_async_context(demo_peer.failing(places.pop()))
    houses = [
        House(cast, place / cast.slug, port) for cast, port in zip(SCHOOLS, ports[:-1], strict=True)
    ]
    with console.status("founding three schools …"):
        keys = await asyncio.gather(
            *(_found(house, houses, [head.host for head in heads]) for house in houses)
        )
    for one in places:
        one.close()
    for house in houses:
        stack.push_async_callback(house.close)
    await asyncio.gather(*(house.serve() for house in houses))
    return houses, heads, keys


async def _found(house: House, houses: list[House], failing: list[str]) -> dict[str, Keys]:
    """Make one school through the command line alone; answers what opens each account."""
    await house.run(
        "init",
        "--domain", house.host,
        "--public-url", house.url,
        "--name", house.cast.name,
        "--danger-allow-http",
        "--danger-allow-private-addresses",
    )  # fmt: skip
    others = [other.host for other in houses if other is not house]
    await house.run("peers", "allow", *others, *failing)
    keys = {}
    for member in house.cast.members:
        password = demo_cast.password()
        subjects = [word for subject in member.subjects for word in ("--subject", subject)]
        printed = await house.run(
            "staff", "add", member.username,
            "--name", member.name,
            "--title", member.title,
            "--phase", member.phase,
            "--token",
            "--password-stdin",
            *subjects,
            typed=f"{password}\n",
        )  # fmt: skip
        keys[member.username] = Keys(password, token=printed.splitlines()[-1])
    if PROJECT.owner in keys:
        await house.run(
            "project", "add", PROJECT.slug,
            "--name", PROJECT.name,
            "--aim", PROJECT.aim,
            "--owner", PROJECT.owner,
            "--private",
        )  # fmt: skip
    return keys


def _print_people(console: Console, houses: list[House], keys: list[dict[str, Keys]]) -> None:
    for house, key in zip(houses, keys, strict=True):
        console.print(f"\n[bold {house.cast.colour}]{escape(house.cast.name)}[/]  {house.url}/")
        for member in house.cast.members:
            who = f"{member.name}, {member.title}"
            own = key[member.username]
            console.print(
                f"  {escape(who):36}  @{member.username}@{house.host}"
                f"  password [bold]{own.password}[/]  token {own.token}",
                soft_wrap=True,
            )
    guests = ", ".join(username for username, _ in PROJECT.guests)
    console.print(
        f"\nA private project at {SCHOOLS[0].name}, for {PROJECT.owner}, {guests} alone:\n"
        f"  {PROJECT.name}  {houses[0].url}/projects/{PROJECT.slug}\n"
        f"\nBe one of them: open {houses[0].url}/sign-in in a browser, with the name alice.\n"
        "Or let a program speak: curl -H 'Authorization: Bearer TOKEN' "
        f"{houses[0].url}/users/alice/inbox\n",
        soft_wrap=True,
    )


async def _perform(traffic: Traffic, houses: list[House], players: dict[str, Player]) -> None:
    """The play: once through, then a word now and then."""
    by_school = {house.cast.slug: house for house in houses}

    async def run(school: str, *words: str) -> str:
        return await by_school[school].run(*words)

    await asyncio.gather(
        _chapter(traffic, demo_play.talk(players)),
        _chapter(traffic, demo_project.together(players, traffic.tell)),
    )
    await _chapter(traffic, demo_move.move(players, traffic.tell, run))
    await demo_play.go_on(players)


async def _chapter(traffic: Traffic, acts: Coroutine[Any, Any, None]) -> None:
    """One part of the play. If it ends early, the others go on."""
    try:
        await acts
    except (demo_play.NotDone, CannotOpen, ClientError, TimeoutError) as error:
        traffic.went_wrong(f"a part of the play ended early: {str(error) or type(error).__name__}")


async def _fail(heads: list[demo_peer.Head], session: ClientSession, followee: str) -> None:
    """The failing schools follow Alice, so that her posts are for them too."""
    for head in heads:
        with suppress(ClientError, TimeoutError):
            await head.follow(session, followee)


async def _announce(console: Console, traffic: Traffic, began: float) -> None:
    await traffic.all_pairs.wait()
    console.print(
        f"[bold]all three pairs crossed {time.monotonic() - began:.1f} s after the third ready[/]",
        soft_wrap=True,
    )


async def _watch_queue(traffic: Traffic, house: House) -> None:
    """Say now and then what a school keeps for the schools that fail."""
    while True:
        await asyncio.sleep(QUEUE_EVERY)
        for peer in orjson.loads(await house.run("peers", "list", "--json"))["peers"]:
            if peer["waiting"]:
                traffic.keeps(house, peer["host"], peer["lane"])


async def _until(began: float, seconds: int | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(max(began + seconds - time.monotonic(), 0))
