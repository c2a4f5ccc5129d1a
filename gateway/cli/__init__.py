"""The command line: `profile-gateway`, one command per module.

Owns the list of commands and how a failure is told: one sentence on standard error, no traceback; exit code 2 for a mistake in how the
gateway was called or configured, 1 for any other failure. Modules of the gateway are imported when a command runs, so that `--help` is
quick.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway import __version__
from gateway.cli import demo, doctor, documents, keys, migrate, plans, schema, seed, serve, sources, token, topics, worker
from gateway.errors import BadUserInput, ConfigurationError, GatewayError

__all__ = ["app", "main"]

_MISTAKE, _FAILURE = 2, 1


class _Commands(TyperGroup):
    """The group of commands, which turns the gateway's errors into a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            typer.secho(f"Error: {error.message}", fg=typer.colors.RED, err=True)
            raise typer.Exit(_MISTAKE if isinstance(error, ConfigurationError | BadUserInput) else _FAILURE) from error


app = typer.Typer(
    name="profile-gateway",
    cls=_Commands,
    epilog="Settings are environment variables, GATEWAY_<NAME>; an option given here comes first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show the values of variables, and some are secrets
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)] = False,
) -> None:
    """One GraphQL schema over every customer data source, kept live on the agent's screen."""


for _command in (demo.demo, doctor.doctor, serve.serve, migrate.migrate, schema.schema, plans.plan, token.token, seed.seed):
    app.command()(_command)
app.command(hidden=True)(worker.worker)
app.add_typer(keys.app, name="keys")
app.add_typer(topics.app, name="topics")
app.add_typer(sources.app, name="sources")
app.add_typer(documents.app, name="documents")


def main() -> None:
    """Run the command line; ends the process."""
    app(prog_name="profile-gateway")
