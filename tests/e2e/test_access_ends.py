"""An administrator ends what somebody may do, while the school is being served: it ends before
the command does, for apps and for browsers."""

import asyncio
import re
import sys

from aiohttp import ClientSession, CookieJar

from tests.e2e.conftest import Build
from tests.e2e.running import RunningSchool, surroundings


async def with_password(school: RunningSchool, password: str, *words: str) -> str:
    """A command that reads a password from stdin; the last line of what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "staffroom",
        *words, "--password-stdin", "--data", str(school.folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=surroundings(),
    )  # fmt: skip
    out, _ = await process.communicate(password.encode())
    assert process.returncode == 0
    return out.decode().splitlines()[-1]


async def sign_in(browser: ClientSession, url: str, password: str) -> bool:
    """Alice fills in the form; whether she is in."""
    async with browser.get(f"{url}/sign-in") as page:
        token = re.search(r'name="form_token" value="([^"]+)"', await page.text())
    assert token is not None
    typed = {"username": "alice", "password": password, "form_token": token[1]}
    async with browser.post(
        f"{url}/sign-in", data=typed, headers={"Origin": url}, allow_redirects=False
    ) as answer:
        return answer.status == 303


async def test_a_new_password_and_suspension_end_tokens_and_sessions_at_once(
    build: Build,
) -> None:
    oakfield = build("oakfield")
    await oakfield.found()
    alice = ("staff", "add", "alice", "--name", "Alice", "--token")
    oakfield.tokens["alice"] = await with_password(oakfield, "three ripple tanks", *alice)
    await oakfield.serve()
    jar = CookieJar(unsafe=True)  # the school has a numeric host here
    async with ClientSession(cookie_jar=jar) as browser:

        async def opens() -> tuple[int, int]:
            """What her app and her browser are answered."""
            headers = {"Authorization": f"Bearer {oakfield.tokens['alice']}"}
            inbox = f"{oakfield.uri('alice')}/inbox"
            async with (
                browser.get(inbox, headers=headers) as app,
                browser.get(f"{oakfield.url}/home", allow_redirects=False) as page,
            ):
                return app.status, page.status

        assert await sign_in(browser, oakfield.url, "three ripple tanks")
        assert await opens() == (200, 200)
        await with_password(oakfield, "four ripple tanks", "staff", "password", "alice")
        assert await opens() == (401, 303)
        assert not await sign_in(browser, oakfield.url, "three ripple tanks")

        oakfield.tokens["alice"] = await oakfield.command("staff", "token", "alice")
        assert await sign_in(browser, oakfield.url, "four ripple tanks")
        assert await opens() == (200, 200)
        await oakfield.command("staff", "suspend", "alice")
        assert await opens() == (401, 303)
        assert not await sign_in(browser, oakfield.url, "four ripple tanks")
