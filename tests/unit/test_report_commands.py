"""What an administrator is told of reports, and how they close one."""

from pathlib import Path

from staffroom.command import read, write
from storage import reports
from storage.transaction import Transaction
from tests.storage.people import colleague, person
from tests.unit.test_cli import Staffroom, oakfield, refused, staffroom

__all__ = ["oakfield", "staffroom"]


def reported(tx: Transaction) -> int:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    for number, reason in enumerate(("Unkind\x1b[2J\nwords", "")):
        uri = f"{bob.uri}/flags/{number}"
        posts = [f"{tx.school.url}/objects/7"] if reason else []
        assert reports.add(
            tx, uri=uri, reporter_id=bob.id, subject_id=ada.id, posts=posts, reason=reason
        )
    return reports.open_ones(tx)[-1].id


def test_reports_are_listed_in_one_line_each_until_they_are_closed(
    staffroom: Staffroom,
    oakfield: Path,
) -> None:
    number = write(oakfield, reported)
    ask = ("reports", "list", "--data", str(oakfield))
    newest, oldest = staffroom(*ask).out.splitlines()
    assert oldest.split("\t")[2:] == [
        "open",
        "about @ada@oakfield.example",
        "by @bob@riverside.example",
        "Unkind [2J words",
        "https://oakfield.example/objects/7",
    ]
    assert newest.split("\t")[5:] == ["no reason given", ""]
    close = ("reports", "close", str(number), "--data", str(oakfield))
    assert staffroom(*close).out == f"{number} is closed\n"
    assert staffroom(*ask).out.splitlines() == [newest]
    assert "closed" in staffroom(*ask, "--all").out.splitlines()[1].split("\t")
    refused(staffroom(*close), "closed already")
    for typed, said in (
        ("7", "no report 7"),
        ("seven", "'seven' is not a valid number"),
        ("9" * 20, "is not in the range"),
    ):
        refused(staffroom("reports", "close", typed, "--data", str(oakfield)), said)
    assert read(oakfield, lambda tx: len(reports.closed_ones(tx))) == 1
