"""What can go wrong between two schools, named by whose fault it was.

A check raises one of these; it never answers with a yes or no that somebody forgets to read.
Which status code a stranger sees is decided at the edge, in one table, not here.
"""


class WireError(Exception):
    """Something that came over the wire, or was asked over the wire, cannot be used."""


class Malformed(WireError):
    """What was sent cannot be read: the sender's mistake (400)."""


class BadSignature(WireError):
    """It is not proven who is speaking (401)."""


class Refused(WireError):
    """We know who is speaking, or where it leads, and do not want it (403)."""


class Unreachable(WireError):
    """The other server cannot be had now; it may be later.

    `host` is the peer in our spelling, `retry_after` the seconds it asked us to wait, if it did.
    """

    def __init__(self, host: str, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{host}: {reason}" if reason else host)
        self.host = host
        self.retry_after = retry_after


class Gone(WireError):
    """What was asked for is not there (404), or not any more (410)."""

    def __init__(self, uri: str, status: int) -> None:
        super().__init__(f"{uri} answered {status}")
        self.uri = uri
        self.status = status
