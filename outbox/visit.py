"""One visit to one school: what waits is brought in order, until there is no more or no time.

What each answer means stands in `outbox/schedule.py`. A failure counts against the activity only
when a later one of the same visit succeeds; else it counts against the lane, which then waits.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from actors.server import Server
from federation import keys
from federation.answers import Answer
from federation.client import DEADLINE, ways
from federation.errors import Unreachable, WireError
from federation.signatures import Signer, Way
from federation.vocabulary import id_of, many, rfc3339
from outbox import knock, schedule
from outbox.ledger import Ledger
from storage import deliveries
from storage.database import Transaction
from storage.deliveries import Ending, Lane, Outcome, Parcel
from storage.lanes import Closing, Trip

log = logging.getLogger("outbox.deliver")

VISIT = timedelta(seconds=20)
# A lease outlasts a visit and its last request, else a slow peer would get things twice.
LEASE = timedelta(seconds=90)
# For one activity, with every form of signature that is tried.
REQUEST_SECONDS = 30.0
# So many are read with the lane itself, and so many more at once when those are brought.
FIRST = 10
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
    silent: bool = False  # nobody answered at all


class Visit:
    """The lease of one lane, and what has happened under it so far."""

    def __init__(self, server: Server, ledger: Ledger, trip: Trip, dice: Dice) -> None:
        now = server.now()
        lane = trip.lane
        self._server = server
        self._ledger = ledger
        self._trip = trip
        self._lane = lane
        self._dice = dice
        self._until = now + VISIT
        self._lease_over = now + LEASE
        self._holds = schedule.form_still_holds(lane.form_learned_at, lane.failures, now)
        self._form: Way | None = _form(trip) if self._holds else None
        self._learned: Way | None = None
        self._tried = 0
        self._alive = False  # whether the school took, or clearly refused, anything
        self._over = False  # whether the visit ends here
        self._paused: str | None = None
        self._endings: list[Ending] = []  # since what came before is known to be on disk
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
        parcels, more = self._trip.first, self._trip.more
        while True:
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
            if not more or self._ends():
                break
            if self._endings:
                await self._ledger.write((), self._lease_over)  # all that was noted
                self._endings = []
            limit = BATCH + len(self._left | self._passed)
            parcels = await self._server.database.read(deliveries.batch, self._lane.peer_id, limit)
            more = len(parcels) == limit
        if self._forbidden and not self._pending:
            self._pause()
        await self.end()
        return self._tried

    def _ends(self) -> bool:
        return self._over or self._server.now() >= self._until

    def _note(self, ending: Ending) -> None:
        self._endings.append(ending)
        self._ledger.note(ending, self._lease_over)

    # --- one activity --------------------------------------------------------------------------

    async def _bring(self, parcel: Parcel) -> None:
        self._tried += 1
        try:
            answer, form = await self._deliver(parcel)
        except Unreachable as error:
            failure = Failure(parcel, str(error), None, error.retry_after, silent=True)
            self._fails("busy", failure)
        except WireError as error:
            self._fails("failed", Failure(parcel, str(error)))
        else:
            self._judge(parcel, answer, form)

    async def _deliver(self, parcel: Parcel) -> tuple[Answer, Way]:
        client, school = self._server.client, self._server.school
        signer = Signer(parcel.key_uri, keys.unseal(school.secret, parcel.sealed_key))
        other = _ed25519(school.secret, parcel) if self._form == "ed25519" else None
        loop = asyncio.get_running_loop()
        ends = loop.time() + REQUEST_SECONDS
        answer, form = await client.deliver(
            parcel.inbox,
            parcel.body,
            signer=signer,
            form=self._form,
            ed25519=other,
            deadline=REQUEST_SECONDS,
        )
        if answer.status != 403:
            return answer, form
        # Before the whole lane stops, it is certain that the form of signature is not to blame.
        for way in ways(self._form, other)[1:]:
            second = await client.post(
                parcel.inbox,
                parcel.body,
                signer=signer,
                form=way,
                deadline=min(DEADLINE, ends - loop.time()),
            )
            if second.status not in (400, 401, 403):
                return second, way
        return answer, form

    def _judge(self, parcel: Parcel, answer: Answer, form: Way) -> None:
        verdict = schedule.verdict(answer.status)
        reason = f"answered {answer.status}"
        if verdict == "done":
            self._learn(form, answer)
            self._welcomes(parcel.actor_id)
            self._succeeds(parcel, Ending(parcel.id, "done"), answer.status)
        elif verdict == "over":
            if answer.status == 410:
                self.gone.append(parcel.inbox)
            self._succeeds(parcel, Ending(parcel.id, "over", reason), answer.status)
        elif verdict == "forbidden":
            self._forbids(Failure(parcel, f"{reason} to every form of signature", answer.status))
        elif verdict == "unauthorised" and parcel.tries + 1 >= schedule.UNAUTHORISED_TRIES:
            self._left.add(parcel.id)
            self._note(Ending(parcel.id, "over", f"{reason}, {parcel.tries + 1} times"))
            report(self._server, parcel, self._lane, "over", status=answer.status, reason=reason)
        else:
            self._fails(verdict, Failure(parcel, reason, answer.status, answer.retry_after))

    def _learn(self, form: Way, answer: Answer) -> None:
        """A yes proves a form only where another one was refused, now or when last asked; or where
        the school says by itself that it takes Ed25519."""
        kept = self._lane.signature_form
        if form != (self._form or "cavage") or (self._form is None and kept not in (None, form)):
            self._form = form
            # What is known is not learned again: who said no to Ed25519 is not asked once more.
            self._learned = None if form == kept and self._holds else form
        elif form == "ed25519" and kept != form:
            self._learned = form  # it looks at signatures, and took this one
        elif self._form is None and takes_ed25519(answer):
            self._form = self._learned = "ed25519"

    def _succeeds(self, parcel: Parcel, ending: Ending, status: int) -> None:
        self._alive = True
        self._left.add(parcel.id)
        self._note(ending)
        self._blamed += self._pending
        self._pending = []
        report(self._server, parcel, self._lane, ending.state, status=status, reason=ending.reason)

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
            self._note(Ending(failure.parcel.id, "over", reason))
            report(
                self._server,
                failure.parcel,
                self._lane,
                "over",
                status=failure.status,
                reason=reason,
            )
        if self._forbidden:
            self._again = bool(self._passed)
            self._passed.clear()
        self._forbidden = []

    def _pause(self) -> None:
        """It is all of us, as far as we know: the lane waits for a person, nothing is dropped."""
        failure = self._forbidden[0]
        self._paused, self._over = failure.reason, True
        report(
            self._server,
            failure.parcel,
            self._lane,
            "paused",
            status=failure.status,
            reason=self._paused,
        )

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
        if self._pending and self._pending[-1].silent:
            since = None if self._alive else self._lane.failing_since
            knock.fell_silent(self._server, self._lane.host, since)
        elif self._tried:
            self._server.silent.pop(self._lane.host, None)
        if self._pending and reason is None:
            reason = self._pending[-1].reason
        failures = [*self._blamed, *(failure for failure in self._pending if failure.status == 401)]
        closing = Closing(
            self._lane.peer_id,
            outcome,
            alive=self._alive,
            due_at=due_at,
            error=reason,
            form=self._learned,
            failed=tuple((failure.parcel.id, failure.reason) for failure in failures),
        )
        await self._ledger.write(asides, self._lease_over, closing)
        aside = {ending.id for ending in asides}
        for failure in (*self._blamed, *self._pending):
            gone = failure.parcel.id in aside
            report(
                self._server,
                failure.parcel,
                self._lane,
                "aside" if gone else "failed",
                status=failure.status,
                reason=failure.reason,
                next_try=None if gone else due_at,
            )

    async def abandon(self) -> None:
        """The school closes: what was brought is noted, the rest is brought after the start."""
        await self._server.database.work(abandon, self._lane.peer_id, self._endings)

    async def break_off(self) -> None:
        """The database went away: the same as soon as it is back. The lane is not to blame."""
        closing = Closing(self._lane.peer_id, "nothing", broken_off=True)
        await self._ledger.write(self._endings, self._lease_over, closing)

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


def abandon(tx: Transaction, peer_id: int, endings: list[Ending]) -> None:
    """A visit ends before it is over."""
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


def takes_ed25519(answer: Answer) -> bool:
    """Whether a school says that it wants requests signed with Ed25519 from now on.

    https://www.rfc-editor.org/rfc/rfc9421#section-5.1
    """
    wanted = answer.headers.get("Accept-Signature")
    return wanted is not None and 'alg="ed25519"' in wanted


def _form(trip: Trip) -> Way:
    """The form that a school is known to take, or may be expected to."""
    lane = trip.lane
    if lane.signature_form == "rfc9421":
        # It looks at signatures, and an actor there has such a key: then it is asked, once, in the
        # first visit after it was found to do so.
        new = lane.succeeded_at is None or lane.succeeded_at == lane.form_learned_at
        return "ed25519" if trip.shows_ed25519 and new else "rfc9421"
    return "ed25519" if lane.signature_form == "ed25519" else "cavage"


def _ed25519(secret: bytes, parcel: Parcel) -> Signer | None:
    if parcel.ed25519_uri is None or parcel.ed25519_sealed is None:
        return None
    return Signer(parcel.ed25519_uri, keys.unseal(secret, parcel.ed25519_sealed))


def report(
    server: Server,
    parcel: Parcel | None,
    lane: Lane,
    outcome: str,
    *,
    status: int | None = None,
    reason: str | None = None,
    next_try: datetime | None = None,
) -> None:
    """One try is counted, and has a line in the journal; nothing of what was said stands there."""
    server.counters.delivery(outcome)
    if not log.isEnabledFor(logging.INFO):
        return
    log.info(
        "delivery",
        extra={
            "activity_type": None if parcel is None else parcel.type,
            "actor": None if parcel is None else parcel.actor_uri,
            "peer": lane.host,
            "outcome": outcome,
            "status": status,
            "reason": reason,
            "next_try": None if next_try is None else rfc3339(next_try),
        },
    )
