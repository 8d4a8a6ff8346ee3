"""The demo, as `make demo` shows it."""

import asyncio
import re
import signal
import sys

from tests.e2e.running import DEADLINE, surroundings

# What is shown, each sooner or later.
SHOWN = (
    r"all three pairs crossed ([\d.]+) s after the third ready",
    *(rf"→ \w+ +{verb} +arrived done" for verb in ("Follow", "Accept", "Create", "Like")),
    *(rf"→ \w+ +{verb} +arrived done" for verb in ("Invite", "Add", "Announce", "Move")),
    r"→ \w+ +Update +arrived done",
    r"→ \w+ +Delete +arrived done",
    r"oakfield → harbour-503 +\w+ +sent failed 503 .*next try",
    r"oakfield → harbour-gone +\w+ +sent over 410",
    r"carys edited a post in the project; at all three schools it reads: ",
    r"priya works at the same school and is not in it: for her it is not there",
    r"at oakfield: staffroom staff alias frahman http://\S+/users/fatima",
    r"at riverside: staffroom move start fatima http://\S+/users/frahman",
    r"followers 1, following 2, as before; and her role in the project is hers at oakfield",
    r"at oakfield: staffroom move status frahman",
    r"@frahman@\S+ +Fatima Rahman +editor +member",
)


async def test_the_demo_shows_post_crossing_and_waiting_a_project_and_a_teacher_who_moves() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "staffroom", "demo", "--seconds", str(round(2 * DEADLINE)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=surroundings(),
    )  # fmt: skip
    assert process.stdout is not None
    out, missing = "", list(SHOWN)
    # As somebody watches who has seen enough: not a moment longer than it takes.
    async for line in process.stdout:
        out += line.decode()
        missing = [one for one in missing if not re.search(one, line.decode())]
        if not missing and process.returncode is None:
            process.send_signal(signal.SIGINT)
            break
    rest, complaint = await process.communicate()
    out += rest.decode()
    assert (process.returncode, missing) == (0, []), out[-3000:] + complaint.decode()
    assert len(re.findall(r"^ready http://127\.0\.0\.1:\d+", out, re.M)) == 3
    assert len(re.findall(r"password [a-z]+(?:-[a-z]+){3}  token [\w-]{30,}$", out, re.M)) == 10
    assert re.search(
        r"Science from Year 6 to Year 7  http://\S+/projects/science-6-to-7$", out, re.M
    )
    seconds = re.search(SHOWN[0], out)
    assert seconds is not None
    assert float(seconds[1]) < 60
    crossed = re.search(r"^crossed: (.*)$", out, re.M)
    assert crossed is not None
    counts = [int(count) for count in re.findall(r"→\w+ (\d+)", crossed[1])]
    assert len(counts) == 6
    assert min(counts) > 0
    assert "ended early" not in out
