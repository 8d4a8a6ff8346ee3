"""Several processes serve one school together: a parent starts them, and starts again who dies.

The parent does nothing else, so that nothing can happen to it. It is forked, not copied: what all
of them hold in memory alike is there once, and a new one is at work in a moment. The first does
alone what is to be done once; the others begin when it answers. All listen at one place, so a
caller who comes while one of them dies is let in by another. When the parent is gone, however it
went, they close as if they had been asked to.
"""

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

log = logging.getLogger("staffroom.several")

FIRST_PAUSE = 0.2  # seconds until one that died is started again, then 0.4, 0.8 …
LONGEST_PAUSE = 15.0
TIME_TO_CLOSE = 9.0  # seconds; who is not done by then is ended
LOOK_EVERY = 0.02
ENDING = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Post:
    """The place of one process among those that serve."""

    number: int
    opens: bool  # the school opens with it; else it came for one that died
    answers: Callable[[], None]  # to be called once it does
    lifeline: int | None = None  # a descriptor that ends when the parent does

    @property
    def first(self) -> bool:
        """Whether it does what is to be done once."""
        return self.number == 0


@dataclass
class _Seat:
    """One of the processes, as the parent knows it."""

    number: int
    pid: int = 0  # 0: none
    answers: bool = False
    heard: int = -1  # where it says so; -1: nowhere
    began: float = 0.0
    due: float = 0.0  # when it may be started
    pause: float = FIRST_PAUSE


@dataclass
class _Parent:
    seats: list[_Seat]
    lifeline: tuple[int, int] = field(default_factory=os.pipe)
    open: bool = False  # all have answered
    ending: bool = False
    failed: bool = False


def part(count: int, told: Callable[[], None]) -> Post:
    """Become `count` processes, each of which gets its post; `told` is called when all answer.

    The parent never comes back: it raises SystemExit when the last has ended.
    """
    parent = _Parent([_Seat(number) for number in range(count)])
    with _signals(parent) as alarm:
        while not parent.ending:
            for seat in _due(parent):
                post = _start(parent, seat)
                if post is not None:
                    break
            else:
                _look(parent, alarm, told)
                continue
            break
        else:
            _end(parent)
            raise SystemExit(1 if parent.failed else 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    return post


@contextmanager
def _signals(parent: _Parent) -> Iterator[socket.socket]:
    """A signal only wakes the parent; who is forked leaves this and hears them as usual."""
    alarm, bell = socket.socketpair()
    alarm.setblocking(False)
    bell.setblocking(False)

    def end(_number: int, _frame: object) -> None:
        parent.ending = True

    before = {number: signal.signal(number, end) for number in ENDING}
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    try:
        yield alarm
    finally:
        signal.set_wakeup_fd(-1)
        alarm.close()
        bell.close()
        for number, known in before.items():
            signal.signal(number, known)


def _due(parent: _Parent) -> list[_Seat]:
    """Who is to be started now: at first only the first, whom the others wait for."""
    first, now = parent.seats[0], time.monotonic()
    seats = parent.seats if parent.open or first.answers else [first]
    return [seat for seat in seats if not seat.pid and seat.due <= now]


def _start(parent: _Parent, seat: _Seat) -> Post | None:
    """Fork: the post for the new process, None for the parent."""
    heard, answering = os.pipe()
    os.set_blocking(heard, False)
    gc.collect()
    gc.freeze()  # what nobody looks at again need not be copied
    # Who is told to end before it can hear it ends when it can.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    pid = os.fork()
    if pid == 0:
        os.close(heard)
        os.close(parent.lifeline[1])
        for other in parent.seats:
            _hang_up(other)
        answers = partial(_answer, answering)
        return Post(seat.number, not parent.open, answers, parent.lifeline[0])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    os.close(answering)
    seat.pid, seat.heard, seat.began = pid, heard, time.monotonic()
    return None


def _answer(answering: int) -> None:
    os.write(answering, b"!")
    os.close(answering)


def _look(parent: _Parent, alarm: socket.socket, told: Callable[[], None]) -> None:
    """Wait until somebody answers or dies, or is to be started again; note what happened."""
    now = time.monotonic()
    waits = [seat.due - now for seat in parent.seats if not seat.pid and seat.due > now]
    with selectors.DefaultSelector() as selector:
        selector.register(alarm, selectors.EVENT_READ)
        for seat in parent.seats:
            if seat.heard >= 0:
                selector.register(seat.heard, selectors.EVENT_READ)
        selector.select(min(waits, default=None))
    with suppress(BlockingIOError):
        while alarm.recv(256):
            pass
    for seat in parent.seats:
        _hear(seat)
        _bury(parent, seat)
    if not parent.open and all(seat.answers for seat in parent.seats):
        parent.open = True
        told()


def _hear(seat: _Seat) -> None:
    """Note whether it answers: it says so once, and when it dies its end of the line is closed."""
    if seat.heard >= 0:
        with suppress(BlockingIOError):
            seat.answers = bool(os.read(seat.heard, 1))
            _hang_up(seat)


def _hang_up(seat: _Seat) -> None:
    if seat.heard >= 0:
        os.close(seat.heard)
        seat.heard = -1


def _bury(parent: _Parent, seat: _Seat) -> None:
    """Note whether it has died. If it never answered, the school cannot open, and it said why."""
    pid, status = os.waitpid(seat.pid, os.WNOHANG) if seat.pid else (0, 0)
    if not pid:
        return
    _hang_up(seat)
    seat.pid, seat.answers = 0, False
    if parent.ending:
        return
    if not parent.open:
        parent.ending = parent.failed = True
        return
    if time.monotonic() - seat.began > LONGEST_PAUSE:
        seat.pause = FIRST_PAUSE
    seat.due = time.monotonic() + seat.pause
    log.error(
        "one of the processes of this school died and is started again",
        extra={"status": os.waitstatus_to_exitcode(status), "pause": seat.pause},
    )
    seat.pause = min(seat.pause * 2, LONGEST_PAUSE)


def _end(parent: _Parent) -> None:
    """Ask all to close, and wait until they have."""
    for seat in parent.seats:
        if seat.pid:
            os.kill(seat.pid, signal.SIGTERM)
    last = time.monotonic() + TIME_TO_CLOSE
    while any(seat.pid for seat in parent.seats) and time.monotonic() < last:
        time.sleep(LOOK_EVERY)
        for seat in parent.seats:
            _bury(parent, seat)
    for seat in parent.seats:
        if seat.pid:
            log.error("one of the processes of this school did not close in time and was ended")
            os.kill(seat.pid, signal.SIGKILL)
            os.waitpid(seat.pid, 0)
