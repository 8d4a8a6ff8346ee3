"""How a command opens the school it is about, whether or not it is being served."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from actors.server import Server
from staffroom import app, config
from storage.database import Transaction

T = TypeVar("T")


def with_school(directory: Path, act: Callable[[Server], Awaitable[T]]) -> T:
    """Open the school in `directory`, whether or not it is being served, and act on it."""

    async def run() -> T:
        async with app.opened(config.load(directory)) as server:
            return await act(server)

    return asyncio.run(run())


def read(directory: Path, fn: Callable[[Transaction], T]) -> T:
    """Ask the database of the school in `directory`."""
    return with_school(directory, lambda server: server.database.read(fn))


def write(directory: Path, fn: Callable[[Transaction], T]) -> T:
    """Change something in the database of the school in `directory`."""
    return with_school(directory, lambda server: server.database.write(fn))
