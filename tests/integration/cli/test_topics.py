"""`topics import`, as a shell uses it and as a gateway then finds it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.auth.workspaces import Workspaces
from gateway.cli import app
from gateway.storage.database import Database

__all__: list[str] = []


def run(dsn: str, file: Path, *more: str) -> Result:
    """The command to its end on a database by URL."""
    return CliRunner().invoke(app, ["topics", "import", str(file), *more], env={"GATEWAY_DATABASE_URL": dsn})


def stored(dsn: str, workspace: str = "demo") -> dict[str, str]:
    """The catalogue: category by topic."""

    async def read() -> dict[str, str]:
        database = await Database.open(dsn)
        try:
            key = await Workspaces(database).by_key(workspace)
            rows = await database.fetch("SELECT topic, category FROM interest_topic WHERE workspace_id = $1", key)
            return {row["topic"]: row["category"] for row in rows}
        finally:
            await database.close()

    return asyncio.run(read())


def written(path: Path, *lines: str) -> Path:
    """A file of these lines."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_cap_064_twelve_thousand_topics_are_imported(dsn: str, tmp_path: Path) -> None:
    """12 000 topics go in; the same file again changes nothing, a changed one only what it changes."""
    lines = [f"Topic {n:05},Category {n % 40}" for n in range(12_000)]
    file = written(tmp_path / "topics.csv", "topic,category", *lines)
    first = run(dsn, file, "--workspace", "shop")
    again = run(dsn, file, "--workspace", "shop")
    file = written(tmp_path / "topics.csv", "topic,category", "Topic 00000,Moved", *lines[1:], "One more,New")
    changed = run(dsn, file, "--workspace", "shop")
    catalogue = stored(dsn, "shop")

    assert [one.exit_code for one in (first, again, changed)] == [0, 0, 0], first.output
    assert first.stdout == "12000 topics in shop: 12000 new, 0 in another category than before.\n"
    assert again.stdout == "12000 topics in shop: 0 new, 0 in another category than before.\n"
    assert changed.stdout == "12001 topics in shop: 1 new, 1 in another category than before.\n"
    assert (len(catalogue), catalogue["Topic 00000"], catalogue["Topic 00039"]) == (12_001, "Moved", "Category 39")


def test_bad_lines_are_named_and_left_out(dsn: str, tmp_path: Path) -> None:
    """Each line that cannot be taken is named with its number and its fault; the others are stored, and the exit code says so."""
    file = written(
        tmp_path / "topics.csv",
        " Category ,Topic,note",
        "Sports,Climbing,ok",
        ",Nowhere",
        "Sports",
        "",
        f"Sports,{'ü' * 65}",
        'Sports,"Two\nlines",kept whole',
        "Sports, Climbing ,again",
        "Sports,a\x00b",
        "Music,Cello",
    )
    done = run(dsn, file)

    assert done.exit_code == 1
    assert stored(dsn) == {"Climbing": "Sports", "Two\nlines": "Sports", "Cello": "Music"}
    assert done.stdout == "3 topics in demo: 3 new, 0 in another category than before.\n"
    told = [line for line in done.stderr.splitlines() if not line.startswith("Importing")]
    assert told == [
        "Line 3: the category is missing.",
        "Line 4: the topic is missing.",
        "Line 6: the topic is longer than 128 bytes.",
        "Line 10: the topic contains a NUL character.",
        "4 lines were left out.",
    ]


def test_many_bad_lines_are_counted(dsn: str, tmp_path: Path) -> None:
    """Of a file full of mistakes the first twenty are named and the others counted."""
    done = run(dsn, written(tmp_path / "topics.csv", "topic,category", *["No category,"] * 25))

    assert (done.exit_code, done.stderr.count("Line ")) == (1, 20)
    assert "… and 5 more.\n25 lines were left out.\n" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,category\nClimbing,Sports\n", "no columns topic and category"),
        (b"", "no columns topic and category"),
        ("topic,category\nCafé,Food\n".encode("latin-1"), "not UTF-8"),
        (b"topic,category\n" + b'"' + b"x" * 200_000, "not CSV"),
        (None, "cannot be read"),
    ],
    ids=["other columns", "empty", "latin-1", "no CSV", "no file"],
)
def test_a_file_that_is_none(dsn: str, tmp_path: Path, content: bytes | None, message: str) -> None:
    """A file that cannot be read as a whole is one sentence and exit code 2; nothing is stored."""
    file = tmp_path / "topics.csv"
    if content is not None:
        file.write_bytes(content)
    done = run(dsn, file)

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_spreadsheets_byte_order_mark(dsn: str, tmp_path: Path) -> None:
    """A file that a spreadsheet wrote, with a byte order mark and Windows line ends, is read like any other."""
    file = tmp_path / "topics.csv"
    file.write_bytes("\ufefftopic,category\r\nCafé,Food\r\n".encode())

    assert run(dsn, file).exit_code == 0
    assert stored(dsn) == {"Café": "Food"}
