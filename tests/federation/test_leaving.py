"""A member of staff leaves, or is suspended: what is theirs ends, and the other schools hear it."""

from datetime import timedelta

import orjson
import pytest

from actors import accounts, leaving, remote
from actors import standing as suspension
from federation import webfinger
from federation.errors import Gone
from outbox import delete, deliver, standing
from storage import actors, keys, objects
from storage.actors import Actor
from tests.town import HTML, Person, Town, TownSchool
from tests.town.browser import Browser

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def of(person: Person, at: TownSchool | None = None) -> Actor:
    """Somebody as a school keeps them, their own unless another is named."""
    found = await (at or person.school).read(actors.by_uri, person.uri)
    assert found is not None
    return found


async def remove(person: Person) -> None:
    """As `staffroom staff remove` does it."""
    await person.school.write(delete.account, await of(person))


async def three_schools(town: Town) -> tuple[Person, Person, Person]:
    """Lee of Oakfield, whom Ana of Riverside follows, and Zoe of Hilltop, who heard of him."""
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    hilltop = await town.school("hilltop")
    lee, ana, zoe = [
        await school.staff(name)
        for school, name in ((oakfield, "lee"), (riverside, "ana"), (hilltop, "zoe"))
    ]
    await ana.post({"type": "Follow", "object": lee.uri})
    await lee.post({"type": "Follow", "object": ana.uri})
    await town.settle()
    return lee, ana, zoe


async def test_who_is_removed_is_gone_here_at_once_and_everywhere_when_it_is_heard(
    town: Town,
) -> None:
    lee, ana, zoe = await three_schools(town)
    oakfield, riverside, hilltop = lee.school, ana.school, zoe.school
    note = await lee.say("The ripple tank works.")
    secret = await lee.say("For those who follow me.", to=f"{lee.uri}/followers")
    await town.settle()
    # Zoe does not follow him: she liked what he wrote, so that Hilltop keeps it.
    await zoe.post({"type": "Like", "object": note["id"]})
    await town.settle()
    await riverside.go_silent()
    secret_of_cookie = await oakfield.write(accounts.begin_session, await of(lee))

    await remove(lee)

    assert await oakfield.read(accounts.by_session, secret_of_cookie) is None
    assert (await oakfield.post(lee, {"type": "Note", "content": "x", "to": PUBLIC})).status == 401
    for path in ("/@lee", "/@LEE", "/users/lee"):
        page = await oakfield.get(path, accept=HTML)
        assert (page.status, "This account was removed" in page.text) == (410, True)
    colleague = Browser(oakfield)
    await colleague.enter(await oakfield.staff("sam"))
    assert "This account was removed" in await colleague.open(f"/people/{lee.id}", status=410)
    for path in ("/@nobody", "/users/nobody", "/@actor"):
        assert (await oakfield.get(path, accept=HTML)).status == 404
    await town.settle()
    await oakfield.write(leaving.finish, 500)
    # Hilltop has heard it, Riverside not yet: the actor stays as far as a signature needs it.
    assert (await of(lee, hilltop)).state == "deleted"
    document = await oakfield.get(lee.uri, signed_by=hilltop)
    assert document.status == 200
    assert set(document.json) == {
        "@context", "id", "type", "preferredUsername", "inbox", "suspended", "publicKey",
        "assertionMethod",
    }  # fmt: skip
    gone = await oakfield.get(note["id"], signed_by=hilltop)
    assert (gone.status, gone.json["type"]) == (410, "Tombstone")
    assert "ripple" not in gone.text
    assert (await oakfield.get(secret["id"], signed_by=riverside)).status == 404

    town.clock.advance(minutes=2)
    await riverside.listen()
    await town.settle()
    assert (await of(lee, riverside)).state == "deleted"
    for uri in (note["id"], secret["id"]):
        kept = await riverside.read(objects.by_uri, uri)
        assert kept is not None
        assert (kept.content, kept.deleted_at is not None) == ("", True)
    following = await riverside.get(f"{ana.uri}/following", as_=ana)
    assert following.json["totalItems"] == 0
    assert (await riverside.get(f"{ana.uri}/followers", as_=ana)).json["totalItems"] == 0


async def test_when_the_last_server_was_told_nothing_is_left_but_a_tombstone(town: Town) -> None:
    lee, ana, _ = await three_schools(town)
    oakfield, riverside = lee.school, ana.school
    await remove(lee)
    await town.settle()
    await oakfield.write(leaving.finish, 500)

    gone = await oakfield.get(lee.uri, signed_by=riverside)
    assert (gone.status, gone.json["type"], gone.json["formerType"]) == (410, "Tombstone", "Person")
    for name in ("inbox", "outbox", "followers", "following", "featured", "liked"):
        assert (await oakfield.get(f"{lee.uri}/{name}", signed_by=riverside)).status == 410, name
    for name in ("lee", "LEE"):
        asked = f"/.well-known/webfinger?resource=acct:{name}@oakfield.example"
        assert (await oakfield.get(asked)).status == 410
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    sent = eve.activity("Like", f"{lee.uri}/nothing", to=[lee.uri])
    assert (await eve.send(f"{lee.uri}/inbox", sent)).status == 410
    listed = await oakfield.read(keys.of_actor, lee.id)
    assert [key.private for key in listed] == [None, None]
    # The name is never given again.
    with pytest.raises(actors.UsernameTaken):
        await oakfield.staff("lee")
    # Nobody is told a second time, and nothing comes back.
    assert await oakfield.write(leaving.finish, 500) == 0
    with pytest.raises(Gone):
        await webfinger.look_up(riverside.server.client, "lee", "oakfield.example")


async def test_a_server_without_a_shared_inbox_hears_it_signed_with_the_key_it_knows(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    stranger = await town.stranger("stranger")
    lee, eve = await oakfield.staff("lee"), stranger.person("eve")
    del eve.document["endpoints"]
    # They only ever asked for something; nobody follows anybody.
    assert (await eve.get(lee.uri)).status == 200
    known = orjson.loads((await eve.get(lee.uri)).body)
    await remove(lee)
    await town.settle()
    (word,) = stranger.delivered
    assert word.path == "/people/eve/inbox"
    assert (word.json["type"], word.json["actor"], word.json["object"]) == (
        "Delete", lee.uri, lee.uri,
    )  # fmt: skip
    assert f'keyId="{known["publicKey"]["id"]}"' in word.headers["Signature"]


async def test_a_server_that_never_answers_keeps_the_key_no_longer_than_sixty_days(
    town: Town,
) -> None:
    lee, ana, _ = await three_schools(town)
    await ana.school.go_silent()
    await remove(lee)
    await town.settle()
    await lee.school.write(leaving.finish, 500)
    town.clock.advance(days=61)
    await deliver.sweep(lee.school.server)
    await lee.school.write(leaving.finish, 500)
    listed = await lee.school.read(keys.of_actor, lee.id)
    assert [key.private for key in listed] == [None, None]


async def test_who_is_suspended_is_hidden_here_and_there_until_they_are_readmitted(
    town: Town,
) -> None:
    lee, ana, _ = await three_schools(town)
    oakfield, riverside = lee.school, ana.school
    note = await lee.say("The ripple tank works.")
    await town.settle()
    assert (await oakfield.get(note["id"], signed_by=riverside)).status == 200

    await oakfield.write(standing.suspend, await of(lee))

    assert (await oakfield.get(lee.uri, as_=lee)).status == 401
    assert (await oakfield.get(note["id"], signed_by=riverside)).status == 404
    await town.settle()
    assert (await of(lee, riverside)).state == "suspended"
    assert (await oakfield.get(lee.uri, signed_by=riverside)).json["suspended"] is True
    assert not await oakfield.write(standing.readmit, await of(ana, oakfield))

    town.clock.advance(minutes=10)
    assert await oakfield.write(standing.readmit, await of(lee))
    await town.settle()
    assert (await of(lee, riverside)).state == "active"
    assert (await oakfield.get(note["id"], signed_by=riverside)).status == 200
    # Their token stays dead: they sign in anew.
    assert (await oakfield.get(lee.uri, as_=lee)).status == 401


async def test_a_person_whom_our_administrator_suspended_does_not_come_back_by_their_own_word(
    town: Town,
) -> None:
    lee, ana, _ = await three_schools(town)
    riverside = ana.school
    there = await of(lee, riverside)
    assert await riverside.write(suspension.suspend, there)

    # They edit their profile, and are fetched anew: neither says that they are suspended.
    town.clock.advance(minutes=10)
    await lee.post({"type": "Update", "object": {"id": lee.uri, "name": "Lee the Second"}})
    await town.settle()
    fresh = await remote.actor(riverside.server, lee.uri, max_age=timedelta(0))
    assert (fresh.name, fresh.state, fresh.suspended_here) == ("Lee the Second", "suspended", True)

    assert await riverside.write(suspension.readmit, fresh)
    assert (await of(lee, riverside)).state == "active"
    assert await riverside.read(actors.by_handle, "LEE", "oakfield.example") == [
        await of(lee, riverside)
    ]
