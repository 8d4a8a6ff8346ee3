"""Three schools as three processes share a private project, which for everybody else is not there.

Alice leads it at Oakfield, Bob works at Riverside and Carol at Hillcrest. Eve is a colleague of
Bob's, and no member.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, CookieJar

from federation.signatures import Signer
from storage import actors, objects
from storage.audience import Viewer
from storage.database import Transaction
from tests.e2e.conftest import Build
from tests.e2e.neighbours import (
    ACTIVITY,
    Written,
    accept,
    knock,
    read_in,
    records,
    signer_of,
    three_schools,
    write_in,
)
from tests.e2e.running import RunningSchool, until

PASSWORD = "three ripple tanks"
LISTS = ("inbox", "outbox", "followers", "following", "featured", "members", "liked")
SECRET = re.compile("phonics|reading-circle|marked words", re.IGNORECASE)


async def test_members_of_three_schools_work_in_a_project_that_nobody_else_can_find(
    build: Build,
) -> None:
    schools = await three_schools(build, ("alice",), ("bob", "eve"), ("carol",), password=PASSWORD)
    oakfield, riverside, hillcrest = schools
    project = f"{oakfield.url}/projects/reading-circle"
    await oakfield.command(
        "project", "add", "reading-circle", "--name", "Phonics for late readers",
        "--owner", "alice", "--private",
    )  # fmt: skip
    await asyncio.gather(*(school.serve() for school in schools))
    for guest in (riverside.uri("bob"), hillcrest.uri("carol")):
        invitation = {"type": "Invite", "object": project, "target": guest, "to": [project]}
        await oakfield.act("alice", invitation)
    await accept(riverside, "bob", project)
    await accept(hillcrest, "carol", project)
    people = ((oakfield, "alice"), (riverside, "bob"), (hillcrest, "carol"))

    # --- all three see the same -------------------------------------------------------------------
    await until(
        lambda: oakfield.read("alice", f"{project}/members"),
        lambda seen: bool(seen["totalItems"] == 3),
    )
    notes = [
        await _written(school, username, project, f"marked words of {username}")
        for school, username in people
    ]
    ids = [note.id for note in notes]
    await _all_read(people, dict(zip(ids, ("of alice", "of bob", "of carol"), strict=True)))

    better = {"id": notes[1].id, "content": "<p>marked words, better ones</p>"}
    await riverside.act("bob", {"type": "Update", "object": better})
    await hillcrest.act("carol", {"type": "Delete", "object": notes[2].id})
    await _all_read(people, dict(zip(ids, ("of alice", "better ones", "gone"), strict=True)))

    # --- for everybody else it is not there ------------------------------------------------------
    asked = [
        *await _asked_by_eve_at_home(riverside, project, notes[1]),
        *await _asked_by_eve_at_the_host(oakfield, riverside, project, notes[0].id),
    ]
    print(f"\n{len(asked)} places where Eve looked:", *asked, sep="\n  ")
    wrong = [line for line in asked if not line.endswith("as if it were not there")]
    assert wrong == []
    assert len(asked) > 25
    assert await read_in(riverside, "eve") == {}

    # --- and when its last member has left, not for their school either --------------------------
    async with ClientSession() as session:
        server = await signer_of(hillcrest, "/actor")
        stub = await knock(session, project, server)
        assert stub[0] == 200
        assert not SECRET.search(stub[1].decode().replace(project, ""))
        await hillcrest.act("carol", {"type": "Leave", "object": project, "to": [project]})

        async def look() -> tuple[int, bytes]:
            return await knock(session, project, server)

        nothing = await knock(session, f"{oakfield.url}/projects/never-was", server)
        await until(look, lambda seen: seen == nothing)
        assert nothing[0] == 404
        carol = await signer_of(hillcrest, "/users/carol")
        for place in (project, f"{project}/members", f"{project}/outbox", notes[0].id):
            assert (await knock(session, place, carol))[0] == 404, place
    for school in schools:
        assert await school.stop() == 0


async def _written(school: RunningSchool, username: str, project: str, text: str) -> Written:
    """A post in the project, once its author's school knows that they are in."""

    async def look() -> Written | str:
        try:
            return await write_in(school, username, project, text)
        except AssertionError as refused:
            return str(refused)

    written = await until(look, lambda seen: isinstance(seen, Written))
    assert isinstance(written, Written)
    return written


async def _all_read(people: tuple[tuple[RunningSchool, str], ...], wanted: dict[str, str]) -> None:
    """Each of these people has got exactly these posts of others and nothing else, as they are."""

    def as_wanted(seen: dict[str, str], others: dict[str, str]) -> bool:
        return seen.keys() == others.keys() and all(
            seen[uri].removesuffix("</p>").endswith(words) for uri, words in others.items()
        )

    for school, username in people:
        others = {uri: words for uri, words in wanted.items() if not uri.startswith(school.url)}

        async def look(school: RunningSchool = school, username: str = username) -> dict[str, str]:
            found = await read_in(school, username)
            return {uri: said for uri, said in found.items() if not uri.startswith(school.url)}

        await until(look, lambda seen, others=others: as_wanted(seen, others))  # type: ignore[misc]
        for uri, words in wanted.items():
            if uri.startswith(school.url) and words != "gone":
                own = await school.read(username, uri)
                assert own["content"].removesuffix("</p>").endswith(words)


# --- what a colleague is told --------------------------------------------------------------------


def _line(surface: str, status: int, said: str, nothing: tuple[int, str]) -> str:
    hidden = status == nothing[0] and not SECRET.search(said)
    same = hidden and _plain(said) == _plain(nothing[1])
    return f"{surface}: " + ("as if it were not there" if same else f"{status} {said[:300]}")


def _plain(said: str) -> str:
    """A page without what is new each time."""
    return re.sub(r'name="form_token" value="[^"]*"', "", said)


async def _asked_by_eve_at_home(school: RunningSchool, project: str, post: Written) -> list[str]:
    """Every place at her own school, with her token and with her browser; one line for each."""
    rows = await _rows(school, project)
    number, sent = (uri.rpartition("/")[2] for uri in (post.id, post.activity))
    lines = []
    async with _signed_in(school, "eve") as browser:

        async def get(path: str, accept: str) -> tuple[int, str]:
            headers = {"Accept": accept}
            if accept == ACTIVITY:
                headers["Authorization"] = f"Bearer {school.tokens['eve']}"
            async with browser.get(f"{school.url}{path}", headers=headers) as answer:
                return answer.status, await answer.text()

        pairs = [
            (f"/objects/{number}", "/objects/1", ACTIVITY),
            (f"/objects/{number}/replies", "/objects/1/replies", ACTIVITY),
            (f"/activities/{sent}", "/activities/1", ACTIVITY),
            (f"/objects/{number}", "/objects/1", "text/html"),
            (f"/@bob/{number}", "/@bob/1", "text/html"),
            (f"/posts/{number}", "/posts/1", "text/html"),
            (f"/posts/{rows['theirs']}", "/posts/1", "text/html"),
            (f"/people/{rows['project']}", "/people/1", "text/html"),
            (f"/projects/{rows['project']}", "/projects/1", "text/html"),
            (f"/compose?project={rows['project']}", "/compose?project=1", "text/html"),
            (f"/compose?reply={rows['theirs']}", "/compose?reply=1", "text/html"),
        ]
        for path, empty, accept in pairs:
            status, said = await get(path, accept)
            nothing = await get(empty, accept)
            assert nothing[0] == 404, empty
            lines.append(_line(f"{path} as {accept}", status, said, nothing))
        # Pages that are there for everybody say nothing of it.
        for path in ("/projects", "/home", "/notifications", "/find", "/@bob", "/tags/marked"):
            status, said = await get(path, "text/html")
            lines.append(_line(path, status, said, (200, said)))
        for path in ("/users/bob/outbox", "/users/bob/outbox?page=first", "/users/eve/inbox"):
            status, said = await get(path, ACTIVITY)
            lines.append(_line(path, status, said, (200, said)))
        lines += await _found_by_eve(browser, school, project)
        lines += await _done_by_eve(browser, school, project)
    return lines


async def _found_by_eve(browser: ClientSession, school: RunningSchool, project: str) -> list[str]:
    """She looks for it by every name that it has, and for one that is not there."""
    host = project.split("/")[2]
    lines = []
    never = project.replace("reading-circle", "never-was")
    for name, empty in (
        (f"@reading-circle@{host}", f"@never-was@{host}"),
        (project, never),
        (f"{project}/members", f"{never}/members"),
    ):
        answers = []
        for typed in (name, empty):
            async with browser.get(f"{school.url}/find") as page:
                token = _token(await page.text())
            fields = {"who": typed, "form_token": token}
            async with browser.post(
                f"{school.url}/find", data=fields, headers={"Origin": school.url}
            ) as answer:
                said = (await answer.text()).replace(typed, "WHAT SHE TYPED")
                answers.append((answer.status, said))
        lines.append(_line(f"find {name}", *answers[0], answers[1]))
    return lines


async def _done_by_eve(browser: ClientSession, school: RunningSchool, project: str) -> list[str]:
    """She tries everything that one can do with a project, and with one that is not there."""
    never = project.replace("reading-circle", "never-was")
    lines = []
    for kind in ("Join", "Leave", "Follow", "Block"):
        answers = []
        for uri in (project, never):
            async with browser.post(
                f"{school.uri('eve')}/outbox",
                json={"type": kind, "object": uri, "to": [uri]},
                headers={
                    "Authorization": f"Bearer {school.tokens['eve']}",
                    "Content-Type": ACTIVITY,
                },
            ) as answer:
                answers.append((answer.status, (await answer.text()).replace(uri, "WHAT")))
        assert answers[1][0] >= 400
        lines.append(_line(f"{kind} {project}", *answers[0], answers[1]))
    return lines


async def _asked_by_eve_at_the_host(
    host: RunningSchool, home: RunningSchool, project: str, post: str
) -> list[str]:
    """Every place at the project's own school, signed with her own key; one line for each."""
    eve = await signer_of(home, "/users/eve")
    never = f"{host.url}/projects/never-was"
    lines = []
    async with ClientSession() as session:
        parts = ("", *(f"/{name}" for name in LISTS), "/outbox?page=first")
        pairs = [(project + part, never + part) for part in parts]
        empty_post = f"{host.url}/objects/1"
        pairs += [(post, empty_post), (f"{post}/replies", f"{empty_post}/replies")]
        for path, empty in pairs:
            lines.append(await _compared(session, path, empty, eve))
        lines += await _posted(session, project, never, eve, home)
        for query in (f"acct:reading-circle@{host.host}", project):
            finger = f"{host.url}/.well-known/webfinger?resource="
            nothing = finger + query.replace("reading-circle", "never-was")
            lines.append(await _compared(session, finger + query, nothing, None))
        lines.append(await _compared(session, project, never, None, accept="text/html"))
        handle = f"{host.url}/@reading-circle"
        nothing = f"{host.url}/@never-was"
        lines.append(await _compared(session, handle, nothing, None, accept="text/html"))
        async with session.get(f"{host.url}/nodeinfo/2.1") as answer:
            usage = (await answer.json())["usage"]
        lines.append(_line("/nodeinfo/2.1", 200, f"{usage['localPosts']}", (200, "0")))
    return lines


async def _compared(
    session: ClientSession, url: str, empty: str, signer: Signer | None, accept: str = ACTIVITY
) -> str:
    async def ask(where: str) -> tuple[int, str]:
        if signer is not None:
            status, body = await knock(session, where, signer)
            return status, body.decode()
        async with session.get(where, headers={"Accept": accept}) as answer:
            return answer.status, await answer.text()

    status, said = await ask(url)
    nothing = await ask(empty)
    return _line(f"{url} as {accept}", status, said, nothing)


async def _posted(
    session: ClientSession, project: str, never: str, signer: Signer, home: RunningSchool
) -> list[str]:
    """She brings something to its inbox."""
    answers = []
    for number, place in enumerate((project, never)):
        join = {
            "@context": "https://www.w3.org/ns/activitystreams",
            "id": f"{home.url}/activities/9{number}",
            "type": "Join",
            "actor": home.uri("eve"),
            "object": place,
            "to": [place],
        }
        status, body = await knock(session, f"{place}/inbox", signer, body=join)
        answers.append((status, body.decode()))
    assert answers[1][0] == 404
    return [_line(f"POST {project}/inbox", *answers[0], answers[1])]


async def _rows(school: RunningSchool, project: str) -> dict[str, int]:
    """The numbers under which a school keeps these, for whoever would guess them."""

    def look(tx: Transaction) -> dict[str, int]:
        group, bob = actors.by_uri(tx, project), actors.by_uri(tx, school.uri("bob"))
        assert group is not None
        assert bob is not None
        bobs = Viewer(bob.id, local=True)
        posts = objects.of_project(tx, bobs, group.id, before=None, limit=10)
        return {
            "project": group.id,
            "theirs": next(one.id for one in posts if one.author_id != bob.id),
        }

    async with records(school) as database:
        return await database.read(look)


def _token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


@asynccontextmanager
async def _signed_in(school: RunningSchool, username: str) -> AsyncIterator[ClientSession]:
    """A browser in which somebody is signed in."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{school.url}/sign-in") as page:
            token = _token(await page.text())
        typed = {"username": username, "password": PASSWORD, "form_token": token}
        async with browser.post(
            f"{school.url}/sign-in",
            data=typed,
            headers={"Origin": school.url},
            allow_redirects=False,
        ) as answer:
            assert answer.status == 303, await answer.text()
        yield browser
