"""A stranger brings five hundred activities, and the power goes in the middle."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from aiohttp import ClientError, ClientSession, web
from cryptography.hazmat.primitives import serialization

from tests.e2e.conftest import Build
from tests.e2e.running import RunningSchool, free_port, until
from tests.town.stranger import CONTEXT, cavage, digest_of, rsa_key

ACTIVITIES = 500
CUT_AFTER = 200  # answers of 202
AT_ONCE = 20


class Eve:
    """Somebody at a server that serves nothing but her actor document."""

    def __init__(self) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.uri = f"http://{self.host}/eve"
        self.key = rsa_key(self.uri)
        pem = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.document = {
            "@context": CONTEXT,
            "id": self.uri,
            "type": "Person",
            "preferredUsername": "eve",
            "inbox": f"{self.uri}/inbox",
            "publicKey": {
                "id": f"{self.uri}#main-key",
                "owner": self.uri,
                "publicKeyPem": pem.decode(),
            },
        }

    async def open(self) -> web.AppRunner:
        """Serve the document."""

        async def answer(request: web.Request) -> web.Response:
            return web.Response(
                body=orjson.dumps(self.document), content_type="application/activity+json"
            )

        application = web.Application()
        application.router.add_get("/eve", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        return runner

    def create(self, number: int, reader: str) -> bytes:
        """A Create of a Note for one reader."""
        note: dict[str, Any] = {
            "id": f"http://{self.host}/notes/{number}",
            "type": "Note",
            "attributedTo": self.uri,
            "to": [reader],
            "content": f"<p>Number {number}</p>",
        }
        return orjson.dumps(
            {
                "@context": CONTEXT,
                "id": f"http://{self.host}/activities/{number}",
                "type": "Create",
                "actor": self.uri,
                "to": [reader],
                "object": note,
            }
        )

    def headers(self, host: str, path: str, body: bytes) -> dict[str, str]:
        """The headers of an honest request."""
        headers = {
            "Host": host,
            "Date": format_datetime(datetime.now(UTC), usegmt=True),
            "Digest": digest_of(body),
            "Content-Type": "application/activity+json",
        }
        headers["Signature"] = cavage(self.key, f"{self.uri}#main-key", "POST", path, headers)
        return headers


async def bring(eve: Eve, school: RunningSchool, session: ClientSession, cut: bool) -> set[int]:
    """Bring all activities, many at once; answers those that got a 202. `cut`: the power goes."""
    thanked: set[int] = set()
    numbers = iter(range(ACTIVITIES))
    path = "/users/alice/inbox"

    async def one_after_the_other() -> None:
        for number in numbers:
            body = eve.create(number, school.uri("alice"))
            try:
                async with session.post(
                    school.url + path, data=body, headers=eve.headers(school.host, path, body)
                ) as answer:
                    assert answer.status == 202, await answer.text()
            except ClientError:
                assert cut
                return
            thanked.add(number)
            if cut and len(thanked) == CUT_AFTER:
                await school.kill()

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return thanked


@pytest.mark.parametrize("again", [False, True], ids=["as it is", "and all are brought again"])
async def test_what_was_thanked_for_is_there_once_after_a_power_cut(
    build: Build, again: bool
) -> None:
    oakfield = build("oakfield")
    await oakfield.found("alice")
    eve = Eve()
    await oakfield.command("peers", "allow", eve.host)
    runner = await eve.open()
    await oakfield.serve()
    async with ClientSession() as session:
        thanked = await bring(eve, oakfield, session, cut=True)
        assert CUT_AFTER <= len(thanked) < ACTIVITIES
        await oakfield.serve()
        if again:
            thanked |= await bring(eve, oakfield, session, cut=False)
            assert len(thanked) == ACTIVITIES
    wanted = {f"http://{eve.host}/activities/{number}" for number in thanked}

    inbox = f"{oakfield.uri('alice')}/inbox"
    await until(
        lambda: oakfield.read("alice", inbox),
        lambda seen: bool(seen["totalItems"] >= len(wanted)),
    )
    there = Counter(one["id"] for one in await oakfield.inbox("alice"))
    assert wanted <= there.keys()
    assert set(there.values()) == {1}
    assert await oakfield.stop() == 0
    await runner.cleanup()
