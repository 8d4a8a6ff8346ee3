"""How cost grows: of a timeline with posts and with follows, of a post with its recipients.

An exponent of 0 is flat: ten times as much costs the same. 1 grows in step.
"""

from collections.abc import AsyncIterator

from aiohttp import ClientSession

from staffroom.bench import load, posting, timeline
from staffroom.bench.figures import Figure, Target, exponent
from staffroom.bench.load import Ground
from staffroom.bench.sinks import taking
from storage import bare

FOLLOWS = (50, 500, 5000)
POSTS = (10_000, 100_000, 400_000)
RECIPIENTS = (30, 100, 300, 1000)
DELIVERIES = 2000  # for each number of recipients, in as many posts as that takes
PAGES = 300


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """Three exponents."""
    for figure in await _timelines(ground):
        yield figure
    yield await _recipients(ground)


async def _timelines(ground: Ground) -> list[Figure]:
    with_posts: list[tuple[float, float]] = []
    with_follows: list[tuple[float, float]] = []
    stages = POSTS[:-1] if ground.quick else POSTS
    there = 0
    async with timeline.reading(ground, list(FOLLOWS)) as (school, database, readers):
        for posts in stages:
            await timeline.fill(ground, database, readers, there, posts - there)
            there = posts
            bare.settle(school.database_url)
            ground.say(f"pages among {posts:,} posts")
            waits = await timeline.read(school, database, readers[FOLLOWS[-1]], posts, PAGES)
            with_posts.append((posts, timeline.median_ms(waits)))
        for follows, reader in readers.items():
            ground.say(f"pages of who follows {follows:,}")
            waits = await timeline.read(school, database, reader, there, PAGES)
            with_follows.append((follows, timeline.median_ms(waits)))
    what = f"median of {PAGES} pages of {timeline.PAGE}"
    return [
        _figure("timeline with posts", with_posts, 0.1, f"{what} at {_said(with_posts)} posts"),
        _figure(
            "timeline with follows",
            with_follows,
            0.1,
            f"{what} of who follows {_said(with_follows)} people, at {there:,} posts",
        ),
    ]


async def _recipients(ground: Ground) -> Figure:
    points: list[tuple[float, float]] = []
    used = 0.0
    numbers = RECIPIENTS[:-1] if ground.quick else RECIPIENTS
    async with taking() as sink, ClientSession() as session:
        for recipients in numbers:
            ground.say(f"posts to {recipients:,} servers")
            posts = max(1, ground.size(DELIVERIES, 300) // recipients)
            async with load.founded(ground) as school:
                hosts = sink.hosts(recipients)
                token = await posting.populate(school, hosts, form="cavage")
                async with load.process(*load.serving(school)) as served:
                    await posting.delivered(sink, served, session, school, token, 1, recipients)
                    run_ = await posting.delivered(
                        sink, served, session, school, token, posts, recipients
                    )
            used += run_.cpu_seconds
            points.append((recipients, run_.cpu_seconds / posts))
    return _figure(
        "a post with its recipients",
        points,
        1.05,
        f"processor time until all have one post, for {_said(points)} servers with warm "
        "connections",
        cpu_seconds=used,
    )


def _figure(
    name: str,
    points: list[tuple[float, float]],
    limit: float,
    covers: str,
    cpu_seconds: float | None = None,
) -> Figure:
    return Figure(
        name=f"growth of {name}",
        unit="exponent",
        value=exponent(points),
        covers=covers,
        targets=(Target("value", "<=", limit),),
        runs=tuple(points),
        cpu_seconds=cpu_seconds,
    )


def _said(points: list[tuple[float, float]]) -> str:
    return ", ".join(f"{size:,.0f}" for size, _ in points)
