"""Someone votes in a poll of ours.

A vote is a Note with the name of the choice and no words, in answer to the question. It counts
once and is forgotten: it is no post, nobody is told, and only its figure is shown.
https://www.w3.org/TR/activitystreams-vocabulary/#questions
"""

from typing import Any

from actors import reading
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import posts
from storage import actors, polls
from storage.actors import Actor
from storage.database import Transaction


def count(tx: Transaction, activity: Activity, voter: Actor, first: dict[str, Any]) -> None:
    """Count the vote `first`, and those that stand beside it: some send one activity for all.

    Raises Refused for a poll that is not ours or not for the voter, for what is no choice of it,
    for a second vote, and after the end.
    """
    _count(tx, activity, voter, first)
    for vote in vocabulary.many(activity.object)[1 : reading.OPTIONS]:
        if isinstance(vote, dict) and reading.is_vote(vote):
            if not posts.at_home(vote, activity):
                raise Refused("nobody votes in another's name")
            posts.check_author(vote, voter.uri)
            _count(tx, activity, voter, vote)


def _count(tx: Transaction, activity: Activity, voter: Actor, vote: dict[str, Any]) -> None:
    question = posts.seen(tx, vocabulary.uri_of(vote.get("inReplyTo"), activity.rules), voter)
    author = actors.by_id(tx, question.author_id)
    poll = polls.of_post(tx, voter.id, question.id)
    if author is None or not author.local or poll is None:
        raise Refused("a vote in a poll that is not ours")
    if author.id == voter.id:
        raise Refused("whoever asks does not vote")
    name = reading.choice(vote)
    taken = next((option.position for option in poll.options if option.name == name), None)
    if taken is None:
        raise Refused("a vote for what is no choice")
    if voter.local and taken in poll.chosen:
        return  # counted when it was cast
    if poll.over(tx.now):
        raise Refused("a vote in a poll that has ended")
    if not polls.vote(tx, question.id, voter.id, taken, vocabulary.id_of(vote)):
        raise Refused("a second vote")
