"""How it stands between us and each other server, in words an administrator acts on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from outbox import schedule
from storage.peers import Peer, PeerLine

COLUMNS = ("host", "policy", "lane", "last heard", "last success")


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the list."""

    host: str
    policy: str  # allowed, unlisted, blocked, or blocked by a host above it
    state: str  # of the lane: idle|waiting|failing|dead|paused|shut
    lane: str  # the same in words, with since when and why
    waiting: int
    oldest: datetime | None
    heard_at: datetime | None
    succeeded_at: datetime | None

    @property
    def words(self) -> tuple[str, ...]:
        """What stands in each of the columns."""
        heard, success = (moment(when) for when in (self.heard_at, self.succeeded_at))
        return (self.host, self.policy, self.lane, heard, success)

    @property
    def document(self) -> dict[str, object]:
        """The same for programs; times as RFC 3339."""
        return {
            "host": self.host,
            "policy": self.policy,
            "state": self.state,
            "lane": self.lane,
            "waiting": self.waiting,
            "oldest": _written(self.oldest),
            "last_heard": _written(self.heard_at),
            "last_success": _written(self.succeeded_at),
        }


def standings(lines: Iterable[PeerLine]) -> list[Standing]:
    """A line for each server that we know."""
    found = []
    for line in lines:
        state, lane = _lane(line)
        peer = line.peer
        found.append(
            Standing(
                host=peer.host,
                policy=_policy(line),
                state=state,
                lane=lane,
                waiting=line.waiting,
                oldest=line.oldest,
                heard_at=peer.heard_at,
                succeeded_at=peer.succeeded_at,
            )
        )
    return found


def _policy(line: PeerLine) -> str:
    if line.blocked_by is None or line.blocked_by == line.peer.host:
        return line.peer.policy
    return f"blocked by {line.blocked_by}"


def _lane(line: PeerLine) -> tuple[str, str]:
    """The state of a lane in one word, and in as many as it takes."""
    peer = line.peer
    if line.blocked_by is not None:
        return "shut", _with_waiting(line, "shut: nothing is sent to who is blocked")
    if peer.paused is not None:
        since = f" since {moment(peer.failed_at)}" if peer.failed_at else ""
        return "paused", _with_waiting(line, f"paused{since}: {plain(peer.paused)}")
    if peer.failing_days >= schedule.AWAY_AFTER_DAYS:
        return "dead", _with_waiting(
            line, f"dead since {moment(peer.failing_since)}, one probe a day{_why(peer)}"
        )
    if peer.failing_since is not None:
        again = f", next try {moment(peer.due_at)}" if peer.due_at else ""
        return "failing", _with_waiting(
            line, f"failing since {moment(peer.failing_since)}{again}{_why(peer)}"
        )
    if line.waiting:
        return "waiting", f"{line.waiting} waiting since {moment(line.oldest)}"
    return "idle", "idle"


def _with_waiting(line: PeerLine, words: str) -> str:
    if not line.waiting:
        return words
    return f"{words}; {line.waiting} waiting since {moment(line.oldest)}"


def _why(peer: Peer) -> str:
    return f" ({plain(peer.last_error)})" if peer.last_error else ""


def moment(when: datetime | None) -> str:
    """A moment for people, or "never"."""
    return "never" if when is None else when.strftime("%Y-%m-%d %H:%M:%SZ")


def _written(when: datetime | None) -> str | None:
    return None if when is None else when.strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(text: str) -> str:
    """What another server said, without its control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]
