"""`documents check`: a table of what is well, a sentence for what is not, and an exit code that a build can stop at."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app

__all__: list[str] = []

ME = "query Me { viewer { actor { id } } }"
ROOT = Path(__file__).parents[3]
MANIFEST = ROOT / "tests" / "conformance" / "trusted.json"
DOCUMENT = (ROOT / "docs" / "documents.md").read_text()


def checked(*paths: Path) -> Result:
    """The command's end."""
    return CliRunner().invoke(app, ["documents", "check", *map(str, paths)])


def written(path: Path, **documents: str) -> Path:
    """A map of ids to documents."""
    path.write_text(json.dumps(documents))
    return path


def test_all_is_well(tmp_path: Path) -> None:
    """Every document with its operation and what it may cost; the ids whole; exit code 0."""
    (tmp_path / "me.graphql").write_text(ME)
    result = checked(MANIFEST, tmp_path, written(tmp_path / "relay.json", anonymous="{ viewer { actor { id } } }"))

    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["Id", "Operation", "Cost"]
    assert [row[1:] for row in rows[1:-1]] == [
        ["query", "Me", "2"],
        ["subscription", "Watch", "1"],
        ["mutation", "Create", rows[3][3]],
        ["query", "Me", "2"],
        ["query", "-", "2"],
    ]
    assert rows[4][0] == sha256(ME.encode()).hexdigest()
    assert rows[-1] == ["5", "documents,", "all", "well."]


def test_what_is_wrong_is_named_with_file_and_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the schema has not, what is over a limit of the settings, what cannot be read: each is told, the rest is shown, exit code 1."""
    monkeypatch.setenv("GATEWAY_ALIAS_LIMIT", "1")
    monkeypatch.setenv("GATEWAY_COST_LIMIT", "10")
    monkeypatch.setenv("GATEWAY_PARTNER_COST_LIMIT", "10")
    path = written(
        tmp_path / "relay.json",
        well=ME,
        syntax="{",
        field="{ viewer { nothing } }",
        introspection="{ __schema { queryType { name } } }",
        aliases="query Wide { a: viewer { features } b: viewer { features } }",
        cost="query Costly { profile(by: {id: 1}) { notes(first: 100) { nodes { id } } } }",
        page="query Long { profile(by: {id: 1}) { notes(first: 101) { nodes { id } } } }",
    )
    missing = tmp_path / "no.json"
    result = checked(path, missing)

    assert result.exit_code == 1
    assert [line.split() for line in result.stdout.splitlines()][1:] == [
        ["well", "query", "Me", "2"],
        *[[name, "-", operation, "-"] for name, operation in (("field", "-"), ("introspection", "-"), ("aliases", "Wide"))],
        *[[name, "-", operation, "-"] for name, operation in (("cost", "Costly"), ("page", "Long"))],
    ]
    for said in (
        f"{path}: syntax: Syntax Error: Expected Name, found <EOF> (line 1, column 2).",
        f"{missing}: the file cannot be read (No such file or directory).",
        f"{path}: field: line 1, column 12: Cannot query field 'nothing' on type 'Viewer'. (GRAPHQL_VALIDATION_FAILED)",
        f"{path}: introspection: line 1, column 3: ",
        f"{path}: aliases: The document has 2 aliases with its fragments written out; 1 are answered. (LIMIT_ALIASES)",
        f"{path}: page: A page has at most 100 items; use its cursor for the next one. (LIMIT_PAGE_SIZE)",
    ):
        assert said in result.stderr
    assert f"{path}: cost: the operation may cost 1" in result.stderr


def test_the_document_shows_what_the_command_prints(tmp_path: Path) -> None:
    """The plain file of docs/documents.md has the hash that is said there, and the command says of it what is shown."""
    path = tmp_path / "me.graphql"
    path.write_text(DOCUMENT.split("```graphql\n")[1].split("```")[0])
    result = checked(path)

    assert (result.exit_code, result.stdout) == (0, DOCUMENT.split("```text\n")[1].split("```")[0])
    assert f'{{"documentId": "{sha256(path.read_bytes()).hexdigest()}"}}' in DOCUMENT


def test_nothing_to_check() -> None:
    """Without a file it says how to call it."""
    assert checked().exit_code == 2
