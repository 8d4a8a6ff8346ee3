"""What somebody wrote on another server: read, and a copy of it kept.

Whatever shape it has, it becomes text that we may show: limits applied, HTML cleaned, addresses
checked. The document stays beside it as it came, without bto and bcc.
https://www.w3.org/TR/activitystreams-vocabulary/#object-types
"""

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from actors import local, remote
from actors.server import Server
from federation import addresses, content, vocabulary
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from federation.vocabulary import Addressing
from storage import actors, follows, objects
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

# SECURITY table 0.1.
CONTENT_LIMIT = content.LONGEST_TEXT
NAME_LIMIT = 200
SUMMARY_LIMIT = 2_000
OPTIONS = 20
OPTION_LIMIT = 200

# Shown as the text they are. Everything else is shown as title, summary and link.
TEXTS = frozenset({"Note", "Article", "Page", "Question"})

NEVER_POSTS = remote.ACTOR_TYPES | {
    "Tombstone", "Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage",
    "Accept", "Add", "Announce", "Block", "Create", "Delete", "Dislike", "Flag", "Follow",
    "Invite", "Join", "Leave", "Like", "Move", "Offer", "Reject", "Remove", "Undo", "Update",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What we take from a document."""

    uri: str
    type: str
    name: str | None
    summary: str | None
    content: str
    url: str
    in_reply_to: str | None
    published_at: datetime
    edited_at: datetime | None


def read(document: dict[str, Any], rules: Rules, now: datetime) -> Reading:
    """Read a post; raises Malformed for what is no post or has no usable id."""
    kinds = vocabulary.types_of(document)
    if not kinds or not NEVER_POSTS.isdisjoint(kinds):
        raise Malformed(f"{' and '.join(kinds) or 'something without a type'} is not a post")
    kind = next((kind for kind in kinds if kind in TEXTS), kinds[0])
    uri = vocabulary.uri_of(document, rules)
    url = _web(vocabulary.web_url(document.get("url")), rules) or uri
    name = content.one_line(
        vocabulary.text_of(document.get("name"), document.get("nameMap")), NAME_LIMIT
    )
    summary = content.one_line(
        content.plain(vocabulary.text_of(document.get("summary"), document.get("summaryMap"))),
        SUMMARY_LIMIT,
    )
    updated = document.get("updated")
    return Reading(
        uri=uri,
        type=kind,
        name=name or None,
        summary=summary or None,
        content=_text(document, name) if kind in TEXTS else _card(name, summary, url),
        url=url,
        in_reply_to=_web(vocabulary.id_of(document.get("inReplyTo")), rules),
        published_at=vocabulary.timestamp(document.get("published"), now),
        edited_at=None if updated is None else vocabulary.timestamp(updated, now),
    )


def _text(document: dict[str, Any], name: str) -> str:
    """The text of a post, else its name; below it, the choices of a poll."""
    written = vocabulary.text_of(document.get("content"), document.get("contentMap"))
    shown = _cut(written) if written else content.paragraphs(name)
    options = vocabulary.many(document.get("oneOf")) or vocabulary.many(document.get("anyOf"))
    lines = [
        content.one_line(
            vocabulary.text_of(option.get("name"), option.get("nameMap")), OPTION_LIMIT
        )
        for option in options[:OPTIONS]
        if isinstance(option, dict)
    ]
    if lines:
        shown += "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines if line) + "</ul>"
    return shown


def _cut(written: str) -> str:
    """Clean HTML. Of a text beyond the limit its beginning; the rest stays in the document."""
    if len(written) > CONTENT_LIMIT:
        words = content.plain(written)
        if len(words) >= CONTENT_LIMIT:
            return content.paragraphs(words[: CONTENT_LIMIT - 1] + "…")
    return content.clean(written)


def _card(name: str, summary: str, url: str) -> str:
    """Title, summary and link of what we cannot show itself."""
    link = f'<a href="{escape(url)}">{escape(name or url)}</a>'
    return content.clean(f"<p>{link}</p>" + (f"<p>{escape(summary)}</p>" if summary else ""))


def _web(found: str | None, rules: Rules) -> str | None:
    """An address in our spelling, or None if it is none that we would ever follow."""
    if found is None:
        return None
    try:
        return addresses.canonical(found, rules)
    except Malformed:
        return None


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
) -> Post:
    """Keep a post with its audience and those of us whom it names; again: recipients join.

    `addressed` is what its author said, `owner_id` whose personal inbox it came to. Raises
    Malformed, and Refused for the id of another's post or of one that was deleted before.
    """
    reading = read(document, rules, tx.now)
    kind = local.audience_of(tx, author, addressed)
    named = local.our_people(tx, (*addressed.to, *addressed.cc), rules)
    hidden = local.our_people(tx, addressed.hidden, rules)
    recipients = {person.id: True for person in hidden}
    if owner_id and told_in_secret(tx, kind, author, owner_id):
        recipients[owner_id] = True
    recipients |= {person.id: False for person in named}
    try:
        post, new = objects.add(
            tx,
            uri=reading.uri,
            author_id=author.id,
            type=reading.type,
            audience=kind,
            name=reading.name,
            summary=reading.summary,
            content=reading.content,
            url=reading.url,
            in_reply_to=reading.in_reply_to,
            document=vocabulary.without_hidden(document),
            published_at=reading.published_at,
            recipients=recipients.items(),
        )
    except objects.Clash as clash:
        raise Refused(str(clash)) from clash
    if new and reading.edited_at is not None:
        edit(tx, post, reading, document)
    return post


def edit(tx: Transaction, post: Post, reading: Reading, document: dict[str, Any]) -> bool:
    """Put what was read in the place of what is kept. False if we have something newer."""
    return objects.edit(
        tx,
        post.id,
        type=reading.type,
        name=reading.name,
        summary=reading.summary,
        content=reading.content,
        url=reading.url,
        document=vocabulary.without_hidden(document),
        edited_at=reading.edited_at or tx.now,
    )


def told_in_secret(tx: Transaction, kind: str, author: Actor, owner_id: int) -> bool:
    """Whether only the address on the envelope lets the owner of this inbox read it (bcc).

    A follower reads a followers-only post as a follower, and no longer when that ends.
    """
    if kind == "followers":
        follow = follows.get(tx, owner_id, author.id)
        return follow is None or follow.state != "accepted"
    return kind == "direct"
