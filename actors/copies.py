"""What somebody wrote on another server: a copy of it is kept.

What we take from it is read by `actors/reading.py`; the document stays beside it as it came,
without bto and bcc.
"""

from datetime import timedelta
from typing import Any

from actors import audiences, local, reading, remote
from actors.audiences import Intended
from actors.reading import Reading
from actors.server import Server
from federation import addresses, vocabulary
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from federation.vocabulary import Addressing
from storage import actors, follows, hashtags, objects, polls
from storage.actors import Actor
from storage.audience import OPEN
from storage.database import Transaction
from storage.objects import Post

# Times in documents are whole seconds: within one nothing was changed, and nothing is older.
AT_ONCE = timedelta(seconds=1)

PAST_THE_HOST = "what is said in a project comes from the project itself"

# --- having it from its own server ---------------------------------------------------------------


async def fetch(server: Server, uri: str) -> Post:
    """The post with that id as its own server serves it to us, kept, and its author with it.

    Raises Refused (our own host, a host we do not talk to, another's or a deleted post),
    Malformed, Unreachable, Gone.
    """
    document = await remote.fetch(server, uri)
    await remote.actor(server, author_uri(document, server.rules))
    return await server.database.write(keep_fetched, document, server.rules)


def author_uri(document: dict[str, Any], rules: Rules) -> str:
    """Who wrote a document that was served by its own id: someone on the same server."""
    uri = vocabulary.uri_of(document, rules)
    for named in vocabulary.ids_of(document.get("attributedTo")):
        try:
            if addresses.same_origin(named, uri, rules):
                return named
        except Malformed:
            continue
    raise Malformed(f"{uri} names no author on its own server")


# --- keeping it ----------------------------------------------------------------------------------


def keep_fetched(tx: Transaction, document: dict[str, Any], rules: Rules) -> Post:
    """Keep a post that was had from its own server: it counts as what its own author wrote.

    Raises Refused if its author is not known here or suspended, and what `keep` raises.
    """
    author = actors.by_uri(tx, author_uri(document, rules))
    if author is None or author.local or author.state != "active":
        raise Refused("its author is unknown or suspended here")
    return keep(tx, document, author, vocabulary.addressing(document), rules=rules)


def keep(
    tx: Transaction,
    document: dict[str, Any],
    author: Actor,
    addressed: Addressing,
    *,
    rules: Rules,
    owner_id: int = 0,
    checked: Intended | None = None,
) -> Post:
    """Keep a post with its audience and those of us whom it names; again: recipients join.

    `addressed` is what its author said, `owner_id` whose personal inbox it came to, `checked` who
    it is for where it came the right way for the project that it may be written in. Raises
    Malformed, and Refused for the id of another's post or of one that was deleted before, for what
    a project alone can bring, and for a vote: that is no post, whatever brings it.
    """
    found = reading.read(document, rules, tx.now)
    if is_vote(tx, document, rules):
        raise Refused("a vote is no post")
    meant = checked or _past_projects(tx, author, addressed)
    kind, project = meant.kind, meant.project
    named = local.our_people(tx, (*addressed.to, *addressed.cc), rules)
    hidden = local.our_people(tx, addressed.hidden, rules)
    recipients = {person.id: True for person in hidden}
    if owner_id and told_in_secret(tx, kind, author, owner_id):
        recipients[owner_id] = True
    recipients |= {person.id: False for person in named}
    try:
        post, new = objects.add(
            tx,
            uri=found.uri,
            author_id=author.id,
            type=found.type,
            audience=kind,
            name=found.name,
            summary=found.summary,
            content=found.content,
            url=found.url,
            in_reply_to=found.in_reply_to,
            quotes=found.quotes,
            document=vocabulary.without_hidden(document),
            published_at=found.published_at,
            recipients=recipients.items(),
            project_id=None if project is None else project.id,
        )
    except objects.Clash as clash:
        raise Refused(str(clash)) from clash
    if project is not None and not new and {kind, post.audience} <= {*OPEN}:
        objects.into_project(tx, post.id, project.id)
    if new:
        if found.hashtags or found.poll:
            _file(tx, post, found)
        if found.edited_at is not None and found.edited_at > found.published_at + AT_ONCE:
            _replace(tx, post, found, document)
    return post


def _past_projects(tx: Transaction, author: Actor, addressed: Addressing) -> Intended:
    """Who that is for which no project brings: in none it is, and not for the members of one."""
    kind = audiences.of(tx, author, addressed).kind
    if kind == "project":
        raise Refused(PAST_THE_HOST)
    return Intended(kind)


def is_vote(tx: Transaction, document: dict[str, Any], rules: Rules) -> bool:
    """Whether a document is a vote in a poll that we know, and so no post: who chose what is
    between the voter and whoever counts."""
    if not reading.is_vote(document):
        return False
    try:
        asked = objects.by_uri(tx, vocabulary.uri_of(document.get("inReplyTo"), rules))
    except Malformed:
        return False
    return asked is not None and asked.type == "Question"


def edit(tx: Transaction, post: Post, found: Reading, document: dict[str, Any]) -> bool:
    """Put what was read in the place of what is kept. False if there is nothing new to tell:
    we have something newer, or only the figures of a poll changed."""
    if _only_figures(tx, post, found):
        last = post.edited_at or post.published_at
        if found.edited_at is None or found.edited_at + AT_ONCE > last:
            objects.refresh(tx, post.id, vocabulary.without_hidden(document))
            _file(tx, post, found)
        return False
    if not _replace(tx, post, found, document):
        return False
    _file(tx, post, found)
    return True


def _replace(tx: Transaction, post: Post, found: Reading, document: dict[str, Any]) -> bool:
    return objects.edit(
        tx,
        post.id,
        type=found.type,
        name=found.name,
        summary=found.summary,
        content=found.content,
        url=found.url,
        quotes=found.quotes,
        document=vocabulary.without_hidden(document),
        edited_at=found.edited_at or tx.now,
    )


def _only_figures(tx: Transaction, post: Post, found: Reading) -> bool:
    """Whether a poll still asks the same: its figures are told without an edit."""
    kept = None if found.poll is None else polls.of_post(tx, None, post.id)
    if kept is None or found.poll is None:
        return False
    words = (post.type, post.name, post.summary, post.content, post.quotes)
    names = [option.name for option in kept.options]
    return (
        words == (found.type, found.name, found.summary, found.content, found.quotes)
        and names == [name for name, _ in found.poll.options]
        and kept.several == found.poll.several
    )


def _file(tx: Transaction, post: Post, found: Reading) -> None:
    """Keep what stands beside the words: hashtags, and the poll."""
    hashtags.file(tx, post.id, found.hashtags)
    if found.poll is None:
        return
    polls.keep(
        tx,
        post.id,
        several=found.poll.several,
        ends_at=found.poll.ends_at,
        ended_at=found.poll.ended_at,
        voters=found.poll.voters,
        options=found.poll.options,
    )


def told_in_secret(tx: Transaction, kind: str, author: Actor, owner_id: int) -> bool:
    """Whether only the address on the envelope lets the owner of this inbox read it (bcc).

    A follower reads a followers-only post as a follower, and no longer when that ends.
    """
    if kind == "followers":
        follow = follows.get(tx, owner_id, author.id)
        return follow is None or follow.state != "accepted"
    return kind == "direct"
