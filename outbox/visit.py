"""One visit to one school: what waits is brought in order, until there is no more or no time.

What each answer means stands in `outbox/schedule.py`. A failure counts against the activity only
when a later one of the same visit succeeds; else it counts against the lane, which then waits.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec

import orjson

from actors.server import Server
from federation import keys
from federation.client import Answer
from federation.errors import Unreachable, WireError
from federation.signatures import Form, Signer
from federation.vocabulary import id_of, many, rfc3339, type_of
from outbox import schedule
from storage import deliveries
from storage.database import Busy, Transaction, Unavailable
from storage.deliveries import Ending, Lane, Outcome, Parcel

log = logging.getLogger("outbox.deliver")

P = ParamSpec("P")

VISIT = timedelta(seconds=20)
# A lease outlasts a visit and its last request, else a slow peer would get things twice.
LEASE = timedelta(seconds=90)
# When the database is away: how long until it is asked again, in seconds.
PAUSE = 1.0
# For one activity, with every form of signature that is tried.
REQUEST_SECONDS = 30.0
BATCH = 50
# An activity that cannot be brought lets others pass, but not for ever.
FAILED_IN_A_VISIT = 10
# So many visits in a row ended at the first activity: is it the activity, or the school?
DOUBT_AFTER = 2

Dice = Callable[[], float]


@dataclass(frozen=True)
class Failure:
    parcel: Parcel
    reason: str
    status: int | None = None
    retry_after: float | None = None


class Visit:
    """The lease of one lane, and what has happened under it so far."""

    def __init__(self, server: Server, lane: Lane, dice: Dice) -> None:
        now = server.now()
        holds = schedule.form_still_holds(lane.form_learned_at, lane.failures, now)
        self._server = server
        self._lane = lane
        self._dice = dice
        self._until = now + VISIT
        self._lease_over = now + LEASE
        self._form: Form | None = _form(lane.signature_form) if holds else None
        self._learned: Form | None = None
        self._tried = 0
        self._alive = False  # whether the school took, or clearly refused, anything
        self._over = False  # whether the visit ends here
        self._paused: str | None = None
        self._endings: list[Ending] = []
        # Failures that nothing has followed yet: the school's fault, as far as we know.
        self._pending: list[Failure] = []
        # Failures that something else succeeded after: their own fault.
        self._blamed: list[Failure] = []
        self._left: set[int] = set()  # rows that this visit is through with
        self._passed: set[int] = set()  # those that wait for what becomes of another
        self._again = False  # whether such may be brought after all
        # People of ours whose word was taken, and what of others was refused: it may be that only
        # they are unwelcome there, be they suspended by that school's administrator.
        self._welcome: set[int] = set()
        self._forbidden: list[Failure] = []
        # Personal inboxes that are no more: perhaps their people are gone too.
        self.gone: list[str] = []

    async def run(self) -> int:
        """Bring what waits; how many deliveries were tried. The lane is free afterwards."""
        more = True
        while more and not self._ends():
            limit = BATCH + len(self._left | self._passed)
            parcels = await self._server.database.read(deliveries.batch, self._lane.peer_id, limit)
            more = len(parcels) == limit
            for parcel in parcels:
                if self._ends():
                    break
                if parcel.id in self._left or parcel.id in self._passed:
                    continue
                if self._waits_for_another(parcel):
                    self._passed.add(parcel.id)
                else:
                    await self._bring(parcel)
            more, self._again = more or self._again, False
            if more and not self._ends():
                await self._write(deliveries.ended, self._endings)
                self._endings = []
        if self._forbidden and not self._pending:
            self._pause()
        await self.end()
        return self._tried

    def _ends(self) -> bool:
        return self._over or self._server.now() >= self._until

    async def _write(
        self,
        fn: Callable[Concatenate[Transaction, P], None],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Write what the visit brought about: if the database is away, as soon as it is back,
        while the lane is ours. What is not noted as sent is sent again.

        Raises Busy, Unavailable.
        """
        while True:
            try:
                await self._server.database.write(fn, *args, **kwargs)
            except (Busy, Unavailable) as error:
                if self._server.now() >= self._lease_over:
                    raise
                log.warning("the database cannot be had: %s", error)
                await asyncio.sleep(PAUSE)
            else:
                return

    # --- one activity --------------------------------------------------------------------------

    async def _bring(self, parcel: Parcel) -> None:
        self._tried += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer, form = await self._knock(parcel)
        except Unreachable as error:
            self._fails("busy", Failure(parcel, str(error), None, error.retry_after))
        except TimeoutError:
            self._fails("busy", Failure(parcel, "no answer in time"))
        except WireError as error:
            self._fails("failed", Failure(parcel, str(error)))
        else:
            self._judge(parcel, answer, form)

    async def _knock(self, parcel: Parcel) -> tuple[Answer, Form]:
        client, school = self._server.client, self._server.school
        signer = Signer(parcel.key_uri, keys.unseal(school.secret, parcel.sealed_key))
        answer, form = await client.deliver(
            parcel.inbox, parcel.body, signer=signer, form=self._form
        )
        if answer.status != 403:
            return answer, form
        # Before the whole lane stops, it is certain that the form of signature is not to blame.
        other: Form = "rfc9421" if form == "cavage" else "cavage"
        second = await client.post(parcel.inbox, parcel.body, signer=signer, form=other)
        return (answer, form) if second.status in (400, 401, 403) else (second, other)

    def _judge(self, parcel: Parcel, answer: Answer, form: Form) -> None:
        verdict = schedule.verdict(answer.status)
        reason = f"answered {answer.status}"
        if verdict == "done":
            self._learn(form)
            self._welcomes(parcel.actor_id)
            self._succeeds(parcel, Ending(parcel.id, "done"), answer.status)
        elif verdict == "over":
            if answer.status == 410:
                self.gone.append(parcel.inbox)
            self._succeeds(parcel, Ending(parcel.id, "over", reason), answer.status)
        elif verdict == "forbidden":
            self._forbids(Failure(parcel, f"{reason} to both forms of signature", answer.status))
        elif verdict == "unauthorised" and parcel.tries + 1 >= schedule.UNAUTHORISED_TRIES:
            self._left.add(parcel.id)
            self._endings.append(Ending(parcel.id, "over", f"{reason}, {parcel.tries + 1} times"))
            report(parcel, self._lane, "over", status=answer.status, reason=reason)
        else:
            self._fails(verdict, Failure(parcel, reason, answer.status, answer.retry_after))

    def _learn(self, form: Form) -> None:
        """A yes proves a form only where the other one was refused, now or when last asked."""
        first = self._form or "cavage"
        if form != first or (self._form is None and self._lane.signature_form not in (None, form)):
            self._form = self._learned = form

    def _succeeds(self, parcel: Parcel, ending: Ending, status: int) -> None:
        self._alive = True
        self._left.add(parcel.id)
        self._endings.append(ending)
        self._blamed += self._pending
        self._pending = []
        report(parcel, self._lane, ending.state, status=status, reason=ending.reason)

    def _forbids(self, failure: Failure) -> None:
        """The school wants nothing of this person, or of us: what others say next will tell."""
        self._left.add(failure.parcel.id)
        self._forbidden.append(failure)
        if self._welcome - {failure.parcel.actor_id}:
            self._unwelcome()
        elif len({refused.parcel.actor_id for refused in self._forbidden}) > 1:
            self._pause()

    def _welcomes(self, actor_id: int) -> None:
        self._welcome.add(actor_id)
        self._unwelcome()

    def _unwelcome(self) -> None:
        """It is only this person: what they sent is over, and keeps nobody else waiting."""
        for failure in self._forbidden:
            reason = f"{failure.reason}, while others were heard"
            self._endings.append(Ending(failure.parcel.id, "over", reason))
            report(failure.parcel, self._lane, "over", status=failure.status, reason=reason)
        if self._forbidden:
            self._again = bool(self._passed)
            self._passed.clear()
        self._forbidden = []

    def _pause(self) -> None:
        """It is all of us, as far as we know: the lane waits for a person, nothing is dropped."""
        failure = self._forbidden[0]
        self._paused, self._over = failure.reason, True
        report(failure.parcel, self._lane, "paused", status=failure.status, reason=self._paused)

    def _fails(self, verdict: schedule.Verdict, failure: Failure) -> None:
        """It stays; and the next one is tried where it may be this one's own fault."""
        self._left.add(failure.parcel.id)
        self._pending.append(failure)
        away = self._lane.failing_days >= schedule.AWAY_AFTER_DAYS
        doubtful = verdict in ("failed", "unauthorised") or self._lane.failures >= DOUBT_AFTER
        first = len(self._pending) == 1 and len(self._blamed) < FAILED_IN_A_VISIT
        self._over = away or not doubtful or not first or failure.retry_after is not None

    def _waits_for_another(self, parcel: Parcel) -> bool:
        """Whether it is about the same as one that stays: a Delete must not overtake its Create.

        Nor is a person who was refused brought up again before somebody else was heard.
        """
        if any(parcel.actor_id == refused.parcel.actor_id for refused in self._forbidden):
            return True
        stays = [*self._pending, *self._blamed]
        if not stays:
            return False
        about = _about(parcel)
        return any(about & _about(failure.parcel) for failure in stays)

    # --- the end -------------------------------------------------------------------------------

    async def end(self, broken: str | None = None) -> None:
        """Say how it went and give the lane back. `broken` is a mistake of ours, in one word."""
        failed = broken is not None or bool(self._pending)
        due_at = self._due(failed)
        asides = [
            Ending(failure.parcel.id, "aside", failure.reason)
            for failure in self._blamed
            if failure.parcel.tries + 1 >= schedule.FAILING_TRIES
        ]
        outcome: Outcome = "paused" if self._paused else "failure" if failed else "success"
        if outcome == "success" and not self._tried:
            outcome = "nothing"
        reason = self._paused or broken
        if failed:
            # A sign of life after this is news, however lately there was one before.
            self._server.heard.forget(self._lane.host)
        if self._pending and reason is None:
            reason = self._pending[-1].reason
        await self._write(
            _close,
            self._lane.peer_id,
            endings=[*self._endings, *asides],
            failed=[
                *self._blamed,
                *(failure for failure in self._pending if failure.status == 401),
            ],
            outcome=outcome,
            alive=self._alive,
            due_at=due_at,
            error=reason,
            form=self._learned,
        )
        aside = {ending.id for ending in asides}
        for failure in (*self._blamed, *self._pending):
            gone = failure.parcel.id in aside
            report(
                failure.parcel,
                self._lane,
                "aside" if gone else "failed",
                status=failure.status,
                reason=failure.reason,
                next_try=None if gone else due_at,
            )

    async def abandon(self) -> None:
        """The school closes: what was brought is noted, the rest is brought after the start."""
        await self._server.database.write(_abandon, self._lane.peer_id, self._endings)

    async def break_off(self) -> None:
        """The database went away: the same as soon as it is back. The lane is not to blame."""
        await self._write(_abandon, self._lane.peer_id, self._endings)

    def _due(self, failed: bool) -> datetime | None:
        """When to come back, if something waits then; None is at once."""
        now = self._server.now()
        if failed:
            # A success in this visit began a new count.
            failures = 0 if self._alive else self._lane.failures
            days = 0 if self._alive else self._lane.failing_days
            return schedule.after_failure(
                now,
                failures + 1,
                failing_days=schedule.days_failing(
                    days, None if self._alive else self._lane.failed_at, now
                ),
                dice=self._dice(),
                retry_after=self._pending[-1].retry_after if self._pending else None,
            )
        if self._blamed and now < self._until:
            return schedule.after_failure(now, 1, failing_days=1, dice=self._dice())
        return None


def _close(
    tx: Transaction,
    peer_id: int,
    *,
    endings: list[Ending],
    failed: list[Failure],
    outcome: Outcome,
    alive: bool,
    due_at: datetime | None,
    error: str | None,
    form: Form | None,
) -> None:
    """Everything that a visit leaves behind, in one transaction."""
    if alive and outcome == "failure":
        # It went well, and then it did not: the count of failures begins anew.
        deliveries.release(tx, peer_id, outcome="success")
    for failure in failed:
        deliveries.failed(tx, failure.parcel.id, failure.reason)
    deliveries.ended(tx, endings)
    deliveries.release(tx, peer_id, outcome=outcome, due_at=due_at, error=error, form=form)
    if outcome in ("success", "nothing") and due_at is None and deliveries.batch(tx, peer_id, 1):
        # Time was over, or something was published meanwhile.
        tx.wake("deliveries")


def _abandon(tx: Transaction, peer_id: int, endings: list[Ending]) -> None:
    deliveries.ended(tx, endings)
    deliveries.abandon(tx, [peer_id])
    tx.wake("deliveries")


def _about(parcel: Parcel) -> set[str]:
    """The ids that an activity and what it is about go by."""
    activity: dict[str, Any] = orjson.loads(parcel.body)
    things = [activity, *many(activity.get("object"))]
    things += [
        inner
        for thing in things[1:]
        if isinstance(thing, dict)
        for inner in many(thing.get("object"))
    ]
    return {uri for thing in things if (uri := id_of(thing)) is not None}


def _form(kept: str | None) -> Form | None:
    return "rfc9421" if kept == "rfc9421" else "cavage" if kept == "cavage" else None


def report(
    parcel: Parcel | None,
    lane: Lane,
    outcome: str,
    *,
    status: int | None = None,
    reason: str | None = None,
    next_try: datetime | None = None,
) -> None:
    """A line in the journal about one try; nothing of what was said stands in it."""
    if not log.isEnabledFor(logging.INFO):
        return
    activity = orjson.loads(parcel.body) if parcel is not None else {}
    log.info(
        "delivery",
        extra={
            "activity_type": type_of(activity) or None,
            "actor": id_of(activity.get("actor")),
            "peer": lane.host,
            "outcome": outcome,
            "status": status,
            "reason": reason,
            "next_try": None if next_try is None else rfc3339(next_try),
        },
    )
