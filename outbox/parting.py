"""Somebody follows no more, said in the words that every server knows: Undo, or Reject.

Not every server knows Block, Move or a suspension, and whoever is not told goes on delivering.
"""

from outbox import requests
from outbox.publish import publish
from storage.actors import Actor
from storage.database import Transaction


def unfollow(tx: Transaction, follower: Actor, followee: Actor, uri: str) -> None:
    """`follower`, one of ours, takes the Follow `uri` back."""
    follow = requests.named(uri, follower, followee)
    publish(tx, follower, {"type": "Undo", "object": follow}, to=followee.uri)


def turn_away(tx: Transaction, followee: Actor, follower: Actor, uri: str) -> None:
    """`followee`, one of ours, has `follower` follow them no more; the Follow was `uri`."""
    follow = requests.named(uri, follower, followee)
    publish(tx, followee, {"type": "Reject", "object": follow}, to=follower.uri)
