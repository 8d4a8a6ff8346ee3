"""Who plays in the demo: three schools, the people who work there, and what they talk about."""

import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """One member of staff."""

    username: str
    name: str
    title: str
    subjects: tuple[str, ...]
    phase: str


@dataclass(frozen=True)
class Cast:
    """One school of the demo."""

    slug: str
    name: str
    colour: str
    members: tuple[Member, ...]


SCHOOLS: tuple[Cast, ...] = (
    Cast(
        "oakfield",
        "Oakfield School",
        "green",
        (
            Member("alice", "Alice Okafor", "Head of Science", ("Physics", "Science"), "KS4"),
            Member("tom", "Tom Ashworth", "Teacher of Mathematics", ("Mathematics",), "KS3"),
            Member("priya", "Priya Nair", "SENCo", ("Inclusion",), "All phases"),
            Member("frahman", "Fatima Rahman", "Deputy Head", ("Mathematics",), "KS4"),
        ),
    ),
    Cast(
        "riverside",
        "Riverside Academy",
        "cyan",
        (
            Member("bob", "Bob Llewellyn", "Teacher of Physics", ("Physics",), "KS5"),
            Member("fatima", "Fatima Rahman", "Head of Mathematics", ("Mathematics",), "KS4"),
            Member("george", "George Whitlock", "Librarian", ("Reading",), "All phases"),
        ),
    ),
    Cast(
        "hillcrest",
        "Hillcrest Primary",
        "magenta",
        (
            Member("carys", "Carys Morgan", "Deputy Head", ("English",), "KS2"),
            Member("dele", "Dele Adeyemi", "Year 6 Teacher", ("Mathematics", "Science"), "KS2"),
            Member("ruth", "Ruth Pemberton", "Music Lead", ("Music",), "KS1"),
        ),
    ),
)

# Who follows whom: every pair of schools, both ways.
FOLLOWS: tuple[tuple[str, str], ...] = (
    ("alice", "bob"),
    ("bob", "alice"),
    ("tom", "fatima"),
    ("fatima", "tom"),
    ("alice", "carys"),
    ("carys", "alice"),
    ("tom", "dele"),
    ("dele", "tom"),
    ("priya", "ruth"),
    ("bob", "dele"),
    ("dele", "bob"),
    ("carys", "george"),
    ("george", "carys"),
    ("fatima", "dele"),
)

# What they say once they follow each other: who, what, and who answers what. An answer may be to
# somebody of any school.
POSTS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "alice",
        "We rebuilt our Year 10 electricity unit around one practical a week. Schemes of work "
        "are on our shared drive; ask and I will send them.",
        (
            ("bob", "Yes please. How did you manage with only eight power supplies?"),
            ("carys", "Our Year 6 would love to see the motors one. Could we visit in June?"),
        ),
    ),
    (
        "bob",
        "Reminder: the regional physics network meets at Riverside on the 14th, 4 pm, room S3. "
        "Bring the practical that never works.",
        (("alice", "I will bring the ripple tank."), ("dele", "May a primary teacher come too?")),
    ),
    (
        "carys",
        "Transition week: we have put together what our Year 6 have read this year, so that "
        "Year 7 teachers need not start from nothing.",
        (
            ("george", "This is gold. I shall order two of each."),
            ("alice", "Thank you, sent on to our English department."),
        ),
    ),
    (
        "dele",
        "Bar models: which of you teach ratio with them in Year 7? Ours arrive fluent and I "
        "would hate for them to lose it.",
        (
            ("tom", "We do, since September. Come and watch period 2 on any Thursday."),
            ("fatima", "We do too, up to Year 9."),
        ),
    ),
    (
        "fatima",
        "Cover work for mathematics that needs no screen: twelve sheets, Years 7 to 9, free for "
        "every school in the network.",
        (("tom", "You have saved my Friday."), ("dele", "The Year 7 ones suit our Year 6 well.")),
    ),
    (
        "tom",
        "We are choosing a new homework platform. What do you use, and would you choose it again?",
        (("fatima", "Paper, and yes."), ("dele", "Ask me again after parents' evening.")),
    ),
    (
        "george",
        "Author visit on World Book Day: there are 40 seats left, first come, first served.",
        (("carys", "Could we bring Year 5? That makes 31 with adults."),),
    ),
)


@dataclass(frozen=True)
class Project:
    """A project of one of the schools: who starts it, whom they invite with what role, what is
    said in it, and who is a colleague of all that and not in it."""

    slug: str
    name: str
    aim: str
    owner: str
    guests: tuple[tuple[str, str], ...]
    posts: tuple[tuple[str, str], ...]
    better: str  # what the last post says once its author has thought again
    outsider: str


PROJECT = Project(
    "science-6-to-7",
    "Science from Year 6 to Year 7",
    "One scheme of work across the summer, so that nobody does the pondweed twice.",
    "alice",
    (("bob", "editor"), ("fatima", "editor"), ("carys", "editor"), ("dele", "observer")),
    (
        ("alice", "Welcome. This project is private: only its members see what is said."),
        ("bob", "Draft of the baseline test is done. Twelve questions, no calculator."),
        ("fatima", "Questions 4 and 9 need graph skills that we only teach in October."),
        ("carys", "Year 6 can try it on Monday at 9."),
    ),
    "Year 6 can try it on Tuesday at 9, Monday is the coach trip.",
    "priya",
)


@dataclass(frozen=True)
class Mover:
    """Somebody who changes school: who they were where, and who they are now."""

    name: str
    old_school: str
    old: str
    new_school: str
    new: str


MOVER = Mover("Fatima", "riverside", "fatima", "oakfield", "frahman")

# What goes on as long as somebody watches.
LATER: tuple[tuple[str, str], ...] = (
    ("alice", "Minutes of the science network are up. Next meeting at Hillcrest."),
    ("bob", "The ripple tank works. Nobody knows why."),
    ("carys", "Moderation of Year 6 writing: who has time on Tuesday?"),
    ("dele", "Thank you to Oakfield for the loan of the compasses."),
    ("frahman", "First week at Oakfield, and all of you came along. Thank you."),
    ("tom", "Room change: numeracy network in M4 tomorrow."),
    ("george", "Ten more copies of Skellig found behind the radiator."),
)

# The days that Carys asks about.
MODERATION: tuple[str, str, str] = ("Tuesday after school", "Thursday after school", "By post")

FAILING: tuple[str, ...] = ("harbour-503", "harbour-timeout", "harbour-gone")
"""A school that fails on purpose, in the way its name ends."""

# What passwords of the demo are made of.
_WORDS: tuple[str, ...] = (
    "acorn", "amber", "anchor", "apple", "basket", "beacon", "biscuit", "bramble", "brook",
    "candle", "clover", "copper", "cushion", "daisy", "ember", "falcon", "feather", "fern",
    "garden", "ginger", "harbour", "hazel", "heron", "honey", "island", "ivory", "jasmine",
    "kettle", "lantern", "lemon", "linen", "maple", "marble", "meadow", "meteor", "mitten",
    "nettle", "oatmeal", "orchard", "otter", "pebble", "pepper", "pigeon", "pocket", "quarry",
    "ribbon", "saffron", "sparrow", "teapot", "thistle", "timber", "velvet", "walnut", "willow",
)  # fmt: skip


def password() -> str:
    """Four words, as one can type them from the screen."""
    return "-".join(secrets.choice(_WORDS) for _ in range(4))
