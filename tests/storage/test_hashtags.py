"""Posts stand under the words with # in them, for whoever may see them."""

from storage import hashtags, objects
from storage.audience import NOBODY, Viewer
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person, post


def test_a_tag_page_lists_what_its_reader_may_see_and_was_meant_for_lists(tx: Transaction) -> None:
    ada, head, bob = person(tx, "ada"), person(tx, "head"), colleague(tx, "bob")
    follow(tx, ada, bob)
    written = {
        audience: post(tx, bob, audience=audience, to=[ada])
        for audience in ("public", "followers", "unlisted", "direct")
    }
    written["school"] = post(tx, head, audience="school")
    for one in written.values():
        hashtags.file(tx, one.id, ["physics", "labs", "physics"])

    for viewer, audiences in (
        (Viewer(ada.id, local=True), ["school", "followers", "public"]),
        (Viewer(head.id, local=True), ["school", "public"]),
        (Viewer(bob.id, local=False), ["followers", "public"]),
        (NOBODY, ["public"]),
    ):
        found = hashtags.posts(tx, viewer, "physics", before=None, limit=20)
        assert [one.audience for one in found] == audiences
    ours = hashtags.posts(tx, Viewer(ada.id, True), "physics", ours_only=True, before=None, limit=9)
    assert ours == [written["school"]]
    first = hashtags.posts(tx, Viewer(ada.id, True), "labs", before=None, limit=1)
    rest = hashtags.posts(tx, Viewer(ada.id, True), "labs", before=first[0].id, limit=9)
    assert [one.audience for one in [*first, *rest]] == ["school", "followers", "public"]
    assert hashtags.posts(tx, NOBODY, "Physics", before=None, limit=9) == []


def test_an_edit_files_a_post_anew_and_a_deletion_takes_it_out(tx: Transaction) -> None:
    ada = person(tx, "ada")
    note = post(tx, ada)
    hashtags.file(tx, note.id, ["labs", "physics"])
    assert hashtags.of_post(tx, note.id) == ["labs", "physics"]
    hashtags.file(tx, note.id, ["chemistry"])
    assert hashtags.of_post(tx, note.id) == ["chemistry"]
    objects.bury(tx, note.id, {"type": "Tombstone"})
    assert hashtags.posts(tx, NOBODY, "chemistry", before=None, limit=9) == []
