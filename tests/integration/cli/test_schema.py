"""`schema`: printed, written, compared."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from gateway.app import schema_text
from gateway.cli import app

__all__: list[str] = []


def test_printed_and_written_are_the_same(tmp_path: Path) -> None:
    """What is printed is the SDL and nothing else, and `--output` writes the same bytes, which `--check` finds up to date."""
    path = tmp_path / "schema.graphql"
    printed = CliRunner().invoke(app, ["schema"])
    written = CliRunner().invoke(app, ["schema", "--output", str(path)])
    checked = CliRunner().invoke(app, ["schema", "--check", str(path)])

    assert printed.stdout.rstrip("\n") == schema_text().rstrip("\n")
    assert (written.stdout, path.read_text()) == ("", printed.stdout)
    assert checked.exit_code == 0


def test_a_difference_is_shown_with_the_way_out(tmp_path: Path) -> None:
    """A file that differs ends with exit code 1, the differing lines and the command that writes it anew."""
    path = tmp_path / "schema.graphql"
    path.write_text(schema_text() + "type Forgotten { id: ID! }\n")
    result = CliRunner().invoke(app, ["schema", "--check", str(path)])

    assert result.exit_code == 1
    assert "-type Forgotten { id: ID! }" in result.stderr
    assert f"profile-gateway schema --output {path}" in result.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A path that cannot be read is a mistake of the caller."""
    assert CliRunner().invoke(app, ["schema", "--check", str(tmp_path / "none")]).exit_code == 2
