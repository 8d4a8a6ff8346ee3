"""A small town of schools for tests: real servers, real TLS, invented names, one clock.

    oakfield = await town.school("oakfield")
    riverside = await town.school("riverside")
    alice = await oakfield.staff("alice")
    bob = await riverside.staff("bob")
    await alice.post({"type": "Follow", "object": bob.uri})
    await town.settle()

Nothing in the product knows that it is being tested: each school is what `staffroom serve` runs,
with another resolver (which knows only the town), another authority for certificates and another
clock (which stands still until a test moves it).
"""

from tests.town.clock import Clock
from tests.town.place import Town
from tests.town.school import ACTIVITY, HTML, Person, Reply, TownSchool
from tests.town.stranger import Delivered, Foreigner, Stranger

__all__ = [
    "ACTIVITY",
    "HTML",
    "Clock",
    "Delivered",
    "Foreigner",
    "Person",
    "Reply",
    "Stranger",
    "Town",
    "TownSchool",
]
