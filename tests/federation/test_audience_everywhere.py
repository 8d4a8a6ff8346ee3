"""Nobody finds a word that was not for them, whatever they ask for (SECURITY §3.2, R10–R16).

A term at Oakfield with posts for everybody, followers, the school and named people, its own words
in each part of each post. Then sixteen people and programs collect every byte that they can get:
they ask for every URL there is with every number there is, and follow every link. A table that
knows nothing of the code (`audiences.py`) says what each may find, and must.

The last tests take the condition away in one statement after another: the crawl must notice.
"""

import itertools
import logging
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import select

from outbox.dispatch import VERBS
from pages.acts import PERSON_DEEDS, POST_DEEDS
from staffroom.routes import ROUTES
from storage import actors, reports, tables
from storage.database import Transaction
from tests.federation import audiences, verdicts
from tests.federation.audiences import ABROAD, COLLEAGUES, ELSEWHERE, VIEWERS, Scene
from tests.federation.crawl import (
    NEVER,
    Answer,
    Crawl,
    Door,
    Known,
    Question,
    all_over,
    door,
    fits,
    words_in,
)
from tests.federation.leaks import LEAKS, more_answers, unguarded
from tests.federation.verdicts import Judge
from tests.town import ACTIVITY, Town
from tests.town.browser import FORM
from tests.town.streets import Authority

pytestmark = pytest.mark.asyncio(loop_scope="module")

INSIDERS = frozenset({"alice", "dave", "nell", "robot"})
MODES: tuple[Literal["open", "network"], ...] = ("open", "network")


@dataclass
class Collected:
    """The scene, and everything that everybody was answered there, in one mode of the school."""

    mode: str
    scene: Scene
    known: Known
    judge: Judge
    door: Door
    crawls: dict[str, Crawl]
    at_riverside: Crawl
    log: list[str]

    @property
    def answers(self) -> Iterator[tuple[str, Question, Answer]]:
        for name, crawl in self.crawls.items():
            yield from ((name, question, answer) for question, answer in crawl.answers.items())

    @property
    def readers(self) -> frozenset[str]:
        """Those who look at all that there is for them."""
        pages = {name for name, crawl in self.crawls.items() if crawl.viewer.page is not None}
        return ELSEWHERE.intersection(self.crawls) | pages


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(
    authority: Authority, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Collected]]:
    """One term, looked at in both modes."""
    folder, numbers = tmp_path_factory.mktemp("audience"), itertools.count()

    def fresh() -> str:
        path = folder / f"{next(numbers)}.sqlite"
        shutil.copyfile(migrated_file, path)
        return f"sqlite:///{path}"

    async with AsyncExitStack() as stack:
        log = stack.enter_context(listening())
        town = await stack.enter_async_context(Town(authority, fresh))
        scene = await audiences.term(town)
        known = await scene.oakfield.read(audiences.known, scene)
        judge = await scene.oakfield.read(verdicts.judge, scene)
        other = await stack.enter_async_context(door(scene.riverside))
        viewers = audiences.viewers(scene)
        there = await scene.riverside.read(audiences.known, scene)
        at_riverside = (await all_over(other, [viewers.pop("nora")], there))["nora"]
        found: dict[str, Collected] = {}
        for mode in MODES:
            way = await stack.enter_async_context(door(scene.oakfield, mode))
            if mode == "network":
                # Pages are the same in both, so here one passer-by looks at them; and of those
                # who may see most one is enough.
                viewers = {name: viewers[name] for name in VIEWERS if name not in INSIDERS}
                for name in {*viewers} - {"anonymous"}:
                    viewers[name] = replace(viewers[name], page=None)
            crawls = await all_over(way, viewers.values(), known)
            found[mode] = Collected(mode, scene, known, judge, way, crawls, at_riverside, log)
        yield found


@pytest.fixture(params=MODES)
def collected(request: pytest.FixtureRequest, both: dict[str, Collected]) -> Collected:
    return both[request.param]


@pytest.fixture
def in_the_open(both: dict[str, Collected]) -> Collected:
    """For what does not depend on who may ask without a signature."""
    return both["open"]


@contextmanager
def listening() -> Iterator[list[str]]:
    """What the schools write into their logs, as a school is usually run."""
    kept: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    root, keeping = logging.getLogger(), Keeping()
    level = root.level
    root.addHandler(keeping)
    root.setLevel(logging.INFO)
    yield kept
    root.setLevel(level)
    root.removeHandler(keeping)


# --- words and names -----------------------------------------------------------------------------


async def test_nobody_finds_what_is_not_for_them(collected: Collected) -> None:
    wrong = [
        found
        for viewer, question, answer in collected.answers
        for found in collected.judge.misplaced(viewer, question, answer)
    ]
    assert wrong == []
    # The pages of another school go by the same table, with the numbers of their own rows.
    for question, answer in collected.at_riverside.answers.items():
        for number, part in words_in(question.path, answer.text):
            assert "nora" in collected.judge.words.get((number, part), ()), question
    scene, crawls = collected.scene, collected.crawls.values()
    print(
        f"\n{collected.mode}: {sum(len(crawl.answers) for crawl in crawls):,} answers read "
        f"by {len(crawls)} viewers, {len(collected.at_riverside.answers):,} by one elsewhere; "
        f"{len(scene.pieces)} posts and other things, {len(collected.judge.words)} markers, "
        f"{len(collected.judge.names)} names; {len(wrong)} out of place"
    )


async def test_everybody_finds_what_is_for_them(collected: Collected) -> None:
    found: dict[str, set[tuple[int, str]]] = {name: set() for name in (*VIEWERS, *ABROAD)}
    for viewer, question, answer in collected.answers:
        found[viewer] |= words_in(question.path, answer.text)
    for question, answer in collected.at_riverside.answers.items():
        found["nora"] |= words_in(question.path, answer.text)
    missing = [
        f"{viewer}: {piece.name}: {part}"
        for piece in collected.scene.pieces.values()
        for viewer in piece.must & collected.readers
        for part in piece.parts
        if (piece.number, part) not in found[viewer]
    ]
    assert missing == []
    for who in ("bob school", "bob to nora", "bob to nora, bcc dave"):
        assert (collected.scene.pieces[who].number, "text") in found["nora"]


async def test_other_servers_get_only_what_is_for_somebody_there(in_the_open: Collected) -> None:
    scene, judge = in_the_open.scene, in_the_open.judge
    for stranger in (scene.village, scene.hillside, scene.banned):
        residents = {name for name, person in scene.others.items() if person.home is stranger} - {
            "mallory"
        }
        for delivered in stranger.delivered:
            text = delivered.body.decode()
            for number, part in words_in("", text):
                piece = scene.piece(number)
                # A report goes to those who look after the other server; who reports does not.
                forwarded = (
                    piece.name == "dave reports mallory" and delivered.json["type"] == "Flag"
                )
                assert (piece.readers | piece.once) & residents or forwarded, (piece.name, part)
            if delivered.json["type"] == "Flag":
                assert scene.people["dave"].uri not in text
        for name in residents:
            for text in verdicts.brought(
                scene.others[name], follows_alice=name == "fiona", scene=scene
            ):
                wrong = list(judge.misplaced(name, Question("", False), Answer(200, (), text)))
                assert wrong == [], text
    # What alice took back before it left never left.
    late = scene.pieces["alice to zoe"]
    about = [one for one in scene.hillside.delivered if late.uri.encode() in one.body]
    assert [one.json["type"] for one in about] == ["Delete"]
    assert words_in("", about[0].body.decode()) == set()
    # A follower there is shown what alice wrote for her followers.
    shown = "".join(verdicts.brought(scene.others["fiona"], follows_alice=True, scene=scene))
    assert {scene.pieces["alice followers"].number} <= {number for number, _ in words_in("", shown)}

    def kept(tx: Transaction) -> list[str]:
        rows = tx.execute(select(tables.received.c.body).order_by(tables.received.c.id)).scalars()
        return [body.decode() for body in rows]

    for text in await scene.riverside.read(kept):
        for number, _ in words_in("", text):
            piece = scene.piece(number)
            # Bob follows alice like fiona does.
            assert "fiona" in piece.readers | piece.once or piece.name.startswith("bob"), piece.name


async def test_whoever_was_told_in_secret_is_named_nowhere(collected: Collected) -> None:
    """Nell and dave got what only the envelope says they got."""
    scene = collected.scene
    for piece, secret in (("alice to dave, bcc nell", "nell"), ("alice to nell, bcc dave", "dave")):
        paths = {scene.pieces[piece].uri, scene.pieces[piece].activity}
        for _, question, answer in collected.answers:
            if scene.oakfield.url + question.path in paths and not question.page:
                assert scene.uri_of(secret) not in answer.text
        for delivered in scene.village.delivered:
            if paths & {delivered.json["id"]}:
                assert scene.uri_of(secret) not in delivered.body.decode()


async def test_a_search_robot_keeps_only_who_wants_to_be_found(in_the_open: Collected) -> None:
    """Of our people alice alone said yes; nobody else's words stand on a page that may be kept."""
    scene, kept = in_the_open.scene, set()
    for question, answer in in_the_open.crawls["robot"].answers.items():
        if answer.status == 200 and not any("noindex" in line for line in answer.head):
            kept |= {scene.piece(number).name for number, _ in words_in(question.path, answer.text)}
    assert "alice later" in kept
    assert {name for name in kept if not name.startswith("alice ")} == set()


async def test_a_report_is_for_the_administrators_alone(in_the_open: Collected) -> None:
    scene = in_the_open.scene
    found = {report.reason: report for report in await scene.oakfield.read(reports.open_ones)}
    for name, reporter in (
        ("dave reports mallory", "dave"),
        ("dave reports carol", "dave"),
        ("zoe reports alice", "zoe"),
    ):
        number = scene.pieces[name].number
        (report,) = (
            one for reason, one in found.items() if words_in("", reason) == {(number, "report")}
        )
        assert report.reporter.username == reporter


async def test_no_word_of_anybody_stands_in_a_log(in_the_open: Collected) -> None:
    assert in_the_open.log
    assert [line for line in in_the_open.log if words_in("", line)] == []


async def test_there_is_no_url_that_nobody_reads(in_the_open: Collected) -> None:
    """Else all this says nothing about it."""
    read = {
        question.path.partition("?")[0]
        for _, question, answer in in_the_open.answers
        if answer.status == 200
    }
    unread = [
        route.path
        for route in ROUTES
        if route.method == "GET" and not any(fits(route.path, path) for path in read)
    ]
    # Nobody reads the inboxes of what is no person, and the lists of the school are for itself.
    assert unread == ["/actor/inbox", "/school/inbox"]


# --- hidden is missing ---------------------------------------------------------------------------


async def test_to_ask_for_the_head_alone_tells_no_more(in_the_open: Collected) -> None:
    for name in ("zoe", "carol"):
        crawl = in_the_open.crawls[name]
        hidden = [
            question
            for question, answer in crawl.answers.items()
            if answer.status in (404, 410) and not question.page
        ]
        for question in hidden[:40:4]:
            url = in_the_open.scene.oakfield.url + question.path
            headers = crawl.viewer.headers(url, page=False, method="HEAD")
            head = await in_the_open.door.ask("HEAD", url, headers or {})
            wanted = crawl.answers[question]
            assert (head.status, head.body) == (wanted.status, "")
            assert head.without().head == wanted.without().head


async def test_what_is_hidden_looks_like_what_never_was(collected: Collected) -> None:
    for crawl in list(collected.crawls.values()):
        assert await verdicts.told_apart(collected.judge, crawl) == []


async def test_somebody_hidden_looks_like_nobody(collected: Collected) -> None:
    """Samir is suspended, and the server of rex is blocked."""
    scene = collected.scene
    rex = await scene.oakfield.read(actors.by_uri, scene.uri_of("rex"))
    assert rex is not None
    pairs = [
        ("samir", "nobody"),
        ("rex@banned", "nobody@banned"),
        (str(scene.people["samir"].id), str(NEVER)),
        (str(rex.id), str(NEVER)),
    ]
    for name, crawl in collected.crawls.items():
        for question in [*crawl.answers]:
            for hidden, nobody in pairs:
                plain = re.search(rf"[/@:]{hidden}(?![\w-])", question.path)
                # Whose signatures are to be checked keeps a document without a word in it.
                if plain is None or question == Question("/users/samir", False):
                    continue
                never = Question(question.path.replace(hidden, nobody), question.page)
                there = (await crawl.ask(never)).without(nobody, quote(nobody))
                here = crawl.answers[question].without(hidden, quote(hidden))
                assert here == there, (name, question)


# What somebody may try with a post, and the words of it that name the post.
def tried(uri: str, actor: str) -> Iterator[dict[str, Any]]:
    for kind in ("Like", "Announce", "Flag", "Delete"):
        yield {"type": kind, "object": uri}
    for kind in ("Add", "Remove"):
        yield {"type": kind, "object": uri, "target": f"{actor}/featured"}
    for kind in ("Like", "Announce"):
        yield {"type": "Undo", "object": {"type": kind, "object": uri}}
    public = {"to": ["https://www.w3.org/ns/activitystreams#Public"]}
    for pointer in ("inReplyTo", "quote"):
        yield {"type": "Note", "content": "So", pointer: uri, **public}
    yield {"type": "Update", "object": {"id": uri, "content": "Mine"}}


async def test_nothing_can_be_done_with_a_hidden_post_that_tells_it_from_none(
    in_the_open: Collected,
) -> None:
    """Every button of the pages, and every verb of a program."""
    scene, carol = in_the_open.scene, in_the_open.scene.people["carol"]
    assert {one["type"] for one in tried("", "")} | {"Note"} >= set(VERBS) - {
        "Create", "Follow", "Accept", "Reject", "Block",
    }  # fmt: skip
    crawl = in_the_open.crawls["carol"]
    home = await crawl.ask(Question("/home", page=True))
    token = re.findall(r'name="form_token" value="(\w+)"', home.body)[0]
    hidden = ["alice followers", "alice to dave", "samir public", "rex to carol"]
    hidden += ["alice to be deleted for followers", "dave to alice"]

    async def press(path: str, number: int, **typed: str) -> Answer:
        fields = {"form_token": token, "reason": "So", "choice": "0", **typed}
        body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
        sent = {
            **(crawl.viewer.headers(path, page=True) or {}),
            "Origin": scene.oakfield.url,
            "Content-Type": FORM,
        }
        answer = await in_the_open.door.ask("POST", scene.oakfield.url + path, sent, body)
        return answer.without(typed.get("who", ""), str(number))

    async def act(activity: dict[str, Any], uri: str) -> Answer:
        sent = {**(crawl.viewer.headers("", page=False) or {}), "Content-Type": ACTIVITY}
        url = f"{carol.uri}/outbox"
        answer = await in_the_open.door.ask("POST", url, sent, orjson.dumps(activity))
        return answer.without(uri)

    here = f"{scene.oakfield.url}/objects/"
    for name in hidden:
        scene.town.clock.advance(minutes=10)  # past the limits for forms
        piece = scene.pieces[name]
        base = piece.uri.rpartition("/")[0] + "/"
        nothing = f"{base}{NEVER}"
        for deed in POST_DEEDS:
            told = await press(f"/posts/{piece.id}/{deed}", piece.id)
            assert told == await press(f"/posts/{NEVER}/{deed}", NEVER), (name, deed)
            assert told.status == 404
        there = await press("/find", piece.id, who=piece.uri)
        assert there == await press("/find", NEVER, who=nothing), name
        if base != here:
            continue
        for one, other in zip(tried(piece.uri, carol.uri), tried(nothing, carol.uri), strict=True):
            if (name, one["type"]) == ("samir public", "Flag"):
                continue  # what was for somebody they may report, whatever happened since
            said = await act(one, piece.uri)
            assert said.status in (400, 403), (name, one, said.body)
            assert said == await act(other, nothing), (name, one)
    samir = scene.people["samir"].id
    for deed in PERSON_DEEDS:
        assert await press(f"/people/{samir}/{deed}", samir) == await press(
            f"/people/{NEVER}/{deed}", NEVER
        )


async def test_another_server_learns_nothing_by_trying(in_the_open: Collected) -> None:
    scene, zoe = in_the_open.scene, in_the_open.scene.others["zoe"]
    alice = scene.people["alice"]
    hidden = scene.pieces["alice followers"].uri
    nothing = f"{scene.oakfield.url}/objects/{NEVER}"
    before, told = len(scene.hillside.delivered), []
    for uri in (hidden, nothing):
        for kind in ("Like", "Announce", "Flag"):
            activity = zoe.activity(kind, uri, to=[alice.uri], cc=[])
            told.append(await zoe.send(scene.oakfield.shared_inbox, activity))
            await scene.town.settle()
    assert {(reply.status, reply.body) for reply in told} == {(202, told[0].body)}
    assert len(scene.hillside.delivered) == before


# --- numbers -------------------------------------------------------------------------------------


async def test_every_list_counts_what_it_lists(collected: Collected) -> None:
    for crawl in collected.crawls.values():
        assert verdicts.miscounted(crawl) == []


async def test_the_figures_below_a_post_count_what_their_reader_may_know(
    collected: Collected,
) -> None:
    scene = collected.scene
    piece = scene.pieces["alice public"]
    answering = [
        one
        for one in scene.pieces.values()
        if piece.uri in one.points_to and "quotes" not in one.name
    ]
    for viewer in sorted(COLLEAGUES & collected.readers):
        crawl = collected.crawls[viewer]
        # In a list: on its own page the answers themselves stand below it.
        page = crawl.answers[Question("/@alice", page=True)].body
        post = page.partition(f'id="post-{piece.id}"')[2].partition("</article>")[0]
        replies = re.findall(r">(\d+) answers?</a>", post)
        liked = re.findall(r'<span class="number">(\d+)</span>', post)
        assert replies == [str(sum(viewer in one.readers for one in answering))], viewer
        # Dave, carol, fiona and mallory like it; samir and rita are gone, alice does not know
        # of mallory. That dave passed it on to his followers he knows alone.
        passed_on = ["1"] if viewer == "dave" else []
        assert liked == [str(3 if viewer == "alice" else 4), *passed_on], viewer
        shown = crawl.answers[Question("/notifications", page=True)].body
        unread = re.findall(r'<span class="count">(\d+)', shown.partition("/find")[0])
        new = shown.count('<span class="new-mark">')
        assert unread[:1] == ([str(new)] if new else unread[:1]), viewer
    lists = collected.crawls["fiona"].answers
    for path, total in (("followers", 3), ("following", 0)):
        found = orjson.loads(lists[Question(f"/users/alice/{path}", page=False)].body)
        assert found["totalItems"] == total, path


async def test_what_alice_does_is_nothing_to_whom_she_blocks(collected: Collected) -> None:
    answers = collected.crawls["mallory"].answers
    for path in ("outbox", "liked", "featured"):
        found = orjson.loads(answers[Question(f"/users/alice/{path}", page=False)].body)
        assert found["totalItems"] == 0, path
    for path in ("followers", "following"):
        assert answers[Question(f"/users/alice/{path}", page=False)].status == 404


async def test_what_happens_in_secret_changes_no_answer(in_the_open: Collected) -> None:
    """Letters, likes, edits, requests, blocks and reports between others: whoever is not meant
    reads the same bytes before and after, lists and figures and all."""
    scene, people = in_the_open.scene, in_the_open.scene.people
    alice, nell, zoe = people["alice"], scene.others["nell"], scene.others["zoe"]
    crawls = [in_the_open.crawls[name] for name in ("anonymous", "carol", "dave", "fiona", "ned")]
    asked = [(crawl, question) for crawl in crawls for question in lists(crawl, in_the_open)]
    before = [await crawl.ask(question) for crawl, question in asked]

    about = scene.pieces["alice public"].uri
    tag = audiences.said(scene.pieces["alice public"].number)["content"].partition("#")[2]
    letter = {"content": f"Between us #{tag}", "mediaType": "text/plain"}
    said = await alice.say(letter.pop("content"), to=nell.uri, inReplyTo=about, **letter)
    await scene.town.settle()
    await nell.send(scene.oakfield.shared_inbox, nell.activity("Like", said["id"], to=[alice.uri]))
    answer = nell.create("Yes", inReplyTo=said["id"], to=[alice.uri], cc=[])
    await nell.send(f"{alice.uri}/inbox", answer)
    await scene.town.settle()
    await alice.post({"type": "Like", "object": answer["object"]["id"]})
    changed = {"id": said["id"], "content": "Only us", "mediaType": "text/plain"}
    await alice.post({"type": "Update", "object": changed})
    await zoe.send(f"{alice.uri}/inbox", zoe.activity("Follow", alice.uri, to=[alice.uri], cc=[]))
    await zoe.send(scene.oakfield.shared_inbox, zoe.activity("Flag", people["dave"].uri, to=[]))
    await scene.town.settle()
    await alice.post({"type": "Block", "object": zoe.uri})
    await alice.post({"type": "Flag", "object": people["carol"].uri, "content": "Again"})
    await scene.town.settle()

    for (crawl, question), was in zip(asked, before, strict=True):
        assert await crawl.ask(question) == was, (crawl.viewer.name, question)
    assert len(asked) > 200


def lists(crawl: Crawl, collected: Collected) -> Iterator[Question]:
    """What may hold more than one thing, or count them; and two posts with their answers."""
    posts = [collected.scene.pieces[name].id for name in ("alice public", "carol answers")]
    for question, answer in crawl.answers.items():
        path = question.path.partition("?")[0]
        single = re.search(r"\d{15,}", path)
        if answer.status != 200 or path.startswith(("/settings", "/static", "/compose", "/find")):
            continue
        if single is None or int(single[0]) in posts:
            yield question


# --- the crawl finds leaks -----------------------------------------------------------------------


@pytest.mark.parametrize(("module", "name", "viewer", "where"), LEAKS)
async def test_a_forgotten_condition_is_noticed(
    in_the_open: Collected,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    viewer: str,
    where: str,
) -> None:
    """In one statement everybody may see everything: words, names or figures are out of place."""
    before = in_the_open.crawls[viewer]
    questions = [one for one in before.answers if re.search(where, one.path)]
    monkeypatch.setattr(module, name, unguarded(getattr(module, name)))
    crawl = Crawl(in_the_open.door, before.viewer)
    for question in questions:
        crawl.answers[question] = await crawl.ask(question)
    misplaced = [
        found
        for question, answer in crawl.answers.items()
        for found in in_the_open.judge.misplaced(viewer, question, answer)
    ]
    noticed = misplaced or verdicts.miscounted(crawl)
    assert noticed or more_answers(crawl, before)
