"""`profile-gateway schema`: the GraphQL schema as text, for clients' tools and for comparing.

Owns printing, writing and comparing; the text is `app.schema_text`.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import ConfigurationError, GatewayError

__all__ = ["schema"]

_LINES_SHOWN = 20


def schema(
    *,
    output: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
    check: Annotated[Path | None, typer.Option(help="Only compare it with this file; exit code 1 when they differ.")] = None,
) -> None:
    """Print the GraphQL schema (SDL)."""
    from gateway.app import schema_text

    text = schema_text().rstrip("\n") + "\n"
    if check is not None:
        _compare(check, text)
    elif output is None:
        typer.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{output} cannot be written ({error.strerror}).") from error
        typer.echo(f"Wrote {output}.", err=True)


def _compare(path: Path, text: str) -> None:
    try:
        kept = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}).") from error
    if kept == text:
        typer.echo(f"{path} is up to date.", err=True)
        return
    difference = list(difflib.unified_diff(kept.splitlines(), text.splitlines(), str(path), "the code", lineterm="", n=1))
    typer.echo("\n".join(difference[:_LINES_SHOWN]), err=True)
    raise GatewayError(f"{path} differs from the code; after a look at the change: profile-gateway schema --output {path}")
