"""What this process counts while it works, for whoever watches the machine (`/metrics`).

Only numbers and a few fixed words: no name, address or text of anybody gets here. With several
processes prometheus_client adds up what each of them counted. All but `committed` is called on the
event loop.
"""

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Histogram

# Seconds; the loop is asked twice a second how late it is.
LATE = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
CALLS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Counters:
    """The counters of one school in this process. Labels are words of ours, never of strangers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._intake = Counter(
            "staffroom_intake", "Activities at the door, by verdict", ["verdict"],
            registry=self.registry,
        )  # fmt: skip
        self._effects = Counter(
            "staffroom_effects", "Activities that were worked on, by outcome", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._deliveries = Counter(
            "staffroom_deliveries", "Activities brought to other servers, by outcome", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._responses = Counter(
            "staffroom_responses", "Answers to whoever asked, by status", ["status"],
            registry=self.registry,
        )  # fmt: skip
        self._commit_calls = Histogram(
            "staffroom_commit_calls", "Callers that shared one commit",
            buckets=CALLS, registry=self.registry,
        )  # fmt: skip
        self._commit_seconds = Histogram(
            "staffroom_commit_seconds", "How long a commit took, with what was done in it",
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._loop_late = Histogram(
            "staffroom_loop_late_seconds", "How late the event loop woke somebody",
            buckets=LATE, registry=self.registry,
        )  # fmt: skip
        # Counted here first: a door that takes thousands a second pays for an addition only.
        self._tally: Tally[tuple[Counter, str]] = Tally()

    def intake(self, verdict: str) -> None:
        """An activity came to the door: "taken", or why it was not."""
        self._tally[self._intake, verdict] += 1

    def effect(self, outcome: str) -> None:
        """An activity was worked on: done, dropped, again or aside."""
        self._tally[self._effects, outcome] += 1

    def delivery(self, outcome: str) -> None:
        """A delivery was tried: done, over, failed, aside; or its lane was paused."""
        self._tally[self._deliveries, outcome] += 1

    def response(self, status: int) -> None:
        """An answer left."""
        self._tally[self._responses, str(status)] += 1

    def add_up(self) -> None:
        """What was counted since the last time is now seen from outside."""
        tally, self._tally = self._tally, Tally()
        for (counter, label), count in tally.items():
            counter.labels(label).inc(count)

    def committed(self, calls: int, seconds: float) -> None:
        """So many callers shared a commit, and it took so long. From any thread."""
        self._commit_calls.observe(calls)
        self._commit_seconds.observe(seconds)

    def loop_was_late(self, seconds: float) -> None:
        """Somebody who slept on the event loop was woken so much too late."""
        self._loop_late.observe(seconds)
