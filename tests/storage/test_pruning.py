"""What nobody here kept goes after a while; what anybody here can still come upon stays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from storage import (
    actors,
    announces,
    arrivals,
    deliveries,
    featured,
    ids,
    likes,
    memberships,
    moves,
    notifications,
    objects,
    polls,
    pruning,
    received,
    rounds,
    tables,
    threads,
    timelines,
)
from storage.actors import Actor
from storage.audience import Viewer
from storage.deliveries import Ending, To
from storage.ids import Ids
from storage.objects import Post
from storage.received import Incoming
from storage.transaction import Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING
from tests.storage.people import (
    activity,
    arriving,
    colleague,
    follow,
    later,
    person,
    post,
    project,
    send,
)

DAYS = 180


def line(tx: Transaction, days: float = DAYS) -> int:
    return ids.first_at(tx.now - timedelta(days=days))


def every(
    look: Callable[[Transaction, int, int], rounds.Slice], tx: Transaction, until: int
) -> Any:
    """All that a round finds, slice by slice."""
    after = 0
    found: list[int] = []
    while after < until:
        part = look(tx, after, until)
        assert part.last > after
        found += part.found
        after = part.last
    return found


def prune_posts(tx: Transaction, days: float = DAYS) -> int:
    """A whole round through the posts; how many went."""
    until, gone = line(tx, days), 0
    left = pruning.unkept(tx, every(pruning.look_at_posts, tx, until), until)
    while left:
        removed, left = pruning.remove_posts(tx, left, until)
        assert removed <= pruning.AT_ONCE
        gone += removed
    return gone


def prune(tx: Transaction, days: float = DAYS) -> int:
    """Everything that upkeep would do, until there is no more; how many posts went."""
    gone = now = prune_posts(tx, days)
    while now:
        gone += (now := prune_posts(tx, days))
    until = line(tx, days + 1)
    pruning.remove_arrivals(tx, every(pruning.look_at_arrivals, tx, until))
    pruning.empty_bodies(tx, every(pruning.look_at_bodies, tx, line(tx, 30)))
    pruning.remove_deliveries(tx, every(pruning.look_at_sent, tx, line(tx, 60)))
    pruning.remove_people(tx, every(pruning.look_at_people, tx, line(tx, days)), line(tx, days))
    return gone


def here(tx: Transaction, written: Post) -> bool:
    return objects.by_uri(tx, written.uri) is not None


def of_table(tx: Transaction, table: Any) -> int:
    return len(tx.execute(select(table)).all())


# --- what goes ---------------------------------------------------------------------------------


def test_a_post_that_nobody_kept_goes_with_all_that_hung_on_it(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy", "hill.example")
    follow(tx, ada, bob)
    old = post(tx, bob, to=[cy])
    answer = post(tx, cy, reply_to=old)
    timelines.place(tx, old.id, bob.id)
    likes.add(tx, uri="urn:like", actor_id=cy.id, object_id=old.id)
    announces.add(tx, uri="urn:announce", actor_id=cy.id, object_id=old.id, audience="public")
    polls.keep(
        tx, old.id, several=False, ends_at=None, voters=2, options=[("Monday", 1), ("Friday", 1)]
    )
    later(tx, days=DAYS - 1)
    assert prune(tx) == 0
    later(tx, days=2)
    young = post(tx, bob)
    assert prune(tx) == 2
    assert [here(tx, one) for one in (old, answer, young)] == [False, False, True]
    for table in (tables.timelines, tables.likes, tables.announces, tables.poll_options):
        assert of_table(tx, table) == 0
    assert prune(tx) == 0


def like(tx: Transaction, ada: Actor, it: Post) -> None:
    likes.add(tx, uri="urn:like", actor_id=ada.id, object_id=it.id)


def announce(tx: Transaction, ada: Actor, it: Post) -> None:
    announces.add(tx, uri="urn:announce", actor_id=ada.id, object_id=it.id, audience="public")


def answer(tx: Transaction, ada: Actor, it: Post) -> None:
    post(tx, ada, reply_to=it)


def quote(tx: Transaction, ada: Actor, it: Post) -> None:
    link(tx, post(tx, ada), it)


def link(tx: Transaction, quoting: Post, quoted: Post) -> None:
    table = tables.objects
    tx.execute(table.update().where(table.c.id == quoting.id).values(quotes=quoted.uri))


def be_named(tx: Transaction, ada: Actor, it: Post) -> None:
    objects.join_recipients(tx, it.id, [ada.id], hidden=True)


def be_told(tx: Transaction, ada: Actor, it: Post) -> None:
    notifications.add(tx, owner_id=ada.id, kind="reply", actor_id=it.author_id, object_id=it.id)


def vote(tx: Transaction, ada: Actor, it: Post) -> None:
    polls.keep(tx, it.id, several=False, ends_at=None, voters=0, options=[("Yes", 0), ("No", 0)])
    assert polls.vote(tx, it.id, ada.id, 0, "urn:vote")


def follow_who_pinned(tx: Transaction, ada: Actor, it: Post) -> None:
    featured.add(tx, it.author_id, it.id)
    follow(tx, ada, actors.by_ids(tx, [it.author_id])[it.author_id])


def report(tx: Transaction, ada: Actor, it: Post) -> None:
    tx.execute(
        tables.reports.insert().values(
            id=tx.new_id(),
            uri="urn:flag",
            reporter_id=ada.id,
            subject_id=it.author_id,
            post_uris="[]",
            created_at=tx.now,
        )
    )


def have_it_at_home_again(tx: Transaction, ada: Actor, it: Post) -> None:
    later(tx, days=DAYS)
    cy = colleague(tx, "cy", "hill.example")
    follow(tx, ada, cy)
    timelines.place(tx, it.id, it.author_id, announced_by=cy.id)


def be_in_the_project_it_was_written_in(tx: Transaction, ada: Actor, it: Post) -> None:
    write_in(tx, it, project(tx, "garden", ada, host="hill.example"))


def have_the_project_here(tx: Transaction, ada: Actor, it: Post) -> None:
    write_in(tx, it, project(tx, "garden"))


def write_in(tx: Transaction, it: Post, group: Actor) -> None:
    table = tables.objects
    tx.execute(table.update().where(table.c.id == it.id).values(project_id=group.id))


KEEPING = [
    like,
    announce,
    answer,
    quote,
    be_named,
    be_told,
    vote,
    follow_who_pinned,
    report,
    have_it_at_home_again,
    be_in_the_project_it_was_written_in,
    have_the_project_here,
]


@pytest.mark.parametrize("keep", KEEPING)
def test_what_somebody_here_kept_stays_with_its_whole_conversation(
    tx: Transaction, keep: Callable[[Transaction, Actor, Post], None]
) -> None:
    ada, bob, dee = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "dee", "dale.example")
    first = post(tx, bob)
    kept = post(tx, bob, reply_to=first)
    below = post(tx, dee, reply_to=kept)
    beside = post(tx, bob, reply_to=first)
    quoted, other = post(tx, bob), post(tx, dee)
    link(tx, beside, quoted)
    keep(tx, ada, kept)
    later(tx, days=DAYS + 1 - (tx.now - MORNING).days)
    prune(tx)
    for stays in (first, kept, below, beside, quoted):
        assert here(tx, stays)
    # A report is about everything that somebody wrote, not about others.
    assert not here(tx, other)


def test_a_project_that_nobody_here_is_in_any_more_keeps_nothing(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    group = project(tx, "garden", ada, bob, host="hill.example")
    old = post(tx, bob, project=group)
    later(tx, days=DAYS + 1)
    assert prune(tx) == 0
    memberships.end(tx, group.id, ada.id)
    assert prune(tx) == 1
    assert not here(tx, old)


def test_a_report_that_is_closed_keeps_nothing(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    reported = post(tx, bob)
    report(tx, ada, reported)
    later(tx, days=DAYS + 1)
    assert prune(tx) == 0
    tx.execute(tables.reports.update().values(closed_at=tx.now))
    assert prune(tx) == 1


def test_what_quotes_a_kept_post_stays_even_if_it_came_first(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    quoting, quoted = post(tx, bob), post(tx, bob)
    link(tx, quoting, quoted)
    like(tx, ada, quoted)
    later(tx, days=DAYS + 1)
    assert prune(tx) == 0


def test_a_conversation_waits_for_its_youngest_post(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    first = post(tx, bob)
    later(tx, days=100)
    post(tx, bob, reply_to=first)
    later(tx, days=100)
    assert prune(tx) == 0
    later(tx, days=100)
    assert prune(tx) == 2


def test_posts_that_answer_each_other_in_a_circle_go_too(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    one, other = post(tx, bob), post(tx, bob)
    table = tables.objects
    for this, that in ((one, other), (other, one)):
        tx.execute(table.update().where(table.c.id == this.id).values(in_reply_to=that.uri))
    later(tx, days=DAYS + 1)
    assert prune(tx) == 2


def test_what_was_liked_while_it_was_looked_at_stays(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    one, other = post(tx, bob), post(tx, bob)
    later(tx, days=DAYS + 1)
    found = pruning.look_at_posts(tx, 0, line(tx)).found
    like(tx, ada, one)
    assert pruning.remove_posts(tx, found, line(tx)) == (1, [])
    assert (here(tx, one), here(tx, other)) == (True, False)


def test_a_long_conversation_goes_a_slice_at_a_time_from_its_end(
    tx: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 3)
    bob = colleague(tx, "bob")
    line_ = [post(tx, bob)]
    for _ in range(6):
        line_.append(post(tx, bob, reply_to=line_[-1]))
    lonely = post(tx, bob)
    later(tx, days=DAYS + 1)
    left = list(pruning.look_at_posts(tx, 0, line(tx)).found)
    assert left == [line_[0].id, lonely.id]
    removed, left = pruning.remove_posts(tx, left, line(tx))
    assert (removed, left) == (3, [line_[0].id, lonely.id])
    assert [here(tx, one) for one in line_] == [True] * 4 + [False] * 3
    removed, left = pruning.remove_posts(tx, left, line(tx))
    assert (removed, left) == (3, [line_[0].id, lonely.id])
    assert pruning.remove_posts(tx, left, line(tx)) == (2, [])


def test_a_huge_conversation_stays(tx: Transaction, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look at all of it would take too long, and somewhere in it may stand one of ours."""
    monkeypatch.setattr(pruning, "LONGEST", 3)
    bob = colleague(tx, "bob")
    first, small = post(tx, bob), post(tx, bob)
    for _ in range(3):
        post(tx, bob, reply_to=first)
    later(tx, days=DAYS + 1)
    assert prune(tx) == 1
    assert (here(tx, first), here(tx, small)) == (True, False)


def test_a_pruned_post_may_come_again_but_not_one_that_was_deleted(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    old, gone = post(tx, bob), post(tx, bob)
    objects.bury(tx, gone.id, {"type": "Tombstone"})
    later(tx, days=DAYS + 1)
    assert prune(tx) == 2
    assert objects.is_buried(tx, gone.uri, bob.uri)
    assert not objects.is_buried(tx, old.uri, bob.uri)
    with pytest.raises(objects.Clash):
        again(tx, gone)
    assert again(tx, old)


def again(tx: Transaction, lost: Post) -> bool:
    """The same post comes once more; whether it is new."""
    return objects.add(
        tx,
        uri=lost.uri,
        author_id=lost.author_id,
        type="Note",
        audience="public",
        name=None,
        summary=None,
        content="<p>Once more</p>",
        url=lost.url,
        in_reply_to=None,
        document={},
        published_at=tx.now,
        recipients=[],
    )[1]


# --- what came with it -------------------------------------------------------------------------


def came(tx: Transaction, incoming: Incoming, *readers: Actor, state: str = "done") -> int:
    """An activity that was worked on, and who found it; the id of its row."""
    assert received.add_all(tx, [incoming]) == [True]
    row = tables.received
    id_ = tx.execute(select(row.c.id).where(row.c.uri == incoming.uri)).scalar_one()
    tx.execute(row.update().where(row.c.id == id_).values(state=state))
    arrivals.note(tx, id_, owners=[one.id for one in readers], followers_of=None, everyone=False)
    return int(id_)


def body_of(tx: Transaction, received_id: int) -> bytes:
    row = tables.received
    return bytes(tx.execute(select(row.c.body).where(row.c.id == received_id)).scalar_one())


def test_of_what_came_the_body_goes_after_30_days_where_nobody_has_it(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    for_nobody = came(tx, arriving(1))
    for_ada = came(tx, arriving(2), ada)
    waits = came(tx, arriving(3), state="aside")
    later(tx, days=29)
    prune(tx)
    assert body_of(tx, for_nobody)
    later(tx, days=2)
    prune(tx)
    assert [bool(body_of(tx, one)) for one in (for_nobody, for_ada, waits)] == [False, True, True]
    # It still counts once.
    assert received.add_all(tx, [arriving(1)]) == [False]
    assert [one.received_id for one in arrivals.inbox(tx, ada.id, before=None, limit=9)] == [
        for_ada
    ]
    actors.bury(tx, bob.id)
    prune(tx)
    assert not body_of(tx, for_ada)
    assert arrivals.inbox(tx, ada.id, before=None, limit=9) == []


def test_a_late_copy_for_somebody_brings_the_body_back(tx: Transaction) -> None:
    ada = person(tx, "ada")
    colleague(tx, "bob")
    first = came(tx, arriving(1))
    later(tx, days=31)
    prune(tx)
    assert body_of(tx, first) == b""
    copy = replace(arriving(1), owner_id=ada.id)
    assert received.add_all(tx, [copy]) == [True]
    (row,) = received.claim(tx, limit=1, lease=timedelta(minutes=1))
    assert received.Copies(tx, [row.uri]).first(tx, row) == first
    assert body_of(tx, first) == copy.body


def test_entries_in_inboxes_go_with_their_post_and_no_others(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    lost, kept = post(tx, bob), post(tx, bob)
    like(tx, ada, kept)
    inner = arriving("inner", "https://hill.example/users/cy", about=kept.uri)
    came(tx, inner)
    gone = {
        came(tx, arriving(number, about=lost.uri, kind=kind), ada)
        for number, kind in ((1, "Create"), (2, "Update"), (3, "Announce"), (4, "Like"))
    }
    stay = {
        came(tx, arriving(5, about=kept.uri), ada),
        came(tx, arriving(6, about=ada.uri, kind="Follow"), ada),
        came(tx, arriving(7, about=bob.uri, kind="Update"), ada),
        came(tx, arriving(8, about=inner.uri, kind="Announce"), ada),
        came(tx, arriving(9, about="urn:follow", kind="Accept"), ada),
    }
    later(tx, days=DAYS + 2)
    prune(tx)
    found = {one.received_id for one in arrivals.inbox(tx, ada.id, before=None, limit=40)}
    assert found == stay
    assert [body_of(tx, one) for one in gone] == [b""] * 4


# --- what we sent ------------------------------------------------------------------------------


def test_who_got_a_post_is_known_as_long_as_it_lives(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob", shared=False)
    cy = colleague(tx, "cy", "hill.example", shared=False)
    written = post(tx, ada)
    send(tx, ada, written, To(named=(bob.id, cy.id)))
    send(tx, ada, bob.uri, To(named=(bob.id,)), kind="Follow")
    end(tx, "done", bob.inbox)
    end(tx, "over", cy.inbox)
    later(tx, days=61)
    prune(tx)
    assert kept_deliveries(tx) == [("Create", bob.inbox)]
    update = send(tx, ada, written, To(reached_by=written.uri), kind="Update")
    end(tx, "done", bob.inbox)
    objects.bury(tx, written.id, {"type": "Tombstone"})
    tx.execute(tables.deliveries.delete().where(tables.deliveries.c.activity_id == update))
    later(tx, days=61)
    prune(tx)
    assert kept_deliveries(tx) == []


def test_what_still_waits_is_not_removed(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    send(tx, ada, bob.uri, To(named=(bob.id,)), kind="Follow")
    later(tx, days=200)
    prune(tx)
    assert deliveries.waiting(tx) == 1


def end(tx: Transaction, state: Any, inbox: str) -> None:
    table = tables.deliveries
    waiting = select(table.c.id).where(table.c.inbox == inbox, table.c.state == "waiting")
    deliveries.ended(tx, [Ending(id_, state) for id_ in tx.execute(waiting).scalars().all()])


def kept_deliveries(tx: Transaction) -> list[tuple[str, str]]:
    rows = tx.execute(
        select(tables.published.c.type, tables.deliveries.c.inbox).join_from(
            tables.deliveries, tables.published
        )
    )
    return [(row.type, row.inbox) for row in rows]


# --- people ------------------------------------------------------------------------------------


def test_people_whom_nobody_here_knows_any_more_are_forgotten(tx: Transaction) -> None:
    ada, first = person(tx, "ada"), colleague(tx, "first")
    signs = colleague(tx, "riverside.example", type="Application")
    bad, passed_on, gone = (colleague(tx, name) for name in ("bad", "pat", "gone"))
    follower, author, stranger = (colleague(tx, name) for name in ("fay", "bob", "eve"))
    lonely = colleague(tx, "lee", "hill.example")
    follow(tx, follower, ada)
    kept, lost = post(tx, author), post(tx, stranger)
    like(tx, ada, kept)
    objects.note_fetch(tx, post(tx, ada).id, passed_on.id)
    actors.bury(tx, gone.id)
    table = tables.actors
    tx.execute(table.update().where(table.c.id == bad.id).values(suspended_here=True))
    later(tx, days=DAYS + 1)
    again = colleague(tx, "ida")
    prune(tx)
    assert not here(tx, lost)
    stay = (first, signs, bad, passed_on, gone, follower, author, lonely, again, ada)
    assert [actors.by_uri(tx, one.uri) is not None for one in stay] == [True] * len(stay)
    assert actors.by_uri(tx, stranger.uri) is None


def test_whom_a_project_or_a_move_speaks_of_stays_known(tx: Transaction) -> None:
    ada = person(tx, "ada")
    colleague(tx, "first", "hill.example")
    colleague(tx, "first")
    bob, formerly, goes, asks, stranger = (
        colleague(tx, name) for name in ("bob", "formerly", "goes", "asks", "eve")
    )
    ours, theirs = project(tx, "garden", ada), project(tx, "kitchen", host="hill.example")
    memberships.begin(tx, ours.id, bob.id, "editor", "urn:add", formerly_id=formerly.id)
    memberships.ask(tx, ours.id, asks.id, "editor", "urn:join")
    memberships.end(tx, ours.id, asks.id)
    moves.begin(tx, ada.id, "in", goes.id, due_at=tx.now)
    addressed, written_in = (colleague(tx, name, "hill.example") for name in ("said", "sent"))
    post(tx, ada, project=addressed)
    activity(tx, ada, "urn:post", project=written_in)
    later(tx, days=DAYS + 1)
    prune(tx)
    stay = (bob, formerly, goes, asks, theirs, addressed, written_in)
    assert [actors.by_uri(tx, one.uri) is not None for one in stay] == [True] * len(stay)
    assert actors.by_uri(tx, stranger.uri) is None


def test_whoever_was_met_while_they_were_looked_at_stays(tx: Transaction) -> None:
    ada = person(tx, "ada")
    colleague(tx, "first")
    bob = colleague(tx, "bob")
    later(tx, days=DAYS + 1)
    found = pruning.look_at_people(tx, 0, line(tx)).found
    assert found == (bob.id,)
    follow(tx, ada, bob)
    assert pruning.remove_people(tx, found, line(tx)) == 0


# --- whatever a school did ---------------------------------------------------------------------

LOCAL = ("ada", "ben")
REMOTE = (
    ("bob", "riverside.example"),
    ("dee", "riverside.example"),
    ("eve", "hill.example"),
)
PEOPLE = len(LOCAL) + len(REMOTE)
SOMEBODY = st.integers(0, PEOPLE - 1)
EARLIER = st.none() | st.integers(0, 7)
DEED = st.one_of(
    st.tuples(
        st.just("post"),
        SOMEBODY,
        st.sampled_from(("public", "followers", "direct")),
        st.lists(SOMEBODY, max_size=1),
        EARLIER,
        EARLIER,
    ),
    st.tuples(
        st.sampled_from(("like", "announce", "delete", "fetch")), SOMEBODY, st.integers(0, 7)
    ),
    st.tuples(st.just("time"), st.sampled_from((1, 40, 150))),
)


class Story:
    """A school and its neighbours, and what they did, as the inbox and the outbox would do it."""

    def __init__(self, tx: Transaction, follows: list[tuple[int, int]]) -> None:
        self.tx = tx
        ours = [person(tx, name) for name in LOCAL]
        self.people = ours + [colleague(tx, *name, shared=False) for name in REMOTE]
        self.local = ours
        self.posts: list[Post] = []
        for follower, followee in follows:
            if follower != followee and min(follower, followee) < len(LOCAL):
                follow(tx, self.people[follower], self.people[followee])

    def do(self, deed: str, *how: Any) -> None:
        getattr(self, deed)(*how)

    def time(self, days: int) -> None:
        later(self.tx, days=days)

    def post(
        self, who: int, audience: str, named: list[int], answers: int | None, quotes: int | None
    ) -> None:
        author, to = self.people[who], [self.people[one] for one in named]
        written = post(self.tx, author, audience=audience, to=to, reply_to=self._earlier(answers))
        quoted = self._earlier(quotes)
        if quoted is not None:
            link(self.tx, written, quoted)
        self.posts.append(written)
        timelines.place(self.tx, written.id, author.id)
        readers = [one for one in to if one.local]
        if author.local:
            outside = tuple(one.id for one in self.people if not one.local)
            send(self.tx, author, written, To(followers_of=author.id, named=outside[:1]))
        else:
            came(self.tx, arriving(written.id, author.uri, about=written.uri), *readers)
        for reader in readers:
            self._tell(reader, "mention", author, written)

    def like(self, who: int, which: int) -> None:
        it, actor = self._earlier(which), self.people[who]
        if it is not None:
            uri = f"{actor.uri}/likes/{it.id}"
            likes.add(self.tx, uri=uri, actor_id=actor.id, object_id=it.id)
            self._tell(self._author(it), "like", actor, it)

    def announce(self, who: int, which: int) -> None:
        it, actor = self._earlier(which), self.people[who]
        if it is not None and it.audience == "public":
            uri = f"{actor.uri}/announces/{it.id}"
            announces.add(self.tx, uri=uri, actor_id=actor.id, object_id=it.id, audience="public")
            timelines.place(self.tx, it.id, it.author_id, announced_by=actor.id)

    def delete(self, who: int, which: int) -> None:
        it = self._earlier(which)
        if it is not None and it.author_id == self.people[who].id:
            objects.bury(self.tx, it.id, {"type": "Tombstone", "id": it.uri})

    def fetch(self, who: int, which: int) -> None:
        it, actor = self._earlier(which), self.people[who]
        if it is not None and self._author(it).local and not actor.local:
            objects.note_fetch(self.tx, it.id, actor.id)

    def _author(self, it: Post) -> Actor:
        return next(one for one in self.people if one.id == it.author_id)

    def _earlier(self, which: int | None) -> Post | None:
        """One of the posts so far that are still there."""
        if which is None or which >= len(self.posts):
            return None
        found = objects.by_uri(self.tx, self.posts[which].uri)
        return None if found is None or found.deleted_at else found

    def _tell(self, owner: Actor, kind: Any, actor: Actor, it: Post) -> None:
        if owner.local and owner.id != actor.id:
            notifications.add(
                self.tx, owner_id=owner.id, kind=kind, actor_id=actor.id, object_id=it.id
            )

    # --- what there is to see ------------------------------------------------------------------

    def reach(self, reader: Actor) -> dict[str, Post]:
        """All that a reader comes upon who begins with what is theirs or new, and clicks on."""
        tx, viewer = self.tx, Viewer(reader.id, local=True)
        first: list[Post | None] = [
            *objects.by_author(tx, viewer, reader.id, before=None, limit=80),
            *(one for _, one in likes.by_actor(tx, viewer, reader.id, before=None, limit=80)),
            *(one.post for one in notifications.recent(tx, reader.id, before=None, limit=80)),
            *(
                row.post
                for row in timelines.home(tx, reader.id, before=None, limit=80)
                if row.position > line(tx)
            ),
            *(
                objects.seen_by_uri(tx, viewer, one.uri)
                for one in self.posts
                if reader.id in {named.id for named in objects.recipients_of(tx, one.id)}
                or announces.get(tx, reader.id, one.id)
            ),
        ]
        found: dict[str, Post] = {}
        wave = [one for one in first if one is not None and one.deleted_at is None]
        while wave:
            one = wave.pop()
            if one.uri in found:
                continue
            found[one.uri] = one
            around = threads.around(tx, viewer, one.id)
            wave += [*around.ancestors, *(below for _, below in around.replies)]
            quoted = objects.seen_by_uri(tx, viewer, one.quotes) if one.quotes else None
            wave += [quoted] if quoted is not None and quoted.deleted_at is None else []
        return found

    def inbox(self, reader: Actor, reach: dict[str, Post]) -> list[int]:
        """The entries in a reader's inbox about posts that they come upon."""
        found = arrivals.inbox(self.tx, reader.id, before=None, limit=80)
        return [one.received_id for one in found if one.post and one.post.uri in reach]

    def told_of_a_delete(self) -> dict[str, list[str]]:
        """Who would get the Delete of each post of ours that lives."""
        found: dict[str, list[str]] = {}
        for author in self.local:
            for one in objects.by_author(
                self.tx, Viewer(author.id, True), author.id, before=None, limit=80
            ):
                with tried(self.tx):
                    id_ = send(self.tx, author, one, To(reached_by=one.uri), kind="Delete")
                    table = tables.deliveries
                    inboxes = select(table.c.inbox).where(table.c.activity_id == id_)
                    found[one.uri] = sorted(self.tx.execute(inboxes).scalars())
        return found

    def everything(self) -> Any:
        reach = {reader.username: self.reach(reader) for reader in self.local}
        inboxes = {
            reader.username: self.inbox(reader, reach[reader.username]) for reader in self.local
        }
        return reach, inboxes, self.told_of_a_delete()


@contextmanager
def tried(tx: Transaction) -> Iterator[None]:
    """What is done inside is undone afterwards."""
    attempt = tx.connection.begin_nested()
    try:
        yield
    finally:
        attempt.rollback()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(
    follows=st.lists(st.tuples(SOMEBODY, SOMEBODY), max_size=5),
    deeds=st.lists(DEED, min_size=3, max_size=14),
    wait=st.sampled_from((0, 100, 200)),
)
def test_whatever_a_school_did_nobody_misses_anything_after_pruning(
    tx: Transaction, follows: list[tuple[int, int]], deeds: list[tuple[Any, ...]], wait: int
) -> None:
    with tried(tx):
        story = Story(Transaction(tx.connection, MORNING, OAKFIELD, Ids(tag=1)), follows)
        for deed in deeds:
            story.do(*deed)
        story.time(wait)
        before = story.everything()
        prune(story.tx)
        assert story.everything() == before
        assert prune(story.tx) == 0


def test_what_waited_too_long_is_given_up_a_slice_at_a_time(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    for _ in range(3):
        send(tx, ada, post(tx, ada), To(named=(bob.id,)))
    later(tx, days=61)
    sixty_days_ago = tx.now - timedelta(days=60)
    assert [deliveries.expire(tx, sixty_days_ago, limit=2) for _ in range(3)] == [2, 1, 0]
    assert deliveries.waiting(tx) == 0
