"""Someone starts working here: they get a name, a profile, keys, and a way for apps to be them."""

import pytest

from actors import local, profile, staff
from federation import keys as federation_keys
from federation.errors import Refused
from storage import accounts, actors, keys
from storage.actors import Actor
from storage.database import Database, Transaction


async def lee(database: Database) -> Actor:
    return await database.write(
        staff.add,
        username="Lee",
        name="Lee Okafor",
        title="Head of Science",
        subjects=["Physics"],
        phases=["Key stage 4"],
        summary="Loves <b>optics</b>.\n\nhttps://oakfield.example/optics",
    )


async def test_a_new_member_of_staff_has_an_actor_an_account_and_two_keys(
    database: Database,
) -> None:
    actor = await lee(database)

    assert actor.uri == "https://oakfield.example/users/lee"
    assert actor.url == "https://oakfield.example/@lee"
    assert actor.handle == "@lee@oakfield.example"
    assert actor.local
    assert profile.of(actor) == profile.make("Head of Science", ["Physics"], ["Key stage 4"])
    assert await database.read(accounts.role, actor.id) == "staff"
    made = await database.read(keys.of_actor, actor.id)
    assert {key.uri: key.algorithm for key in made} == {
        f"{actor.uri}#main-key": "rsa",
        f"{actor.uri}#ed25519-key": "ed25519",
    }


async def test_what_somebody_writes_about_themselves_is_text(database: Database) -> None:
    actor = await lee(database)

    assert "&lt;b&gt;optics&lt;/b&gt;" in actor.summary
    assert '<a href="https://oakfield.example/optics"' in actor.summary


async def test_a_private_key_opens_only_with_the_secret_of_the_school(database: Database) -> None:
    actor = await lee(database)
    for key in await database.read(keys.of_actor, actor.id):
        assert key.private is not None
        private = federation_keys.unseal(b"s" * 32, key.private)
        assert federation_keys.public_der(private) == key.public
        assert b"PRIVATE" not in key.private
        with pytest.raises(federation_keys.WrongSecret):
            federation_keys.unseal(b"t" * 32, key.private)


async def test_a_name_is_taken_whatever_its_letter_case(database: Database) -> None:
    await lee(database)
    with pytest.raises(actors.UsernameTaken):
        await database.write(staff.add, username="LEE", name="Another Lee")


@pytest.mark.parametrize(
    "username",
    ["", "a b", "lee!", "l" * 31, "lee@oakfield", "é", "ｌｅｅ", "a.b", "a-b", "@", "a\nb", "../x"],
)
def test_a_name_that_others_cannot_type_is_refused(username: str) -> None:
    with pytest.raises(staff.BadUsername):
        staff.normal_username(username)


@pytest.mark.parametrize("username", ["school", "Admin", "ACTOR", "support", "staffroom"])
def test_a_name_that_stands_for_the_school_is_refused(username: str) -> None:
    with pytest.raises(staff.BadUsername):
        staff.normal_username(username)


def test_a_name_may_be_typed_as_people_do() -> None:
    assert staff.normal_username(" @Lee_O ") == "lee_o"


async def test_a_role_that_does_not_exist_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="role"):
        await database.write(staff.add, username="lee", name="Lee", role="king")
    assert await database.read(actors.local_by_username, "lee") is None


async def test_the_school_itself_is_made_once(database: Database) -> None:
    await database.write(local.create_school)
    first = await database.read(actors.by_uri, "https://oakfield.example/actor")
    await database.write(local.create_school)
    again = await database.read(actors.by_uri, "https://oakfield.example/actor")

    assert first is not None
    assert first == again
    assert (first.type, first.username) == ("Application", "oakfield.example")
    school = await database.read(actors.by_uri, "https://oakfield.example/school")
    assert school is not None
    assert (school.type, school.username) == ("Organization", "school")
    assert await database.read(actors.local_people) == []


async def test_the_school_signs_and_proves_with_keys_of_the_right_kind(database: Database) -> None:
    await database.write(local.create_school)
    actor = await lee(database)

    signer = await database.read(local.instance_signer)
    assert signer.key_id == "https://oakfield.example/actor#main-key"
    own = await database.read(local.signer, actor)
    assert own.key_id == f"{actor.uri}#main-key"
    private, method = await database.read(local.prover, actor)
    assert method == f"{actor.uri}#ed25519-key"
    public = federation_keys.public_der(private)
    assert federation_keys.algorithm(public) == "ed25519"


async def test_only_active_people_of_this_school_are_ours(database: Database) -> None:
    actor = await lee(database)
    assert await database.read(local.ours, actor.uri) == actor

    for uri in ("https://riverside.example/users/ana", f"{actor.uri}/", "", None):
        with pytest.raises(Refused):
            await database.read(local.ours, uri)

    def suspend(tx: Transaction) -> None:
        actors.update_local(tx, actor.id, state="suspended")

    await database.write(suspend)
    with pytest.raises(Refused):
        await database.read(local.ours, actor.uri)
