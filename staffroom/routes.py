"""Every URL of a school, in one table.

What other servers read and what people read share their addresses: whoever asks for HTML gets the
page, everybody else the document (`by_accept`). `limit` says how often one caller may knock.
"""

from dataclasses import dataclass

from aiohttp import web

from actors import blocked, documents, nodeinfo, project_documents, webfinger
from api import outbox as client
from inbox import door
from pages import (
    acts,
    compose,
    find,
    home,
    moving,
    notifications,
    people,
    posts,
    project_acts,
    project_details,
    projects,
    rendering,
    requests,
    settings,
    sign_in,
    tags,
)
from staffroom import health
from staffroom.edge import Handler
from staffroom.limits import (
    ACTING,
    DELIVERIES,
    DISCOVERY,
    DOCUMENTS,
    FORMS,
    MONITORING,
    PAGES,
    READING,
    SIGNING_IN,
    Limit,
)


@dataclass(frozen=True)
class Route:
    """One line of the table."""

    method: str
    path: str
    handler: Handler
    limit: Limit


def by_accept(document: Handler, page: Handler) -> Handler:
    """One address for servers and for people: the page for those who ask for HTML."""

    async def chosen(request: web.Request) -> web.StreamResponse:
        return await (page if documents.wants_page(request) else document)(request)

    return chosen


def by_type(document: Handler, page: Handler) -> Handler:
    """The address of a page for people: the document only for who names an ActivityPub type."""

    async def chosen(request: web.Request) -> web.StreamResponse:
        return await (document if documents.wants_document(request) else page)(request)

    return chosen


def by_token(own: Handler, others: Handler) -> Handler:
    """One address for its owner, who comes with a token, and for everybody else."""

    async def chosen(request: web.Request) -> web.StreamResponse:
        return await (own if "Authorization" in request.headers else others)(request)

    return chosen


PERSON = "/users/{name:[A-Za-z0-9_]+}"
POST = "/objects/{id:[0-9]+}"
PROJECT = "/projects/{slug:[a-z][a-z0-9_-]*}"
OUR_PAGE = "/@{name:[A-Za-z0-9_-]+}"
ID = "[0-9]{1,19}"
A_PROJECT = f"/projects/{{id:{ID}}}"

ROUTES: tuple[Route, ...] = (
    # the school itself, and how it is found
    Route("GET", "/", people.front, PAGES),
    Route("GET", "/healthz", health.health, MONITORING),
    Route("GET", "/metrics", health.metrics, MONITORING),
    Route("GET", "/static/style.css", rendering.stylesheet, PAGES),
    Route("GET", "/static/icon.svg", rendering.icon, PAGES),
    Route("GET", "/.well-known/webfinger", webfinger.webfinger, DISCOVERY),
    Route("GET", "/.well-known/host-meta", webfinger.host_meta, DISCOVERY),
    Route("GET", "/.well-known/nodeinfo", nodeinfo.links, DISCOVERY),
    Route("GET", "/nodeinfo/2.0", nodeinfo.usage, DISCOVERY),
    Route("GET", "/nodeinfo/2.1", nodeinfo.usage, DISCOVERY),
    Route("POST", "/inbox", door.receive, DELIVERIES),
    # the actor that signs for the server
    Route("GET", "/actor", documents.instance, DOCUMENTS),
    Route("GET", "/actor/inbox", documents.inbox, DOCUMENTS),
    Route("POST", "/actor/inbox", door.receive, DELIVERIES),
    Route("GET", "/actor/outbox", documents.outbox, DOCUMENTS),
    # the school as an organisation
    Route("GET", "/school", by_accept(documents.actor, people.profile_page), DOCUMENTS),
    Route("GET", "/school/inbox", documents.inbox, DOCUMENTS),
    Route("POST", "/school/inbox", door.receive, DELIVERIES),
    Route("GET", "/school/outbox", documents.outbox, DOCUMENTS),
    Route("GET", "/school/followers", documents.followers, DOCUMENTS),
    Route("GET", "/school/following", documents.following, DOCUMENTS),
    Route("GET", "/school/featured", documents.featured, DOCUMENTS),
    Route("GET", "/school/liked", documents.liked, DOCUMENTS),
    Route("GET", "/school/members", documents.members, DOCUMENTS),
    # the people who work here
    Route("GET", PERSON, by_accept(documents.actor, people.profile_page), DOCUMENTS),
    Route("GET", f"{PERSON}/inbox", by_token(client.inbox, documents.inbox), READING),
    Route("POST", f"{PERSON}/inbox", door.receive, DELIVERIES),
    Route("GET", f"{PERSON}/outbox", documents.outbox, DOCUMENTS),
    Route("POST", f"{PERSON}/outbox", client.post, ACTING),
    Route("GET", f"{PERSON}/followers", documents.followers, DOCUMENTS),
    Route("GET", f"{PERSON}/following", documents.following, DOCUMENTS),
    Route("GET", f"{PERSON}/featured", documents.featured, DOCUMENTS),
    Route("GET", f"{PERSON}/liked", documents.liked, DOCUMENTS),
    Route("GET", f"{PERSON}/blocked", blocked.blocked, DOCUMENTS),
    # the projects that are at home here; of private ones only for who is in them
    Route("GET", "/projects", projects.mine, PAGES),
    Route("GET", "/projects/new", project_details.new, PAGES),
    Route("POST", "/projects/new", project_details.create, FORMS),
    Route("GET", PROJECT, by_accept(project_documents.project, projects.ours), DOCUMENTS),
    Route("GET", f"{PROJECT}/inbox", documents.inbox, DOCUMENTS),
    Route("POST", f"{PROJECT}/inbox", door.receive, DELIVERIES),
    Route("GET", f"{PROJECT}/outbox", documents.outbox, DOCUMENTS),
    Route("GET", f"{PROJECT}/followers", documents.followers, DOCUMENTS),
    Route("GET", f"{PROJECT}/featured", documents.featured, DOCUMENTS),
    Route("GET", f"{PROJECT}/members", project_documents.members, DOCUMENTS),
    # the same and those of other schools, for who works here
    Route("GET", A_PROJECT, projects.any_school, PAGES),
    Route("GET", f"{A_PROJECT}/people", projects.people, PAGES),
    Route("GET", f"{A_PROJECT}/edit", project_details.details, PAGES),
    Route("POST", f"{A_PROJECT}/edit", project_details.save, FORMS),
    Route(
        "POST",
        f"{A_PROJECT}/{{deed:{'|'.join(project_acts.DEEDS)}}}",
        project_acts.with_project,
        FORMS,
    ),
    # what they say and do
    Route("GET", POST, by_accept(documents.post, posts.post), DOCUMENTS),
    Route("GET", f"{POST}/replies", documents.replies, DOCUMENTS),
    Route("GET", "/activities/{id:[0-9]+}", documents.activity, DOCUMENTS),
    # pages for people: signing in, writing, settings
    Route("GET", "/sign-in", sign_in.sign_in_page, PAGES),
    Route("POST", "/sign-in", sign_in.sign_in, SIGNING_IN),
    Route("POST", "/sign-out", sign_in.sign_out, FORMS),
    Route("GET", "/compose", compose.compose, PAGES),
    Route("POST", "/compose", compose.send, FORMS),
    Route("GET", "/settings", settings.settings, PAGES),
    Route("POST", "/settings", settings.save, FORMS),
    Route("POST", "/settings/password", settings.password, FORMS),
    Route("POST", "/settings/sessions/end", settings.end_others, FORMS),
    Route("GET", "/settings/moving", moving.moving, PAGES),
    Route("POST", "/settings/aliases", moving.set_alias, FORMS),
    Route("POST", "/settings/move", moving.move, SIGNING_IN),
    # pages for people: reading and doing
    Route("GET", OUR_PAGE, by_type(documents.actor_with_page, people.profile_page), PAGES),
    Route(
        "GET",
        f"{OUR_PAGE}/{{id:{ID}}}",
        by_type(documents.post_with_page, posts.post),
        PAGES,
    ),
    Route("GET", f"{OUR_PAGE}/{{list:followers|following|blocked}}", people.listing, PAGES),
    Route("GET", "/@{name:[A-Za-z0-9_.~+-]+}@{host:[A-Za-z0-9.:-]+}", people.remote_page, PAGES),
    Route("GET", f"/people/{{id:{ID}}}", people.person_page, PAGES),
    Route("GET", f"/posts/{{id:{ID}}}", posts.kept, PAGES),
    Route("GET", "/tags/{name:[^/]+}", tags.tag, PAGES),
    Route("GET", "/home", home.home, PAGES),
    Route("GET", "/notifications", notifications.recent, PAGES),
    Route("POST", "/notifications/read", notifications.read, FORMS),
    Route("GET", "/requests", requests.requests, PAGES),
    Route("GET", "/find", find.find, PAGES),
    Route("POST", "/find", find.search, FORMS),
    Route(
        "POST",
        f"/people/{{id:{ID}}}/{{deed:{'|'.join(acts.PERSON_DEEDS)}}}",
        acts.with_person,
        FORMS,
    ),
    Route(
        "POST", f"/posts/{{id:{ID}}}/{{deed:{'|'.join(acts.POST_DEEDS)}}}", acts.with_post, FORMS
    ),
    Route("GET", "/reported", acts.reported, PAGES),
)


def furnish(app: web.Application) -> None:
    """Give the application what the rooms of the table need to work: the templates of the pages."""
    rendering.set_up(app)
