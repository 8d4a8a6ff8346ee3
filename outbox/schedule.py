"""When to knock again at a school that did not answer, and what its answer means.

Pure arithmetic: the clock and the dice come in as arguments. The steps are 1, 5, 30 minutes,
2 hours, then every 6 hours; a UK summer holiday is six weeks, so we go on for 60 days.
"""

from datetime import datetime, timedelta
from typing import Literal

STEPS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
LATER = timedelta(hours=6)
DAY = timedelta(days=1)
GIVE_UP = timedelta(days=60)

# After so many distinct days without success the peer is thought to be away: one probe a day.
AWAY_AFTER_DAYS = 7

# How far a wait is stretched or shortened, so that a thousand schools do not knock in step.
JITTER = 0.2

# A signature form learned from a peer is asked again after this time: servers are upgraded.
FORM_LASTS = timedelta(weeks=3)

UNAUTHORISED_TRIES = 3
FAILING_TRIES = 5

Verdict = Literal["done", "over", "unauthorised", "forbidden", "busy", "failed"]

_OVER = frozenset({400, 404, 405, 406, 410, 413, 415, 422, 501})
# The peer as a whole has no time now; that says nothing about the one activity we brought.
_BUSY = frozenset({408, 429, 502, 503, 504})


def verdict(status: int) -> Verdict:
    """What an HTTP answer to a delivery means for the delivery.

    `over`: never again. `unauthorised`: three tries. `forbidden`: the lane waits for a person.
    `busy` and `failed`: later; `failed` may be the fault of this one activity, `busy` is not.
    """
    if 200 <= status < 300:
        return "done"
    if status in _OVER:
        return "over"
    if status == 401:
        return "unauthorised"
    if status == 403:
        return "forbidden"
    return "busy" if status in _BUSY else "failed"


def back_off(failures: int, *, failing_days: int, dice: float) -> timedelta:
    """How long a lane waits after its `failures`-th failure in a row (the first is 1).

    `failing_days` counts the distinct days of this run of failures; `dice` is in [0, 1).
    """
    if failing_days >= AWAY_AFTER_DAYS:
        wait = DAY
    elif failures <= len(STEPS):
        wait = STEPS[max(failures, 1) - 1]
    else:
        wait = LATER
    return wait * (1 - JITTER + 2 * JITTER * dice)


def after_failure(
    now: datetime,
    failures: int,
    *,
    failing_days: int,
    dice: float,
    retry_after: float | None = None,
) -> datetime:
    """The moment of the next try. `retry_after`, in seconds, is the peer's own wish.

    The wish is obeyed up to a day, and never makes us knock more often than once a minute.
    """
    if retry_after is None:
        return now + back_off(failures, failing_days=failing_days, dice=dice)
    wished = min(max(retry_after, STEPS[0].total_seconds()), DAY.total_seconds())
    return now + timedelta(seconds=wished)


def days_failing(failing_days: int, failed_at: datetime | None, now: datetime) -> int:
    """The count of distinct days once a failure of today is added."""
    if failed_at is not None and failed_at.date() == now.date():
        return max(failing_days, 1)
    return failing_days + 1


def form_still_holds(learned_at: datetime | None, failures: int, now: datetime) -> bool:
    """Whether the form of signature that a peer once verified is used without asking again."""
    return learned_at is not None and failures == 0 and now - learned_at < FORM_LASTS
