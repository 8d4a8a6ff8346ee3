"""Our people ask and answer: polls of ours, their figures for everybody, votes in polls of others.

A vote is a Note with the name of the choice and nothing else, sent to whoever asked; it is no post
and nobody else sees it. What is known of the figures goes out a few minutes after a vote, many
votes in one Update, and once more when the poll ends.
https://www.w3.org/TR/activitystreams-vocabulary/#questions
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actors.server import Server
from federation.errors import Malformed, Refused, WireError
from federation.vocabulary import embedded, many, moment, rfc3339
from outbox import posts, wording
from outbox.publish import publish
from storage import actors, notifications, objects, polls
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

log = logging.getLogger("outbox.polls")

FEWEST_OPTIONS = 2
MOST_OPTIONS = 20
OPTION_LIMIT = 200  # characters
SHORTEST = timedelta(minutes=5)
LONGEST = timedelta(days=365)
USUAL = timedelta(days=7)

# Polls that are looked after in one transaction: nobody else writes meanwhile.
TOGETHER = 8


@dataclass(frozen=True)
class Draft:
    """A poll as one of our people asks it."""

    several: bool
    options: tuple[str, ...]
    ends_at: datetime


# --- asking ------------------------------------------------------------------------------------


def drafted(given: Mapping[str, Any], now: datetime) -> Draft:
    """The poll in a Question that one of ours posts. Raises Malformed, saying what is wrong."""
    one_of, any_of = many(given.get("oneOf")), many(given.get("anyOf"))
    if one_of and any_of:
        raise Malformed("a poll has either oneOf or anyOf")
    written = one_of or any_of
    if not FEWEST_OPTIONS <= len(written) <= MOST_OPTIONS:
        raise Malformed(f"a poll has {FEWEST_OPTIONS} to {MOST_OPTIONS} choices")
    options = tuple(_option(option) for option in written)
    if len({option.casefold() for option in options}) < len(options):
        raise Malformed("the choices of a poll must differ")
    return Draft(bool(any_of), options, _end(given, now))


def _option(given: object) -> str:
    name = given.get("name") if isinstance(given, dict) else given
    option = wording.line(name, "the name of a choice", OPTION_LIMIT)
    if not option:
        raise Malformed("a choice of a poll needs a name")
    return option


def _end(given: Mapping[str, Any], now: datetime) -> datetime:
    said = given.get("endTime", given.get("closed"))
    if said is None:
        return now + USUAL
    ends_at = moment(said)
    if ends_at is None:
        raise Malformed("endTime must be a date and time, as in 2026-09-30T16:00:00Z")
    if not now + SHORTEST <= ends_at <= now + LONGEST:
        raise Malformed("a poll must end between five minutes and a year from now")
    return ends_at


def document_of(draft: Draft) -> dict[str, Any]:
    """The members that make a document a Question, before anybody has voted."""
    options = [_shown(name, 0) for name in draft.options]
    return {
        "anyOf" if draft.several else "oneOf": options,
        "endTime": rfc3339(draft.ends_at),
        "votersCount": 0,
    }


def keep(tx: Transaction, object_id: int, draft: Draft) -> None:
    """Keep the poll of a post that was written just now."""
    polls.keep(
        tx,
        object_id,
        several=draft.several,
        ends_at=draft.ends_at,
        voters=0,
        options=[(name, 0) for name in draft.options],
    )


def _shown(name: str, votes: int) -> dict[str, Any]:
    return {
        "type": "Note",
        "name": name,
        "replies": {"type": "Collection", "totalItems": votes},
    }


# --- voting ------------------------------------------------------------------------------------


def vote(tx: Transaction, actor: Actor, question: Post, names: list[str]) -> str:
    """Vote for the choices with these names; the id of the (last) activity.

    Raises Malformed for a poll that is not there or not for our actor, and for what is no choice
    of it; Refused for a second vote, and when the poll is over.
    """
    question, author = posts.seen(tx, actor, question.uri, "vote in")
    poll = polls.of_post(tx, actor.id, question.id)
    if poll is None:
        raise Malformed(f"{question.uri} is not a poll")
    if author.id == actor.id:
        raise Refused("whoever asks does not vote")
    if poll.over(tx.now):
        raise Refused("this poll has ended")
    if poll.chosen and not poll.several:
        raise Refused("you have voted already")
    positions = {option.name: option.position for option in reversed(poll.options)}
    chosen = list(dict.fromkeys(names))
    if not chosen:
        raise Malformed("a vote needs a choice")
    if len(chosen) > 1 and not poll.several:
        raise Malformed("only one choice can be taken in this poll")
    for name in chosen:
        if name not in positions:
            raise Malformed(f"{name!r} is not a choice of this poll")
    return [_cast(tx, actor, question, author, name, positions[name]) for name in chosen][-1]


def _cast(
    tx: Transaction, actor: Actor, question: Post, author: Actor, name: str, position: int
) -> str:
    uri = f"{actor.uri}#votes/{tx.new_id()}"
    if not polls.vote(tx, question.id, actor.id, position, uri):
        raise Refused("you have voted already")
    return publish(
        tx,
        actor,
        {
            "type": "Create",
            "object": {
                "id": uri,
                "type": "Note",
                "name": name,
                "attributedTo": actor.uri,
                "inReplyTo": question.uri,
                "to": [author.uri],
                "published": rfc3339(tx.now),
            },
        },
        to=author.uri,
    )


# --- telling the figures -----------------------------------------------------------------------


async def step(server: Server) -> int:
    """Send out the figures that changed, and tell who voted that a poll has ended.

    Answers how many polls that were: 0 if there is nothing to do.
    """
    if not await server.database.read(polls.any_due):
        return 0
    return await server.database.write(tell)


def tell(tx: Transaction) -> int:
    """The same for a few of them, in one transaction."""
    due = polls.due(tx, TOGETHER)
    over = [one.object_id for one in due if one.over]
    polls.told(tx, [one.object_id for one in due if not one.over])
    polls.close(tx, over)
    for one in due:
        _tell(tx, one.object_id, over=one.over)
    return len(due)


def _tell(tx: Transaction, object_id: int, *, over: bool) -> None:
    question = objects.by_id(tx, object_id)
    author = None if question is None else actors.by_id(tx, question.author_id)
    if question is None or author is None or author.state != "active":
        return
    if over:
        # The author too: they asked because they want to know.
        owners = dict.fromkeys(
            [*([author.id] if author.local else []), *polls.local_voters(tx, object_id)]
        )
        for owner_id in owners:
            notifications.add(
                tx, owner_id=owner_id, kind="poll", actor_id=author.id, object_id=object_id
            )
    if author.local:
        _send_figures(tx, author, question)


def _send_figures(tx: Transaction, author: Actor, question: Post) -> None:
    """An Update that leaves `updated` alone: new figures are no edit of the question."""
    poll = polls.of_post(tx, None, question.id)
    assert poll is not None
    document: dict[str, Any] = json.loads(question.document)
    document["anyOf" if poll.several else "oneOf"] = [
        _shown(option.name, option.votes) for option in poll.options
    ]
    document["votersCount"] = poll.voters
    if poll.ended_at is not None:
        document["closed"] = rfc3339(poll.ended_at)
    objects.refresh(tx, question.id, document)
    update = {
        "type": "Update",
        **posts.addresses(tx, question.id, document),
        "object": embedded(document),
    }
    try:
        publish(tx, author, update, reached_by=question.uri)
    except WireError as error:  # they left the project that they asked it in
        log.info("figures of a poll go to nobody: %s", error)
