"""Requests are signed on threads of their own, several at once for one errand.

An RSA signature takes a third of a millisecond in which the event loop could do something else,
and lets the other threads work meanwhile. To bring a signature to a thread and back costs half as
much again, so a thread takes whatever has gathered, and one hop brings it all back.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 2
AT_ONCE = 8
"""So many are signed before the first of them goes back."""


class Signatures:
    """The threads, and what waits to be signed."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._ready: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._on_the_way = False
        self._called = False
        self._changed = Condition()
        self._closed = False
        self._threads: list[Thread] = []

    def ask(self, make: Callable[[], T]) -> asyncio.Future[T]:
        """What `make` returns, made on a thread. From the event loop only."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed:
            raise RuntimeError("no more signatures: this school closes")
        self._waiting.append((make, future))
        if not self._called:
            # All that is asked in this turn of the loop goes together.
            self._called = True
            loop.call_soon(self._call, loop)
        return future

    def close(self) -> None:
        """Sign nothing more; who still waits is told so."""
        with self._changed:
            self._closed = True
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        self._called = False
        with self._changed:
            while len(self._threads) < min(THREADS, len(self._waiting)):
                self._begin(loop)
            self._changed.notify(min(THREADS, len(self._waiting)))

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        thread = Thread(
            target=self._work, args=(loop,), name=f"sign_{len(self._threads)}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while taken := self._take():
            made = [_made(make, future) for make, future in taken]
            self._ready.extend(made)
            if not self._on_the_way:
                self._on_the_way = True
                with suppress(RuntimeError):  # the loop is gone, and so is everybody who asked
                    loop.call_soon_threadsafe(self._arrive)

    def _take(self) -> list[tuple[Callable[[], Any], asyncio.Future[Any]]]:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            # Half of what waits, so that the other thread has something to do as well.
            count = min(AT_ONCE, -(-len(self._waiting) // THREADS))
            return [self._waiting.popleft() for _ in range(count)]

    def _arrive(self) -> None:
        self._on_the_way = False  # before looking, so that whatever comes later hops again
        while self._ready:
            future, result, error = self._ready.popleft()
            if future.done():  # who asked has left
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _made(
    make: Callable[[], Any], future: asyncio.Future[Any]
) -> tuple[asyncio.Future[Any], Any, BaseException | None]:
    if future.cancelled():
        return future, None, None
    try:
        return future, make(), None
    except BaseException as error:
        return future, None, error
