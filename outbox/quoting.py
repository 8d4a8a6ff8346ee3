"""One of our people quotes a post: which may be quoted, and how others learn of it.

There are four ways to say it, and each program knows one: `quote` (FEP-044f), `quoteUrl`, a Link
among the tags (FEP-e232), and for everyone else a last line with the address.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from federation import content
from federation.errors import Refused
from federation.vocabulary import PUBLIC, ids_of, many, quoted, type_of
from outbox import posts
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

_OPEN = ("public", "unlisted")
_LINK = {
    "type": "Link",
    "mediaType": 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
    "rel": "https://misskey-hub.net/ns#_misskey_quote",
}


def seen(tx: Transaction, actor: Actor, given: Mapping[str, Any]) -> Post | None:
    """The post that `given` quotes, if it quotes one.

    Raises Malformed for one that is not there or not for our actor, Refused for one that was not
    written for everybody, or whose author does not want to be quoted.
    """
    uri = quoted(dict(given))
    if uri is None:
        return None
    post, author = posts.seen(tx, actor, uri, "quote")
    if post.audience not in _OPEN:
        raise Refused(f"{post.uri} cannot be quoted: it was not written for everybody")
    if author.id != actor.id and not _allowed(post):
        raise Refused(f"{post.uri} cannot be quoted: its author does not want that")
    return post


def _allowed(post: Post) -> bool:
    """Whether its author lets everybody quote it (GoToSocial, Mastodon). Most say nothing."""
    policy = json.loads(post.document).get("interactionPolicy")
    rule = policy.get("canQuote") if isinstance(policy, dict) else None
    if not isinstance(rule, dict):
        return True
    return PUBLIC in ids_of(rule.get("automaticApproval")) + ids_of(rule.get("always"))


def said(document: Mapping[str, Any], post: Post) -> dict[str, Any]:
    """`document` with the four ways of saying that it quotes `post`; said already, nothing is
    said twice."""
    line = _line(post.url)
    tags = [tag for tag in many(document.get("tag")) if type_of(tag) != "Link"]
    return {
        **document,
        "content": document.get("content", "").removesuffix(line) + line,
        "quote": post.uri,
        "quoteUrl": post.uri,
        "tag": [*tags, {**_LINK, "href": post.uri, "name": f"RE: {post.url}"}],
    }


def _line(url: str) -> str:
    link = f'<a href="{escape(url)}">{escape(url)}</a>'
    return content.clean(f'<p class="quote-inline">RE: {link}</p>')


def without_line(text: str, post: Post) -> str:
    """The words alone, as we show them above the post that they quote."""
    return text.removesuffix(_line(post.url))
