"""`plan`: an operation's levels and code, and what is said where there are none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.engine.plan.tree import Reason

__all__: list[str] = []

ENGINE = (Path(__file__).parents[3] / "docs" / "engine.md").read_text()
SCREEN = """query Screen($id: ID!, $full: Boolean!) { profile(by: {id: $id}) { shown: displayName
  timeline @include(if: $full) { nodes { __typename title ... on NoteItem { note { viewerCanEdit } } ... on Message { text } } } } }
query Other { viewer { scopes } }"""


def planned(text: str, *arguments: str) -> Result:
    """The command's end, for a document on its standard input."""
    return CliRunner().invoke(app, ["plan", "-", *arguments], input=text)


def block(language: str) -> str:
    """The first block of a language in docs/engine.md."""
    return ENGINE.split(f"```{language}\n")[1].split("```")[0]


def test_the_document_shows_what_the_command_prints(tmp_path: Path) -> None:
    """The worked example of docs/engine.md is this command's output for its operation, levels and code, to the letter."""
    path = tmp_path / "desk.graphql"
    path.write_text(block("graphql"))
    result = CliRunner().invoke(app, ["plan", str(path)])

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{block('text')}\n\n{block('python')}"


def test_the_document_lists_every_reason() -> None:
    """docs/engine.md says of each label of the metric what it means, and of no other."""
    listed = re.findall(r"^\| `(\w+)` \|", ENGINE, re.MULTILINE)

    assert sorted(listed) == sorted(reason.value for reason in Reason)


def test_levels_of_a_screen() -> None:
    """Each level says what is called once for all, what for each object, and what is read; aliases say what they stand for."""
    levels = planned(SCREEN, "--operation", "Screen", "--variables", '{"full": true, "id": 1}').stdout.partition("\n\n\n")[0]

    assert "# level 1: Profile, at profile\n#   one call for all: timeline\n#   a call for each: shown (displayName)\n" in levels
    assert re.search(
        r"# level \d+: Message, at profile.timeline.nodes\n#   attributes: title, text\n#   written as it is: __typename", levels
    )
    assert re.search(r"# level \d+: Note, at profile.timeline.nodes.note\n#   one call for all: viewerCanEdit", levels)


def test_variables_choose_the_plan() -> None:
    """What a variable leaves out is not in the plan; the other variables need no values."""
    shown = planned(SCREEN, "--operation", "Screen", "--variables", '{"full": false}')

    assert shown.exit_code == 0
    assert "timeline" not in shown.stdout


def test_no_line_is_too_long_to_read() -> None:
    """The code is laid out: what does not fit in a line is broken, whatever is selected."""
    document = """query ($id: ID!) { profile(by: {id: $id}) { id displayName status contactPoints { id channel value label isPrimary isVerified }
      companies { company { id name domain } role isMain } traits { nodes { key value provenance { source { key } } } }
      contacts { nodes { id state channel address } } timeline { edges { cursor node { id title occurredAt source { key displayName } } } } } }"""
    shown = planned(document)

    assert shown.exit_code == 0
    said = [line.strip() for line in shown.stdout.splitlines() if len(line) > 160]
    assert [line for line in said if not line.startswith(("def level_", "for o, "))] == []  # one name for each column


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        ("{ viewer { scopes } __schema { description } }", [], 1, "(introspection). It asks for __schema"),
        ("query @x { viewer { scopes } }", [], 2, 'standard input:1:7: Unknown directive "@x".'),
        ("{ viewer { name } }", [], 2, "standard input:1:12: Cannot query field 'name' on type 'Viewer'"),
        ("{ viewer { ", [], 2, "standard input:1:12: Syntax Error"),
        ("fragment F on Viewer { scopes } ", [], 2, "is never used"),
        (SCREEN, [], 2, "name one with --operation: Screen, Other."),
        (SCREEN, ["--operation", "Third"], 2, "has no operation Third, but Screen, Other."),
        (SCREEN, ["--operation", "Screen"], 2, "Variable '$full' has invalid value"),
        (SCREEN, ["--operation", "Screen", "--variables", "{"], 2, "--variables is not JSON"),
        (SCREEN, ["--operation", "Screen", "--variables", "[]"], 2, "--variables is not a JSON object"),
        (SCREEN, ["--operation", "Screen", "--variables", json.dumps({"fully": True})], 2, "has no variable $fully."),
    ],
)
def test_what_is_wrong_is_said(text: str, arguments: list[str], code: int, said: str) -> None:
    """A document that is not valid is the caller's mistake, with the place; one that has no plan is told why."""
    result = planned(text, *arguments)

    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("Error: ")
    assert said.replace('"', "'") in result.stderr.replace('"', "'")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Neither one that is not there nor one that is no text."""
    bad = tmp_path / "bad.graphql"
    bad.write_bytes(b"\xff{")

    for path, said in ((tmp_path / "none", "cannot be read"), (bad, "is not UTF-8")):
        result = CliRunner().invoke(app, ["plan", str(path)])
        assert (result.exit_code, said in result.stderr) == (2, True)
