"""Who waits for the database, and how their answers get back to them.

Callers live on the event loop, the database on threads. A call waits in a queue until a thread
takes it; its answer goes back together with others in one hop to the loop.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition
from typing import Any, TypeVar

from storage.transaction import Busy, Transaction, Unavailable

log = logging.getLogger(__name__)

# Told after each COMMIT: how many callers shared it, and how many seconds they took together.
Committed = Callable[[int, float], None]

LONGEST_QUEUE = 1_000
LARGEST_GROUP = 256
# Under load the rows of so many seconds share a commit, as long as one follows the other: half as
# many commits cost the processor little more than half. People and workers do not wait for that.
TOGETHER = 0.020
FOLLOWING = 0.002


@dataclass(slots=True, eq=False)
class Call:
    """One caller, what they want done, and later how it went."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def run(self, tx: Transaction) -> Any:
        return self.function(tx, *self.args, **self.kwargs)

    def fail(self, error: BaseException) -> None:
        self.result, self.error = None, error


@dataclass(slots=True, eq=False)
class Row(Call):
    """A caller with one row, `args[0]`: `function` takes the rows of many callers at once."""

    def run(self, tx: Transaction) -> Any:
        return run_rows(tx, [self])[0]


class Vital(Call):
    """A caller whose wish is small, and must be possible although the disk is full."""

    __slots__ = ()


class Work(Call):
    """A caller nobody sits and waits for: a worker in the background."""

    __slots__ = ()


def run_rows(tx: Transaction, rows: list[Row]) -> list[Any]:
    """One call for all `rows`, which share a function. Raises whatever the function raises."""
    results = list(rows[0].function(tx, [row.args[0] for row in rows]))
    if len(results) != len(rows):
        raise RuntimeError(f"{len(rows)} rows were given and {len(results)} results came back")
    return results


def by_function(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows parted by function, in the order they came."""
    parts: dict[Callable[..., Any], list[Row]] = {}
    for row in rows:
        parts.setdefault(row.function, []).append(row)
    return list(parts.values())


class Queue:
    """Three lines of callers, each in the order they came: people, rows, and work in the
    background, so that no kind waits behind all of another, or finds the queue full because of
    it. A caller who gives up before the start is dropped."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._rows: deque[Row] = deque()
        self._work: deque[Work] = deque()
        self._changed = Condition()
        self._closed = False
        self._nudged = False
        self._lingering = False
        self._rows_taken = 0.0  # when, by the clock of the thread

    def __len__(self) -> int:
        return len(self._calls) + len(self._rows) + len(self._work)

    def put(self, call: Call) -> None:
        """Raises Busy when the queue is full, Unavailable after close()."""
        with self._changed:
            if self._closed:
                raise Unavailable("the database is closed")
            line: deque[Any] = self._line_of(call)
            if len(line) >= LONGEST_QUEUE:
                waiting = [other for other in line if not other.future.cancelled()]
                line.clear()
                line.extend(waiting)
            if len(line) >= LONGEST_QUEUE:
                raise Busy(f"{LONGEST_QUEUE} calls wait for the database already")
            line.append(call)
            if not self._lingering or line is not self._rows or len(line) >= LARGEST_GROUP:
                self._changed.notify()

    def _line_of(self, call: Call) -> "deque[Any]":
        if isinstance(call, Row):
            return self._rows
        return self._work if isinstance(call, Work) else self._calls

    def close(self) -> None:
        """Take no more calls. Those that wait are still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def nudge(self) -> None:
        """Let one `wait` return although nothing may be there to take."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def wait(self) -> bool:
        """Block until there is something to do. False: closed and empty, the thread may end."""
        with self._changed:
            while not (len(self) or self._nudged or self._closed):
                self._changed.wait()
            self._linger()
            nudged, self._nudged = self._nudged, False
            return bool(len(self) or nudged)

    def _linger(self) -> None:
        """Where only rows wait, and others were taken a moment ago, let more of them gather."""
        self._lingering = True
        while not (self._calls or self._work or self._nudged or self._closed):
            left = self._rows_taken + TOGETHER - time.monotonic()
            count = len(self._rows)
            if left <= 0 or count >= LARGEST_GROUP:
                break
            self._changed.wait(min(left, FOLLOWING))
            if len(self._rows) == count:
                break
        self._lingering = False
        if self._rows:
            self._rows_taken = time.monotonic()

    def take(self) -> Call | None:
        """The next call whose caller still waits; from here on it is done, wanted or not."""
        with self._changed:
            return _next(self._calls)

    def take_work(self) -> Work | None:
        """The same, of the work in the background."""
        with self._changed:
            return _next(self._work)

    def somebody_waits(self) -> bool:
        """Whether there is more than work in the background."""
        return bool(self._calls or self._rows)

    def take_rows(self) -> list[Row]:
        """As many rows as one commit should hold."""
        taken: list[Row] = []
        with self._changed:
            while self._rows and len(taken) < LARGEST_GROUP:
                row = self._rows.popleft()
                if not row.future.cancelled():
                    taken.append(row)
        return taken

    def take_all_but_vital(self) -> list[Call]:
        """All that cannot be done while the disk is full."""
        with self._changed:
            taken = [*self._rows, *self._work]
            taken += [call for call in self._calls if not isinstance(call, Vital)]
            self._rows.clear()
            self._work.clear()
            vital = [call for call in self._calls if isinstance(call, Vital)]
            self._calls.clear()
            self._calls.extend(vital)
        return taken

    def give_back(self, calls: Iterable[Call]) -> None:
        """Some that were taken are to be tried once more, before all others."""
        with self._changed:
            for call in reversed(list(calls)):
                call.result = call.error = None
                self._calls.appendleft(call)
            self._changed.notify()

    def take_oldest(self, count: int) -> list[Call]:
        """The oldest `count` of each kind at most, for when none can be worked on."""
        with self._changed:
            calls = [self._calls.popleft() for _ in range(min(count, len(self._calls)))]
            rows = [self._rows.popleft() for _ in range(min(count, len(self._rows)))]
            work = [self._work.popleft() for _ in range(min(count, len(self._work)))]
        return [*calls, *rows, *work]


C = TypeVar("C", bound=Call)


def _next(line: deque[C]) -> C | None:
    while line:
        call = line.popleft()
        if not call.future.cancelled():
            return call
    return None


def told(committed: Committed | None, calls: int, seconds: float) -> None:
    """Tell who counts commits. What goes wrong there is no reason to stop writing."""
    if committed is None:
        return
    try:
        committed(calls, seconds)
    except Exception:
        log.exception("a commit could not be counted")


class Topics:
    """Those on the event loop who wait for something to do."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._missed: set[str] = set()

    def wake(self, topics: Iterable[str]) -> None:
        """Release who waits. If nobody does, the next who comes goes straight on: between
        looking for work and waiting for it, nothing is missed."""
        for topic in topics:
            waiting = self._waiting.setdefault(topic, set())
            if not waiting:
                self._missed.add(topic)
            while waiting:
                release(waiting.pop())

    def wake_all(self) -> None:
        """Something changed, and nobody knows what."""
        self.wake(list(self._waiting))

    async def woken(self, topic: str, timeout: float) -> None:  # noqa: ASYNC109 no error after it
        """Wait for `topic`, at most `timeout` seconds."""
        waiting = self._waiting.setdefault(topic, set())
        if topic in self._missed:
            self._missed.discard(topic)
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = self._loop.create_future()
        waiting.add(future)
        alarm = self._loop.call_later(timeout, release, future)
        try:
            await future
        finally:
            alarm.cancel()
            waiting.discard(future)


class Answers:
    """Brings answers from the threads to the loop: one hop for all that are ready."""

    def __init__(self, loop: asyncio.AbstractEventLoop, topics: Topics) -> None:
        self._loop = loop
        self._topics = topics
        self._ready: deque[tuple[list[Call], set[str]]] = deque()
        self._on_the_way = False

    def give(self, calls: list[Call], topics: set[str]) -> None:
        """Answer these callers and wake those topics. From any thread."""
        self._ready.append((calls, topics))
        if not self._on_the_way:
            self._on_the_way = True
            call_loop(self._loop, self._arrive)

    def _arrive(self) -> None:
        self._on_the_way = False  # before looking, so that whatever comes later hops again
        while self._ready:
            calls, topics = self._ready.popleft()
            for call in calls:
                _answer(call)
            self._topics.wake(topics)


def _answer(call: Call) -> None:
    if call.future.done():  # cancelled meanwhile; the others still get theirs
        return
    if call.error is None:
        call.future.set_result(call.result)
    elif isinstance(call.error, StopIteration):  # which no future can hold
        error = RuntimeError("a function raised StopIteration")
        error.__cause__ = call.error
        call.future.set_exception(error)
    else:
        call.future.set_exception(call.error)


def release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def call_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Run `callback` on the loop soon, from any thread. A loop that is gone needs no answers."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        if not loop.is_closed():
            raise
