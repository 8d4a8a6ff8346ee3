"""Statements that forgot to ask who is looking, made on purpose: the crawl must notice each.

Where a statement carries the condition for one viewer (`storage/audience.py`), this is the same
statement with everything visible to everybody.
"""

import re
from typing import Any

from sqlalchemy import true
from sqlalchemy.sql import visitors

from actors import project_documents
from storage import (
    arrivals,
    audience,
    featured,
    hashtags,
    likes,
    marks,
    notifications,
    objects,
    projects,
    published,
    threads,
    timelines,
)
from tests.federation.crawl import Crawl


def unguarded(statement: Any) -> Any:
    """The same statement, and everybody may see everything."""
    parts = [audience.VISIBLE, *getattr(audience.VISIBLE, "clauses", ())]

    def opened(element: Any, **more: Any) -> Any:
        return true() if any(element is part for part in parts) else None

    return visitors.replacement_traverse(statement, {}, opened)


# Where the condition is taken away, who looks, and where they look.
LEAKS: tuple[tuple[Any, str, str, str], ...] = (
    (objects, "_SEEN_BY_URI", "zoe", r"/objects/\d+$"),
    (objects, "_SEEN_BY_URI", "anonymous", r"/@\w+/\d+$"),
    (objects, "_SEEN_BY_ID", "carol", r"/posts/\d+$"),
    (objects, "_SEEN_BY_ID", "carol", r"/compose\?"),
    (objects, "_PAGE_BY_AUTHOR", "anonymous", r"/@alice$"),
    (objects, "_PAGE_OF_PROJECT", "dave", r"^/projects/"),
    (objects, "_PAGE_OF_REPLIES", "ned", r"/replies\?"),
    (objects, "_COUNT_REPLIES", "ned", r"/replies"),
    (published, "_SEEN_BY_URI", "carol", r"/activities/\d+$"),
    (published, "_PAGE_OF_OUTBOX", "carol", r"/users/carol/outbox"),
    (published, "_COUNT_OUTBOX", "carol", r"/users/carol/outbox"),
    (likes, "_PAGE_BY_ACTOR", "ned", r"/liked"),
    (likes, "_COUNT_BY_ACTOR", "ned", r"/liked"),
    (featured, "_OF_ACTOR", "ned", r"/featured"),
    (hashtags, "_POSTS", "pia", r"/tags/"),
    (timelines, "_HOME", "dave", r"/home"),
    (notifications, "_RECENT", "carol", r"/notifications"),
    (arrivals, "_INBOX", "dave", r"/users/dave/inbox"),
    (arrivals, "_COUNT", "dave", r"/users/dave/inbox"),
    (threads, "_ABOVE", "anonymous", r"/@dave/\d+$"),
    (threads, "_BELOW", "anonymous", r"/@alice/\d+$"),
    (marks, "_REPLIES", "pia", r"/@alice/\d+$"),
)

# What is asked of one project, answered without looking; who looks, and where.
FORGOTTEN: tuple[tuple[Any, str, bool, str, str], ...] = (
    (projects, "hidden", False, "carol", r"/projects/\w+"),
    (projects, "hidden", False, "ned", r"/projects/\w+"),
    (projects, "hidden", False, "anonymous", r"/webfinger"),
    (project_documents, "_is_member", True, "pia", r"/members"),
)


def more_answers(crawl: Crawl, before: Crawl) -> bool:
    """Whether the figure of answers below a post is another one than it was."""
    figures = re.compile(r">(\d+) answers?</a>")
    return any(
        figures.findall(answer.body) != figures.findall(before.answers[question].body)
        for question, answer in crawl.answers.items()
    )
