"""What the people of the demo do over HTTP: they follow, post, answer, ask, vote, like and edit.

What they do in a project stands in `demo_project`, how one of them moves school in `demo_move`.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from aiohttp import ClientError, ClientSession

from federation.vocabulary import MEDIA_TYPE, PUBLIC, id_of
from staffroom.demo_cast import FOLLOWS, LATER, MODERATION, POSTS

A_MOMENT = 0.3  # seconds between two acts, so that one can follow them
LATER_EVERY = 8.0
LONGEST_WAIT = 30.0

T = TypeVar("T")


class NotDone(Exception):
    """The school did not accept what somebody did."""


@dataclass(frozen=True)
class Player:
    """Somebody with a token, speaking to their own school."""

    session: ClientSession
    school: str
    username: str
    token: str

    @property
    def uri(self) -> str:
        """Their actor's id."""
        return f"{self.school}/users/{self.username}"

    async def act(self, activity: Mapping[str, Any]) -> str:
        """POST to their outbox; answers the id of the activity. Raises NotDone."""
        async with self.session.post(
            f"{self.uri}/outbox",
            data=orjson.dumps(activity),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": MEDIA_TYPE},
        ) as answer:
            if answer.status != 201:
                raise NotDone(f"{self.username}: {answer.status} {(await answer.text())[:200]}")
            return answer.headers["Location"]

    async def read(self, url: str) -> dict[str, Any]:
        """GET something of their own school; nothing of what is not there for them."""
        async with self.session.get(
            url, headers={"Authorization": f"Bearer {self.token}", "Accept": MEDIA_TYPE}
        ) as answer:
            found = orjson.loads(await answer.read()) if answer.status == 200 else {}
            return found if isinstance(found, dict) else {}

    async def post(self, note: Mapping[str, Any]) -> dict[str, Any]:
        """Post something; answers it as it was made."""
        made = (await self.read(await self.act(note))).get("object")
        if not isinstance(made, dict):
            raise NotDone(f"{self.username}: the post is not in its activity")
        return made

    async def say(self, text: str, **more: Any) -> dict[str, Any]:
        """Post a Note to everybody; answers it as it was made."""
        return await self.post(
            {
                "type": "Note",
                "content": f"<p>{text}</p>",
                "to": [PUBLIC, *more.pop("to", ())],
                "cc": [f"{self.uri}/followers"],
                **more,
            }
        )

    async def arrivals(self) -> list[dict[str, Any]]:
        """What came into their inbox last, newest first."""
        page = (await self.read(f"{self.uri}/inbox")).get("first")
        if isinstance(page, str):
            page = await self.read(page)
        found = page.get("orderedItems", []) if isinstance(page, dict) else []
        return [one for one in found if isinstance(one, dict)]

    async def arrived(self, kind: str, about: str) -> dict[str, Any]:
        """The activity of that type about that object, once it is in their inbox."""

        async def look() -> dict[str, Any] | None:
            for one in await self.arrivals():
                if one.get("type") == kind and id_of(one.get("object")) == about:
                    return one
            return None

        return await until(look, f"{self.username} waits for {kind} of {about}")


async def until(look: Callable[[], Awaitable[T | None]], waiting: str) -> T:
    """Look again and again until there is something. Raises NotDone when that takes too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_WAIT):
            while True:
                if (found := await look()) is not None:
                    return found
                await asyncio.sleep(A_MOMENT)
    raise NotDone(f"{waiting}, and nothing comes")


async def talk(players: Mapping[str, Player]) -> None:
    """They follow each other, and say what they have to say."""
    for follower, followee in FOLLOWS:
        await players[follower].act({"type": "Follow", "object": players[followee].uri})
    await _accepted(players)
    notes = [await _converse(players, *post) for post in POSTS]
    await _ask(players)
    await _change(players, notes)


async def go_on(players: Mapping[str, Player]) -> None:
    """A word now and then, as long as somebody watches."""
    for author, text in itertools.cycle(LATER):
        await asyncio.sleep(LATER_EVERY)
        with suppress(ClientError, NotDone, TimeoutError):
            note = await players[author].say(text)
            await _like(players, author, note)


async def _accepted(players: Mapping[str, Player]) -> None:
    """Wait until everybody who asked to follow somebody does."""
    for username, number in Counter(follower for follower, _ in FOLLOWS).items():
        player = players[username]

        async def look(player: Player = player, number: int = number) -> bool | None:
            following = await player.read(f"{player.uri}/following")
            return following.get("totalItems", 0) >= number or None

        await until(look, f"{username} waits to be accepted")


async def _converse(
    players: Mapping[str, Player], author: str, text: str, replies: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    note = await players[author].say(text)
    await asyncio.sleep(A_MOMENT)
    for other, words in replies:
        await players[other].say(words, inReplyTo=note["id"], to=[players[author].uri])
        await asyncio.sleep(A_MOMENT)
    return note


async def _ask(players: Mapping[str, Player]) -> None:
    """What more there is to see on the pages: a poll, a warning, a word among colleagues, and
    somebody who asks to follow."""
    question = await players["carys"].say(
        "When shall we moderate Year 6 writing?",
        type="Question",
        oneOf=[{"type": "Note", "name": day} for day in MODERATION],
    )
    await asyncio.sleep(A_MOMENT)
    for voter, day in (("alice", MODERATION[0]), ("dele", MODERATION[1])):
        carys = question["attributedTo"]
        vote = {"type": "Note", "name": day, "inReplyTo": question["id"], "to": [carys]}
        await players[voter].act(vote)
    await players["tom"].say("It was 6.28, of course.", summary="Answer to Friday's riddle")
    priya = players["priya"]
    school = f"{priya.school}/school/members"
    await priya.act({"type": "Note", "content": "<p>The kettle is mended.</p>", "to": [school]})
    profile = {"id": priya.uri, "manuallyApprovesFollowers": True}
    await priya.act({"type": "Update", "object": profile})
    await players["george"].act({"type": "Follow", "object": priya.uri})


async def _change(players: Mapping[str, Player], notes: list[dict[str, Any]]) -> None:
    """Somebody likes a post, somebody edits theirs, somebody thinks better of it."""
    first, second, *_, last = notes
    await players["bob"].act({"type": "Like", "object": first["id"]})
    await players["dele"].act({"type": "Like", "object": second["id"]})
    await asyncio.sleep(A_MOMENT)
    edited = second | {"content": "<p>Change of room: the physics network meets in S5.</p>"}
    await players["bob"].act({"type": "Update", "object": edited})
    await asyncio.sleep(A_MOMENT)
    await players["george"].act({"type": "Delete", "object": last["id"]})


async def _like(players: Mapping[str, Player], author: str, note: dict[str, Any]) -> None:
    """The first who follows the author likes what they said."""
    fan = next((follower for follower, followee in FOLLOWS if followee == author), None)
    if fan is not None:
        await asyncio.sleep(A_MOMENT * 5)
        await players[fan].act({"type": "Like", "object": note["id"]})
