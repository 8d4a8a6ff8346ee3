"""How a teacher of the demo changes school: one command at each, and the rest follows by itself.

Whoever follows her follows her there, she follows again whom she followed, and her role in the
project is hers under her new name.
"""

from collections.abc import Awaitable, Callable, Mapping

from staffroom.demo_cast import MOVER, PROJECT
from staffroom.demo_play import Player, until
from staffroom.demo_project import Tell, address

# Runs a `staffroom` command about the school that is named first; answers what it printed.
Run = Callable[..., Awaitable[str]]


async def move(players: Mapping[str, Player], tell: Tell, run: Run) -> None:
    """She says at the new school who she was, at the old one where she goes."""
    old, new = players[MOVER.old], players[MOVER.new]
    before = await _totals(old)
    tell(f"{MOVER.name} moves from {MOVER.old_school} to {MOVER.new_school}:")
    for school, *words in (
        (MOVER.new_school, "staff", "alias", MOVER.new, old.uri),
        (MOVER.old_school, "move", "start", MOVER.old, new.uri),
    ):
        tell(f"  at {school}: staffroom {' '.join(words)}")
        await run(school, *words)

    async def arrived() -> bool | None:
        members = await players[PROJECT.owner].read(f"{address(players)}/members?page=first")
        named = [one.get("object") for one in members.get("orderedItems", [])]
        return (await _totals(new) == before and new.uri in named and old.uri not in named) or None

    await until(arrived, f"{MOVER.name} waits for who follows her")
    tell(
        "followers {}, following {}, as before; and her role in the project is hers at {}".format(
            *before, MOVER.new_school
        )
    )
    for school, *words in (
        (MOVER.old_school, "move", "status", MOVER.old),
        (MOVER.new_school, "move", "status", MOVER.new),
        (MOVER.new_school, "project", "members", PROJECT.slug),
    ):
        tell(f"  at {school}: staffroom {' '.join(words)}")
        for line in (await run(school, *words)).splitlines():
            tell(f"    {line}")


async def _totals(player: Player) -> tuple[int, int]:
    """How many follow somebody, and whom they follow."""
    followers = await player.read(f"{player.uri}/followers")
    following = await player.read(f"{player.uri}/following")
    return followers.get("totalItems", 0), following.get("totalItems", 0)
