"""The demo, as `make demo` shows it."""

import re

from tests.e2e.running import staffroom


async def test_the_demo_shows_post_crossing_between_all_three_pairs_and_a_queue_that_waits() -> (
    None
):
    status, out, complaint = await staffroom("demo", "--seconds", "25")
    assert status == 0, complaint
    assert len(re.findall(r"^ready http://127\.0\.0\.1:\d+", out, re.M)) == 3
    assert len(re.findall(r"password [a-z]+(?:-[a-z]+){3}  token [\w-]{30,}$", out, re.M)) == 9
    seconds = re.search(r"all three pairs crossed ([\d.]+) s after the third ready", out)
    assert seconds is not None
    assert float(seconds[1]) < 60
    crossed = re.search(r"^crossed: (.*)$", out, re.M)
    assert crossed is not None
    counts = [int(count) for count in re.findall(r"→\w+ (\d+)", crossed[1])]
    assert len(counts) == 6
    assert min(counts) > 0
    for verb in ("Follow", "Accept", "Create", "Like", "Update", "Delete"):
        assert re.search(rf"→ \w+ +{verb} +arrived done", out), verb
    assert re.search(r"oakfield → harbour-503 +\w+ +sent failed 503 .*next try", out)
    assert re.search(r"oakfield → harbour-gone +\w+ +sent over 410", out)
