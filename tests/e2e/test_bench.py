"""The bench runs the real program from outside; how fast it is here is nobody's business."""

import asyncio
import os
from pathlib import Path

import orjson
import pytest
from aiohttp import ClientSession

from staffroom.bench import sinks
from tests.e2e.running import staffroom


async def test_a_quick_bench_measures_a_school_beside_its_ceiling_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    status, out, complaint = await staffroom("bench", "intake", "--quick", "--json")
    assert status == 0, complaint
    rate, wait = map(orjson.loads, out.splitlines())
    assert rate["name"] == "durable intake"
    assert wait["unit"] == "ms"
    for figure in (rate, wait):
        assert figure["database"] == "SQLite"
        assert figure["runs"] == [[figure["value"], figure["ceiling"]]]
        assert figure["ratio"] == pytest.approx(figure["value"] / figure["ceiling"], rel=0.01)
        assert figure["covers"]
        assert figure["target"]
    assert rate["cpu_seconds"] > 0
    assert rate["memory_mib"] > 10
    assert os.listdir(tmp_path) == []


async def test_a_silent_server_does_not_even_refuse() -> None:
    async with sinks.silent() as port:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 0.2)


async def test_a_sink_tells_how_what_it_took_was_signed() -> None:
    signed = (
        {"Signature": 'keyId="x"'},
        {"Signature-Input": "sig1=()", "Signature": f"sig1=:{'A' * 88}:"},
        {"Signature-Input": "sig1=()", "Signature": f"sig1=:{'A' * 344}:"},
    )
    async with sinks.taking(watched=True) as sink, ClientSession() as session:
        (host,) = sink.hosts(1)
        url = f"http://127.0.0.1:{sink.port}/inbox"
        for headers in signed:
            async with session.post(url, headers={"Host": host, **headers}) as answer:
                assert answer.status == 202
        await sink.reach(3)
    assert dict(sink.forms) == {"cavage": 1, "ed25519": 1, "rfc9421": 1}
    assert [name for name, _ in sink.came] == [host] * 3
