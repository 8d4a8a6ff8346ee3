"""A school opens, stays open, and closes in good order; what cannot be is said in one line."""

import asyncio
import sqlite3
import time

import pytest

from tests.e2e.conftest import Build
from tests.e2e.running import RunningSchool, staffroom


async def refused(school: RunningSchool, *words: str) -> str:
    """`staffroom serve` ends at once with one line, which is answered."""
    status, out, complaint = await staffroom("serve", "--data", str(school.folder), *words)
    assert status == 1
    assert out == ""
    assert complaint.count("\n") == 1
    assert complaint.startswith("staffroom: ")
    return complaint


async def test_a_school_opens_once_and_closes_when_it_is_asked(build: Build) -> None:
    oakfield, riverside = build("oakfield"), build("riverside")
    await asyncio.gather(oakfield.found("alice"), riverside.found())
    await oakfield.serve()
    assert "is being served already" in await refused(oakfield, "--port", "0")
    assert "address already in use" in await refused(riverside, "--port", str(oakfield.port))
    began = time.monotonic()
    assert await oakfield.stop() == 0
    assert time.monotonic() - began < 10
    await oakfield.serve()
    assert (await oakfield.read("alice", f"{oakfield.url}/healthz")) == {"status": "ok"}


async def test_what_cannot_be_opened_is_said_in_one_line(build: Build) -> None:
    oakfield = build("oakfield")
    await oakfield.found()
    database = oakfield.folder / "staffroom.sqlite"
    settings = oakfield.folder / "staffroom.toml"

    written = settings.read_text()
    settings.write_text(written.replace("host =", "hosst ="))
    assert "there is no setting server.hosst" in await refused(oakfield)
    settings.write_text(written.replace(oakfield.host, "127.0.0.1:1"))
    assert "for ever" in await refused(oakfield)
    settings.write_text(written)

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    connection.close()
    assert "newer" in await refused(oakfield)
    for command in (("staff", "list"), ("migrate",)):
        status, _, complaint = await staffroom(*command, "--data", str(oakfield.folder))
        assert status == 1
        assert "newer" in complaint
        assert complaint.count("\n") == 1

    database.write_bytes(b"this is no database" * 1000)
    assert "cannot be used now: file is not a database" in await refused(oakfield)
    database.unlink()
    assert "run staffroom init" in await refused(oakfield)


RAW = {
    "the whole address of another host": b"GET http://evil.test/actor HTTP/1.1\r\nHost: %s\r\n\r\n",
    "the whole address of ours": b"GET http://%s/actor HTTP/1.1\r\nHost: %s\r\n\r\n",
    "two hosts": b"GET /actor HTTP/1.1\r\nHost: %s\r\nHost: evil.test\r\n\r\n",
    "no host": b"GET /actor HTTP/1.1\r\n\r\n",
    "another host": b"GET /actor HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "two lengths": b"POST /inbox HTTP/1.1\r\nHost: %s\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nabc",
    "a line that is none": b"GET /actor HTTP/1.1\r\nHost: %s\r\nevil-bytes\r\n\r\n",
    "a detour": b"GET //evil.test/../actor HTTP/1.1\r\nHost: %s\r\n\r\n",
    "a tunnel": b"CONNECT evil.test:443 HTTP/1.1\r\nHost: %s\r\n\r\n",
}


async def test_odd_requests_are_turned_away_and_leave_nothing_in_the_journal(
    build: Build, capfd: pytest.CaptureFixture[str]
) -> None:
    oakfield = build("oakfield")
    await oakfield.found()
    await oakfield.serve()
    ours = oakfield.host.encode()
    for what, raw in RAW.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", oakfield.port)
        writer.write(raw.replace(b"%s", ours))
        line = await asyncio.wait_for(reader.readline(), 10)
        assert line.split()[1:2] in ([b"400"], [b"421"]), (what, line)
        writer.close()
    await oakfield.stop()
    journal = capfd.readouterr().err
    assert "evil" not in journal
    assert "Traceback" not in journal
