"""A real Chromium for every test in this folder, and two schools that are really running.

Whatever a page asks for goes to this machine: a request for anything else fails the test, and so
does whatever the content security policy had to hold back.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright

from tests.e2e.running import RunningSchool

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
PASSWORD = "correct horse battery"
STEP = 15_000  # milliseconds that one step of a person may take


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is on this machine; without it these tests are skipped, and say so."""
    named = [os.environ.get("STAFFROOM_CHROMIUM"), *map(shutil.which, NAMES)]
    found = next((path for path in named if path), None)
    if found is None:
        pytest.skip("no Chromium here, so nothing was looked at in a browser: try `make browser`")
    return found


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield launched
        await launched.close()


@dataclass
class Desk:
    """Somebody's computer: a browser with its own cookies, looking at one school."""

    school: RunningSchool
    context: BrowserContext
    page: Page
    trouble: list[str]

    async def open(self, path: str) -> None:
        await self.page.goto(self.school.url + path)

    async def sign_in(self, username: str, password: str = PASSWORD) -> None:
        await self.open("/sign-in")
        await self.page.get_by_label("Username").fill(username)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()


SitDown = Callable[[RunningSchool], "asyncio.Future[Desk]"]


@pytest.fixture
async def sit_down(browser: Browser) -> AsyncIterator[Callable[..., object]]:
    """Call it with a school for a computer there; `dark` for people who like it dark."""
    desks: list[Desk] = []

    async def another(school: RunningSchool, *, dark: bool = False, width: int = 1100) -> Desk:
        context = await browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900}
        )
        context.set_default_timeout(STEP)
        desk = Desk(school, context, await context.new_page(), [])

        def look(request: Request) -> None:
            if not request.url.startswith(("http://127.0.0.1:", "data:")):
                desk.trouble.append(f"asked for {request.url}")

        context.on("request", look)
        desk.page.on(
            "console", lambda said: desk.trouble.append(said.text) if said.type == "error" else None
        )
        desks.append(desk)
        return desk

    yield another
    for desk in desks:
        await desk.context.close()


@pytest.fixture
async def oakfield(tmp_path: Path) -> AsyncIterator[RunningSchool]:
    """Alice works there, and has a password."""
    async with ClientSession() as session:
        school = RunningSchool(tmp_path / "oakfield", session)
        await school.found("alice", password=PASSWORD)
        await school.serve()
        try:
            yield school
        finally:
            await school.kill()


@pytest.fixture
async def schools(tmp_path: Path) -> AsyncIterator[tuple[RunningSchool, RunningSchool]]:
    """Alice works at the first, Bob at the second, both with a password; the schools federate."""
    async with ClientSession() as session:
        first = RunningSchool(tmp_path / "oakfield", session)
        second = RunningSchool(tmp_path / "riverside", session)
        await asyncio.gather(
            first.found("alice", password=PASSWORD), second.found("bob", password=PASSWORD)
        )
        await asyncio.gather(
            first.command("peers", "allow", second.host),
            second.command("peers", "allow", first.host),
        )
        await asyncio.gather(first.serve(), second.serve())
        try:
            yield first, second
        finally:
            await asyncio.gather(first.kill(), second.kill())
