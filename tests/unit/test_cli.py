"""The command line as a whole: its list of commands and how it tells a failure."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from gateway import __version__
from gateway import cli as cli_package
from gateway.cli import app
from gateway.errors import BadUserInput, ConfigurationError, GatewayError, Overloaded

__all__: list[str] = []

COMMANDS = ("demo", "keys", "migrate", "plan", "schema", "seed", "serve", "token", "topics")


def test_help_lists_every_command() -> None:
    """`--help` names each command and ends well."""
    result = CliRunner().invoke(app, ["--help"])

    assert result.exit_code == 0
    assert [command for command in COMMANDS if command not in result.output] == []


@pytest.mark.parametrize("command", [*([name] for name in COMMANDS), ["keys", "create"], ["topics", "import"]], ids=" ".join)
def test_each_command_explains_itself(command: list[str]) -> None:
    """Every command has a help page of its own."""
    result = CliRunner().invoke(app, [*command, "--help"])

    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_is_quick_because_nothing_is_imported_for_it() -> None:
    """Building the command line imports no driver, no schema and no settings."""
    heavy = ("asyncpg", "strawberry", "starlette", "uvicorn", "pydantic", "phonenumbers", "joserfc")
    code = f"import sys, gateway.cli; print([name for name in {heavy} if name in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_version() -> None:
    """`--version` prints the version alone."""
    assert CliRunner().invoke(app, ["--version"]).output == f"{__version__}\n"


def test_an_unknown_option_is_a_mistake() -> None:
    """A usage mistake ends with exit code 2."""
    assert CliRunner().invoke(app, ["token", "--colour", "red"]).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("No such thing."), 2),
        (BadUserInput("No such thing."), 2),
        (Overloaded("No such thing."), 1),
        (GatewayError("No such thing."), 1),
    ],
)
def test_a_failure_is_one_sentence(error: GatewayError, code: int) -> None:
    """An error of the gateway becomes one line on standard error and an exit code: 2 for a mistake, 1 for a failure."""
    group = typer.Typer(cls=cli_package._Commands)

    @group.callback()
    def _root() -> None:
        """Without one a single command would be the whole program."""

    @group.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(group, ["fail"])

    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "Error: No such thing.\n")
