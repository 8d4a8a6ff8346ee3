"""Someone reports one of ours to our administrator.

https://www.w3.org/TR/activitystreams-vocabulary/#dfn-flag: it is kept, and nobody else learns of
it. Most servers report in the name of the server itself, so the reporter stays hidden.
"""

from actors import local
from federation import content, vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned
from storage import actors, objects, reports
from storage.actors import Actor
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Keep the report. Raises Refused for one that is not about one of ours."""
    reporter = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    uris = vocabulary.uris_of(vocabulary.ids_of(activity.object), activity.rules)
    subject, posts = _subject(tx, uris)
    reports.add(
        tx,
        uri=activity.id,
        reporter_id=reporter.id,
        subject_id=subject.id,
        posts=posts,
        reason=_reason(activity),
    )


def _subject(tx: Transaction, uris: list[str]) -> tuple[Actor, list[str]]:
    """Whom of ours a report is about, and which posts of theirs: of what it names, the rest is
    left out. A report of posts alone is about whoever wrote the first."""
    here = [uri for uri in uris if uri.startswith(f"{tx.school.url}/")]
    known = actors.by_uris(tx, here)
    people = [known[uri] for uri in here if uri in known and known[uri].local]
    found = [objects.by_uri(tx, uri) for uri in here if uri not in known]
    written = [post for post in found if post is not None and post.deleted_at is None]
    if people:
        subject = local.ours(tx, people[0].uri)
    elif written:
        author = actors.by_id(tx, written[0].author_id)
        subject = local.ours(tx, author.uri if author else None)
    else:
        raise Refused("a report that is about nobody here")
    theirs = [post.uri for post in written if post.author_id == subject.id]
    return subject, theirs[: reports.MOST_POSTS]


def _reason(activity: Activity) -> str:
    said = vocabulary.text_of(activity.json.get("content"), activity.json.get("contentMap"))
    said = said or vocabulary.text_of(activity.json.get("summary"))
    return content.plain(said)[: reports.LONGEST_REASON]
