"""The disk of a school fills up: nothing new is kept, and everything else goes on.

Whoever brings something is told soon to come again; people read, sign in and out; and when there is
room again all is as before, without anybody starting anything.
"""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from tests.e2e.power.school import PASSWORD, SchoolOnDisk, Visitors
from tests.e2e.running import until

BACK_WITHIN = 30.0  # seconds (SECURITY P9)
ON_A_FULL_DISK = 40  # visits of each kind
PEOPLE_WHO_SIGN_IN = 5
SMALL = 64  # MiB, for the school and its reserve

Tell = Callable[[str], None]


async def test_a_school_whose_disk_is_full_goes_on_reading_and_signing_in(
    visitors: Visitors, tell: Tell
) -> None:
    disk = visitors.school.disk
    await visitors.school.serve()
    tell(await full_and_back(visitors, fill=lambda: disk.set(room=0), free=disk.mend))


@pytest.mark.soak
async def test_a_small_disk_of_the_system_itself_fills_up(visitors: Visitors, tell: Tell) -> None:
    with on_small_disk(visitors.school) as place:
        filler = place / "filler"
        await visitors.school.serve()
        said = await full_and_back(visitors, fill=lambda: fill_up(filler), free=filler.unlink)
    tell(f"tmpfs of {SMALL} MiB: {said}")


async def full_and_back(
    visitors: Visitors, *, fill: Callable[[], object], free: Callable[[], object]
) -> str:
    """A school that is served, before, while and after its disk is full; says how it went."""
    oakfield = visitors.school
    for _ in range(3):
        assert await visitors.bring() == 202
        assert await visitors.write() == 201
    fill()
    refused, longest = 0, 0.0
    for number in range(ON_A_FULL_DISK):
        for come, kept in ((visitors.bring, 202), (visitors.write, 201)):
            began = time.monotonic()
            status = await come()
            longest = max(longest, time.monotonic() - began)
            assert status in (kept, 503, 507)
            refused += status != kept
        if number % (ON_A_FULL_DISK // PEOPLE_WHO_SIGN_IN) == 0:
            await sign_in_and_out(oakfield)
    assert refused > ON_A_FULL_DISK  # what is left of the last page of the file is soon used up
    assert await oakfield.inbox("alice")
    for location in visitors.wrote.kept:
        await oakfield.read("alice", location)

    free()
    began = time.monotonic()
    await until(visitors.bring, lambda status: status == 202, BACK_WITHIN)
    assert await visitors.write() == 201
    back = time.monotonic() - began
    assert oakfield.serving
    await visitors.nothing_lost()
    assert await oakfield.stop() == 0
    assert oakfield.integrity() == "ok"
    assert not list(oakfield.folder.glob("*-reserve"))
    return (
        f"disk full: answers {dict(visitors.answers)}, the slowest after {longest:.1f} s; all is "
        f"well {back:.1f} s after there was room again, without a restart"
    )


@contextmanager
def on_small_disk(school: SchoolOnDisk) -> Iterator[Path]:
    """A school that is not served yet moves to a tmpfs, which only root can make."""
    place = school.folder.with_name("small")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    try:
        school.move_to(place / "oakfield")
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill_up(filler: Path) -> None:
    """Write until nothing fits any more."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def sign_in_and_out(school: SchoolOnDisk) -> None:
    """Alice, in a browser of her own."""
    jar = CookieJar(unsafe=True)  # unsafe: takes cookies of addresses without a name
    async with ClientSession(cookie_jar=jar, headers={"Origin": school.url}) as browser:
        page = await (await browser.get(f"{school.url}/sign-in")).text()
        fields = {"form_token": token_in(page), "username": "alice", "password": PASSWORD}
        async with browser.post(f"{school.url}/sign-in", data=fields) as home:
            page = await home.text()
            assert (home.status, home.url.path) == (200, "/home"), page
        out = {"form_token": token_in(page)}
        async with browser.post(f"{school.url}/sign-out", data=out) as left:
            assert (left.status, left.url.path) == (200, "/sign-in")
        async with browser.get(f"{school.url}/home") as home:
            assert home.url.path == "/sign-in"


def token_in(page: str) -> str:
    found = re.search(r'name="form_token" value="(\w+)"', page)
    assert found is not None, page
    return found[1]
