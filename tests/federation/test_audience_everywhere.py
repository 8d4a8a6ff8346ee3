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

from inbox import worker
from outbox.dispatch import VERBS
from pages.acts import PERSON_DEEDS, POST_DEEDS
from pages.project_acts import DEEDS
from staffroom.routes import ROUTES
from storage import actors, reports, tables
from storage.database import Transaction
from tests.federation import audiences, verdicts, working_together
from tests.federation.audiences import COLLEAGUES, ELSEWHERE, RIVERSIDE, VIEWERS, Scene
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
    numbers_in,
    words_in,
)
from tests.federation.leaks import FORGOTTEN, LEAKS, more_answers, unguarded
from tests.federation.trying import signed_in, tried, tried_with
from tests.federation.verdicts import Judge
from tests.town import Town
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
    at_riverside: dict[str, Crawl]
    log: list[str]

    @property
    def answers(self) -> Iterator[tuple[str, Question, Answer]]:
        for name, crawl in self.crawls.items():
            yield from ((name, question, answer) for question, answer in crawl.answers.items())

    @property
    def readers(self) -> frozenset[str]:
        """Those who look at all that there is for them."""
        pages = {name for name, crawl in self.crawls.items() if crawl.viewer.page is not None}
        return (ELSEWHERE | RIVERSIDE).intersection(self.crawls) | pages

    def handle(self, uri: str) -> str:
        """How a page of oakfield leads to somebody."""
        url, _, name = uri.rpartition("/")
        host = url.split("/")[2]
        return f'href="/@{name}"' if host == self.scene.oakfield.host else f"/@{name}@{host}"

    @property
    def there(self) -> Iterator[tuple[str, Question, Answer]]:
        """The answers at riverside."""
        for name, crawl in self.at_riverside.items():
            yield from ((name, question, answer) for question, answer in crawl.answers.items())


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
        scene = await audiences.term(town, working_together.work)
        known = await scene.oakfield.read(audiences.known, scene)
        judge = await scene.oakfield.read(verdicts.judge, scene)
        other = await stack.enter_async_context(door(scene.riverside))
        viewers = audiences.viewers(scene)
        there = await scene.riverside.read(audiences.known, scene)
        at_riverside = await all_over(other, audiences.viewers_at_riverside(scene), there)
        found: dict[str, Collected] = {}
        for mode in MODES:
            way = await stack.enter_async_context(door(scene.oakfield, mode))
            if mode == "network":
                # Pages are the same in both, so here one passer-by looks at them; and of those
                # who may see most one is enough.
                viewers = {name: viewers[name] for name in VIEWERS if name not in INSIDERS}
                for name in {*viewers} - {"anonymous"}:
                    viewers[name] = replace(viewers[name], page=None)
            # Schools talk to each other in this mode, so theirs are the questions that are signed.
            asking = [
                viewers[name] for name in viewers if mode == "network" or name not in RIVERSIDE
            ]
            crawls = await all_over(way, asking, known)
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
    for viewer, question, answer in collected.there:
        for number, part in words_in(question.path, answer.text):
            assert viewer in collected.judge.words.get((number, part), ()), (viewer, question)
    scene, crawls = collected.scene, collected.crawls.values()
    elsewhere = sum(1 for _ in collected.there)
    print(
        f"\n{collected.mode}: {sum(len(crawl.answers) for crawl in crawls):,} answers read "
        f"by {len(crawls)} viewers, {elsewhere:,} by two elsewhere; "
        f"{len(scene.pieces)} posts and other things, {len(collected.judge.words)} markers, "
        f"{len(collected.judge.names)} names; {len(wrong)} out of place"
    )


async def test_no_question_is_too_hard(collected: Collected) -> None:
    """An answer that broke off says nothing of what it would have said."""
    broken = [
        (viewer, question)
        for viewer, question, answer in (*collected.answers, *collected.there)
        if answer.status >= 500
    ]
    assert broken == []


async def test_everybody_finds_what_is_for_them(collected: Collected) -> None:
    found: dict[str, set[tuple[int, str]]] = {name: set() for name in VIEWERS}
    for viewer, question, answer in (*collected.answers, *collected.there):
        found[viewer] |= words_in(question.path, answer.text)
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
    for piece in collected.scene.pieces.values():
        if "bob" in piece.readers and piece.project in ("orchard", "lantern"):
            assert {(piece.number, part) for part in piece.parts} <= found["bob"], piece.name


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
                had = piece.readers | piece.once | piece.had
                assert had & residents or forwarded, (piece.name, part)
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
            assert (piece.readers | piece.once | piece.had) & RIVERSIDE, piece.name


async def test_nobody_else_keeps_what_is_not_for_everybody(collected: Collected) -> None:
    """Not the browser on the way back, nor a cache in front (R11)."""
    everybody = frozenset(VIEWERS) - {"alice", "mallory", "program", "rex"}
    kept = [
        (viewer, question)
        for viewer, question, answer in (*collected.answers, *collected.there)
        if not any("no-store" in line for line in answer.head if line.startswith("cache-control"))
        and not all(
            collected.judge.words[word] >= everybody
            for word in words_in(question.path, answer.text)
        )
    ]
    assert kept == []


async def test_who_is_in_a_private_project_its_guests_learn_when_they_come(
    collected: Collected,
) -> None:
    """Who is invited finds its name, its aim and who is in charge, and not who else is in it, nor
    how many they are."""
    scene = collected.scene
    for name, circle in scene.projects.items():
        here, row = circle.uri.startswith(scene.oakfield.url), scene.pieces[name].id
        for viewer in circle.known_to & collected.readers if circle.private else ():
            answers, inside = collected.crawls[viewer].answers, viewer in circle.members
            for query in ("", "?page=first") if here else ():
                found = answers[Question(f"/projects/{circle.slug}/members{query}", page=False)]
                assert found.status == (200 if inside else 404), (viewer, query)
            people = answers.get(Question(f"/projects/{row}/people", page=True))
            if people is None:
                continue  # they read no pages here
            assert people.status == (200 if inside else 404), viewer
            where = circle.slug if here else row
            page = answers[Question(f"/projects/{where}", page=True)].body
            assert (f"/projects/{row}/people" in page) == inside, viewer
            others = [scene.uri_of(one) for one in circle.members - circle.leads - {viewer}]
            assert {collected.handle(uri) in page for uri in others} <= {inside}, viewer


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
    assert {
        name for name in kept if not name.startswith("alice ") and "meadow" not in name
    } == set()


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
    # Nobody reads the inboxes of what is no person, and whom somebody blocks reads only the account
    # that they move to. Figures are for the machine next door.
    nowhere = [path.partition("/{")[0] + path.rpartition("/")[2] for path in unread]
    assert sorted(nowhere) == [
        "/actor/inboxinbox",
        "/metricsmetrics",
        "/projectsinbox",
        "/school/inboxinbox",
        "/usersblocked",
    ]


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
    private = [circle for circle in scene.projects.values() if circle.private]
    pairs = [
        *((circle.slug, "nobody") for circle in private),
        ("samir", "nobody"),
        ("rex@banned", "nobody@banned"),
        (str(scene.people["samir"].id), str(NEVER)),
        (str(rex.id), str(NEVER)),
    ]
    may_know = {circle.slug: circle.known_to | {"riverside"} for circle in private}
    for name, crawl in collected.crawls.items():
        new: dict[Question, Answer] = {}
        for question in [*crawl.answers]:
            for hidden, nobody in pairs:
                plain = re.search(rf"(?:[/@:]|%40){hidden}(?![\w-])", question.path)
                if name in may_know.get(hidden, ()):
                    continue
                # Whose signatures are to be checked keeps a document without a word in it.
                if plain is None or question == Question("/users/samir", False):
                    continue
                never = Question(question.path.replace(hidden, nobody), question.page)
                if never not in crawl.answers:
                    new.setdefault(never, await crawl.ask(never))
                there = (crawl.answers.get(never) or new[never]).without(nobody, quote(nobody))
                here = crawl.answers[question].without(hidden, quote(hidden))
                assert here == there, (name, question)


async def test_nothing_can_be_done_with_a_hidden_post_that_tells_it_from_none(
    in_the_open: Collected,
) -> None:
    """Every button of the pages, and every verb of a program."""
    scene, carol = in_the_open.scene, in_the_open.scene.people["carol"]
    assert {one["type"] for one in tried("", "")} | {"Note"} >= set(VERBS) - {
        "Create", "Follow", "Accept", "Reject", "Block", "Join", "Leave", "Invite", "Move",
    }  # fmt: skip
    browser = await signed_in(in_the_open.crawls["carol"])
    press, act = browser.press, browser.act
    hidden = ["alice followers", "alice to dave", "samir public", "rex to carol"]
    hidden += ["alice to be deleted for followers", "dave to alice"]

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


async def test_nothing_can_be_done_with_a_hidden_project_that_tells_it_from_none(
    in_the_open: Collected,
) -> None:
    """Carol was in both of them, pia is in neither of the lantern's school nor in it."""
    scene = in_the_open.scene
    verbs = {one["type"] for one in tried_with("", "")} | {"Note", "Create"}
    assert verbs >= set(VERBS)
    for name, project in (("carol", "orchard"), ("carol", "lantern"), ("pia", "lantern")):
        scene.town.clock.advance(minutes=10)  # past the limits for forms
        circle, row = scene.projects[project], scene.pieces[project].id
        # As long as the other: where words are cut short, they are cut at the same place.
        nobody = "nobody".ljust(len(circle.slug), "0")
        never = circle.uri.replace(circle.slug, nobody)
        browser = await signed_in(in_the_open.crawls[name])
        for deed in DEEDS:
            told = await browser.press(f"/projects/{row}/{deed}", row, person="1", role="editor")
            assert told.status == 404, (name, deed)
            assert told == await browser.press(
                f"/projects/{NEVER}/{deed}", NEVER, person="1", role="editor"
            )
        for deed in PERSON_DEEDS:
            told = await browser.press(f"/people/{row}/{deed}", row)
            assert told == await browser.press(f"/people/{NEVER}/{deed}", NEVER), (name, deed)
        edit = await browser.press(f"/projects/{row}/edit", row, name="Mine")
        assert edit == await browser.press(f"/projects/{NEVER}/edit", NEVER, name="Mine")
        write = await browser.press("/compose", row, text="So", project=str(row))
        assert write.status == 400
        assert write == await browser.press("/compose", NEVER, text="So", project=str(NEVER))
        host = circle.uri.split("/")[2]
        for way in (
            circle.uri,
            circle.list,
            f"@{circle.slug}@{host}",
            f"https://{host}/@{circle.slug}",
        ):
            other = way.replace(circle.slug, nobody)
            there = await browser.press("/find", row, who=way)
            assert there == await browser.press("/find", NEVER, who=other), (name, way)
            letter = {"text": "So", "audience": "direct"}
            there = await browser.press("/compose", NEVER, to=way, **letter)
            nowhere = await browser.press("/compose", NEVER, to=other, **letter)
            assert there.without(circle.slug) == nowhere.without(nobody), (name, way)
        # A handle of nobody's stays text.
        alice, meant = scene.people["alice"].uri, {}
        for slug in (circle.slug, nobody):
            sent = await scene.people[name].say(f"Hi @{slug}@{host}", to=alice)
            meant[slug] = (sent["content"].replace(slug, ""), sent.get("tag"))
            await scene.people[name].post({"type": "Delete", "object": sent["id"]})
        assert meant[circle.slug] == meant[nobody]
        actor = scene.people[name].uri
        pairs = zip(tried_with(circle.uri, actor), tried_with(never, actor), strict=True)
        for one, other_one in pairs:
            scene.town.clock.advance(minutes=1)
            said = await browser.act(one, circle.slug)
            assert said.status in (400, 403), (name, one, said.body)
            assert said == await browser.act(other_one, nobody), (name, one)


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
    # Zoe was in the orchard once, ned never was.
    orchard = scene.projects["orchard"]
    for other in (zoe, scene.others["ned"]):
        before = len(other.home.delivered)
        for one in tried_with(orchard.uri, other.uri):
            if "type" not in one or one["type"] in ("Note", "Move", "Block"):
                continue
            answers = []
            for name in (orchard.slug, "nobody"):
                text = orjson.dumps(one).decode().replace(orchard.slug, name)
                sent = other.activity(
                    "So", None, to=[orchard.uri.replace(orchard.slug, name)], cc=[]
                )
                sent |= orjson.loads(text)
                for inbox in ("shared", "its own"):
                    where = f"/projects/{name}/inbox" if inbox == "its own" else "/inbox"
                    reply = await other.send(scene.oakfield.url + where, sent)
                    answers.append((inbox, reply.status, reply.body))
            assert answers[:2] == answers[2:], one
            await scene.town.settle()
        assert len(other.home.delivered) == before


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
    if "carol" in collected.readers:
        # What she wrote while she was in the orchard is hers; that dave answered is not for her.
        own, crawl = scene.pieces["carol in orchard"], collected.crawls["carol"]
        page = crawl.answers[Question("/@carol", page=True)].body
        post = page.partition(f'id="post-{own.id}"')[2].partition("</article>")[0]
        assert post
        assert set(re.findall(r">(\d+) answers?</a>", post)) <= {"0"}
        listed = crawl.answers[Question(f"/objects/{own.id}/replies", page=False)].body
        assert orjson.loads(listed)["totalItems"] == 0
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
    # In the lantern, where dave is invited and does not come.
    lantern = working_together.among(scene.projects["lantern"])
    there = await people["bob"].say(f"In here #{tag}", **lantern)
    await alice.say("Yes", inReplyTo=scene.pieces["bob in lantern"].uri, **lantern)
    await scene.town.settle()
    await alice.post({"type": "Like", "object": there["id"]})
    invite = {"object": scene.projects["lantern"].uri, "target": people["nora"].uri}
    await people["bob"].post({"type": "Invite", **invite})
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


@pytest.mark.parametrize(("module", "name", "said", "viewer", "where"), FORGOTTEN)
async def test_a_forgotten_question_is_noticed(
    in_the_open: Collected,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    said: bool,
    viewer: str,
    where: str,
) -> None:
    """Whether somebody may know of a project, or is in it, is said without looking."""
    before = in_the_open.crawls[viewer]
    monkeypatch.setattr(module, name, lambda *asked: said)
    changed = [
        question
        for question, answer in before.answers.items()
        if re.search(where, question.path) and await before.ask(question) != answer
    ]
    assert changed


# --- whoever is in it no more --------------------------------------------------------------------


async def test_whoever_is_in_a_project_no_more_finds_nothing_of_it_with_the_next_request(
    both: dict[str, Collected],
) -> None:
    """Bob is removed, fiona and alice leave, pia does not want to come: from then on there is no
    such project for them. The last test: the scene is another one afterwards."""
    collected, network = both["open"], both["network"]
    scene, people = collected.scene, collected.scene.people
    orchard, lantern = scene.projects["orchard"], scene.projects["lantern"]
    found = {
        "alice": crawled(collected.crawls["alice"], scene, "lantern"),
        "pia": crawled(collected.crawls["pia"], scene, "orchard"),
        "fiona": crawled(network.crawls["fiona"], scene, "orchard"),
        "bob": crawled(network.crawls["bob"], scene, "orchard"),
    }
    assert all(len(crawl.answers) > 4 for crawl in found.values())

    # Alice says it at her own school, which asks nobody and waits for nobody.
    await people["alice"].post({"type": "Leave", "object": lantern.uri})
    await nothing_left(scene, found["alice"], "lantern")
    # The others say it to the school of the project: when that heard it, before anybody else does.
    invite = await scene.oakfield.read(working_together.between, orchard.uri, people["pia"].uri)
    await people["pia"].post({"type": "Reject", "object": invite})
    gone = {"object": people["bob"].uri, "target": orchard.list}
    await people["dave"].post({"type": "Remove", **gone})
    fiona = scene.others["fiona"]
    leave = fiona.activity("Leave", orchard.uri, to=[orchard.uri], cc=[])
    await working_together.told(fiona, orchard, leave)
    await worker.step(scene.oakfield.server)
    for name in ("pia", "bob", "fiona"):
        await nothing_left(scene, found[name], "orchard")
    # Nobody at riverside is in it any more, so there is nothing to check signatures for.
    office = network.crawls["riverside"]
    there, nobody = [
        (await office.ask(Question(f"/projects/{name}", page=False))).without(name)
        for name in (orchard.slug, "nobody")
    ]
    assert there == nobody
    # And where bob works they heard of it.
    await scene.town.settle()
    at_home = collected.at_riverside["bob"]
    ours = {piece.number for piece in scene.pieces.values() if piece.project == "orchard"}
    his = {piece.number for piece in scene.pieces.values() if piece.name.startswith("bob ")}
    where = scene.pieces["where orchard is"].number  # it stands in what he said himself
    for question, answer in list(at_home.answers.items()):
        if ours & {number for number, _ in words_in(question.path, answer.text)}:
            now = await at_home.ask(question)
            left = {number for number, _ in words_in(question.path, now.text)} & ours
            his_own = (
                f'"actor":"{people["bob"].uri}"' in now.text and "/activities/" in question.path
            )
            assert left <= his | {where} or his_own, question


def crawled(crawl: Crawl, scene: Scene, project: str) -> Crawl:
    """Of what somebody was answered that in which something of a project was."""
    pieces = [piece for piece in scene.pieces.values() if piece.project == project]
    numbers, rows = {piece.number for piece in pieces}, {piece.id for piece in pieces if piece.id}
    slug = scene.projects[project].slug
    answers = {
        question: answer
        for question, answer in crawl.answers.items()
        if numbers & {number for number, _ in words_in(question.path, answer.text)}
        or rows & numbers_in("", question.path)
        or slug in question.path
    }
    return Crawl(crawl.door, crawl.viewer, answers)


async def nothing_left(scene: Scene, crawl: Crawl, project: str) -> None:
    working_together.parted(scene, project, crawl.viewer.name)
    judge = await scene.oakfield.read(verdicts.judge, scene)
    name, circle = crawl.viewer.name, scene.projects[project]
    for question in list(crawl.answers):
        answer = crawl.answers[question] = await crawl.ask(question)
        assert list(judge.misplaced(name, question, answer)) == [], question
        if f"/{circle.slug}" in question.path and circle.uri.startswith(scene.oakfield.url):
            never = Question(question.path.replace(circle.slug, "nobody"), question.page)
            assert answer.without(circle.slug) == (await crawl.ask(never)).without("nobody")
    assert await verdicts.told_apart(judge, crawl) == []
