"""Single writes and syncs fail, one after the other, while a school takes in what others bring.

Nobody is thanked for what is not kept, and when the fault is over all goes on as before.
"""

import errno
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import cycle

from tests.e2e.power.disk import NO_END, Fault
from tests.e2e.power.school import Visitors
from tests.e2e.running import until

FAULTS = (
    Fault(errno.EIO),
    Fault(errno.ENOSPC),
    Fault(errno.ENOSPC, cut_short=True, times=2),
    Fault(errno.EIO, times=NO_END),
    Fault(errno.ENOSPC, times=NO_END),
)
TRIED = int(os.environ.get("STAFFROOM_SOAK_FAULTS", "25"))
PLACES = 25  # a commit has fewer writes and syncs than that
MOST_VISITS = 10


async def test_a_write_that_fails_never_becomes_a_success(
    visitors: Visitors, tell: Callable[[str], None]
) -> None:
    oakfield = visitors.school
    await oakfield.serve()
    assert await visitors.bring() == 202
    assert await visitors.write() == 201
    seen: dict[Fault, Counter[str]] = defaultdict(Counter)
    for number, fault in zip(range(TRIED), cycle(FAULTS), strict=False):
        seen[fault] += await bring_through(visitors, fault, number % PLACES)
    assert await oakfield.stop() == 0
    assert sum(total.total() - total["202"] - total["201"] for total in seen.values()) > 0

    oakfield.disk.cut()
    assert oakfield.integrity() == "ok"
    await oakfield.serve()
    await visitors.nothing_lost()
    tell(
        f"{TRIED} faults at single writes and syncs; answers to those who came meanwhile and "
        f"until it was over:\n{table(seen)}"
    )


def table(seen: Mapping[Fault, Counter[str]]) -> str:
    """What went wrong, and how often each answer was given."""
    answers = sorted({answer for counted in seen.values() for answer in counted})
    lines = [f"{'fault':28}" + "".join(f"{answer:>8}" for answer in answers)]
    for fault, counted in seen.items():
        lines.append(f"{fault!s:28}" + "".join(f"{counted[answer]:8}" for answer in answers))
    return "\n".join(lines)


async def bring_through(visitors: Visitors, fault: Fault, after: int) -> Counter[str]:
    """Come until the fault was met, and on until it is over; what was answered."""
    school = visitors.school
    before = visitors.answers
    school.disk.fail(fault, after=after)
    for _ in range(MOST_VISITS):
        assert await visitors.bring() in (202, 503, 507)
        assert await visitors.write() in (201, 503, 507)
        if school.disk.faults:
            break
    school.disk.mend()
    assert school.serving
    await until(visitors.bring, lambda status: status == 202)
    await until(visitors.write, lambda status: status == 201)
    return visitors.answers - before
