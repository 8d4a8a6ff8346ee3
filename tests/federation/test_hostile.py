"""A server that means harm, or is broken: what it can do to the school and to the other schools."""

import asyncio
import random

from tests.town import Town


def noise(length: int) -> str:
    """Chinese characters in such a disorder that nothing packs them any smaller."""
    dice = random.Random(length)
    return "".join(chr(dice.randrange(0x4E00, 0x9FA0)) for _ in range(length))


async def test_an_endless_id_of_one_school_does_not_cost_another_its_thanks(town: Town) -> None:
    oakfield = await town.school("oakfield")
    village = await town.stranger("village")
    eve = village.person("eve")
    bob = (await town.stranger("riverside")).person("bob")
    for who in (eve, bob):
        assert (await who.send(oakfield.shared_inbox, who.create("Hello"))).status == 202
    await town.settle()
    endless = eve.create("What a name") | {"id": f"{village.url}/{noise(2000)}"}
    replies = await asyncio.gather(
        bob.send(oakfield.shared_inbox, bob.create("Good morning")),
        eve.send(oakfield.shared_inbox, endless),
        bob.send(oakfield.shared_inbox, bob.create("Good evening")),
    )
    assert [reply.status for reply in replies] == [202, 400, 202]
    await town.settle()
