"""What the server writes down while it runs: one line of JSON on stderr for each event.

JSON keeps a stranger's line breaks and control characters inside their text. Posts, tokens and
addresses of people are not written down.
"""

import logging
import sys
from datetime import UTC, datetime

import orjson

from staffroom.edge import QuietServerLog

ROOMS = ("staffroom", "pages", "api", "inbox", "outbox", "actors", "storage", "federation")
# What every record carries by itself; whatever else is on it was given as `extra`.
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Line(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "room": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in USUAL}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def begin(*, traffic: bool) -> None:
    """Write the journal from now on; with `traffic` also each activity that comes or goes."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.INFO if traffic else logging.WARNING)
    logging.getLogger("staffroom").setLevel(logging.INFO)
    logging.getLogger("aiohttp.server").addFilter(QuietServerLog())
