"""What other servers say when they are asked, and how we take it.

https://www.rfc-editor.org/rfc/rfc9110#name-status-codes
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from multidict import CIMultiDictProxy

from federation import addresses
from federation.addresses import Rules
from federation.errors import Gone, Malformed, Refused, Unreachable
from federation.vocabulary import MEDIA_TYPE

_LATER: Final = frozenset({408, 429})
_PROFILE: Final = "https://www.w3.org/ns/activitystreams"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. `url` is where it was said in the end; `retry_after` counts seconds."""

    status: int
    url: str
    headers: CIMultiDictProxy[str]
    body: bytes
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it was a yes (2xx)."""
        return 200 <= self.status < 300


def check_found(uri: str, answer: Answer, rules: Rules) -> None:
    """Raise unless the answer is a plain yes: Gone, Refused, Unreachable or Malformed."""
    status = answer.status
    if status == 200:
        return
    if status in (404, 410):
        raise Gone(uri, status)
    if status in (401, 403):
        raise Refused(f"{uri} is not shown to us ({status})")
    if status in _LATER or status >= 500:
        reason = f"answered {status}"
        raise Unreachable(addresses.authority(uri, rules), reason, answer.retry_after)
    raise Malformed(f"{uri} answered {status}")


def speaks_activitypub(content_types: list[str]) -> bool:
    """Whether something is served as an ActivityPub document: the type is part of its identity.

    An uploaded file can look like one, but no honest server serves uploads with this type.
    """
    if len(content_types) != 1:
        return False
    media_type, *parameters = (part.strip() for part in content_types[0].split(";"))
    if media_type.lower() == MEDIA_TYPE:
        return True
    if media_type.lower() != "application/ld+json":
        return False
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "profile" and _PROFILE in value.strip().strip('"').split():
            return True
    return False


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a server asks us to wait: a number of them, or a date."""
    if value is None:
        return None
    if value.isdecimal() and len(value) <= 9:
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
