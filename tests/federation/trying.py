"""What somebody may try with a post or a project that they only have the address of: every verb of
a program, every button of the pages. What comes back must not say whether there is one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from tests.federation.crawl import Answer, Crawl, Question
from tests.town import ACTIVITY
from tests.town.browser import FORM
from tests.town.stranger import PUBLIC


def tried(uri: str, actor: str) -> Iterator[dict[str, Any]]:
    """What `actor` may try with a post, whether or not there is one with that id."""
    for kind in ("Like", "Announce", "Flag", "Delete"):
        yield {"type": kind, "object": uri}
    for kind in ("Add", "Remove"):
        yield {"type": kind, "object": uri, "target": f"{actor}/featured"}
    for kind in ("Like", "Announce"):
        yield {"type": "Undo", "object": {"type": kind, "object": uri}}
    public = {"to": [PUBLIC]}
    for pointer in ("inReplyTo", "quote"):
        yield {"type": "Note", "content": "So", pointer: uri, **public}
    yield {"type": "Update", "object": {"id": uri, "content": "Mine"}}


def tried_with(uri: str, actor: str) -> Iterator[dict[str, Any]]:
    """The same with a project."""
    about = {"object": actor, "target": f"{uri}/members"}
    for kind in (
        "Join",
        "Leave",
        "Follow",
        "Block",
        "Flag",
        "Accept",
        "Reject",
        "Like",
        "Announce",
    ):
        yield {"type": kind, "object": uri}
    for kind in ("Join", "Follow", "Invite"):
        yield {"type": "Undo", "object": {"type": kind, "object": uri}}
    for kind in ("Accept", "Reject"):
        yield {"type": kind, "object": {"type": "Invite", "actor": uri, "target": actor}}
    yield {"type": "Invite", "object": uri, "target": actor}
    yield {"type": "Add", **about, "instrument": "admin"}
    yield {"type": "Remove", **about}
    yield {"type": "Move", "object": actor, "target": uri}
    yield {"type": "Update", "object": {"id": uri, "name": "Mine"}}
    yield {"type": "Delete", "object": uri}
    note = {"type": "Note", "content": "So"}
    for to in ([uri], [f"{uri}/members"], [PUBLIC, uri]):
        yield {**note, "to": to}
    yield {**note, "to": [f"{uri}/members"], "cc": [uri], "audience": uri}
    yield {**note, "to": [actor], "audience": uri}


@dataclass(frozen=True)
class SignedIn:
    """Somebody of oakfield who presses buttons, and has a program that does things."""

    crawl: Crawl
    token: str

    async def press(self, path: str, number: int, **typed: str) -> Answer:
        """The answer to a form, where what was typed and the number are the same in all."""
        school = self.crawl.door.school
        fields = {"form_token": self.token, "reason": "So", "choice": "0", **typed}
        body = urlencode(fields).encode()
        sent = {
            **(self.crawl.viewer.headers(path, page=True) or {}),
            "Origin": school.url,
            "Content-Type": FORM,
        }
        answer = await self.crawl.door.ask("POST", school.url + path, sent, body)
        return answer.without(typed.get("who", ""), str(number))

    async def act(self, activity: dict[str, Any], name: str) -> Answer:
        """The answer to an activity, where `name` is the same in all."""
        school = self.crawl.door.school
        sent = {**(self.crawl.viewer.headers("", page=False) or {}), "Content-Type": ACTIVITY}
        url = f"{school.url}/users/{self.crawl.viewer.name}/outbox"
        answer = await self.crawl.door.ask("POST", url, sent, orjson.dumps(activity))
        return answer.without(name)


async def signed_in(crawl: Crawl) -> SignedIn:
    """That viewer, with what the forms of their pages carry."""
    home = await crawl.ask(Question("/home", page=True))
    token = re.findall(r'name="form_token" value="(\w+)"', home.body)[0]
    return SignedIn(crawl, token)
