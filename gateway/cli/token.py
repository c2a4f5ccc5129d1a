"""`profile-gateway token`: an access token of the development gateway on a data directory.

Prints the token alone, so that a shell can take it: `TOKEN=$(profile-gateway token)`. Needs no database and no running gateway. In
production the issuer makes tokens; a gateway without `--dev` takes none of these.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["token"]


def token(
    *,
    role: Annotated[Literal["agent", "supervisor", "admin", "partner"], typer.Option(help="What its bearer is.")] = "agent",
    subject: Annotated[str, typer.Option(help="Who its bearer is: a stable id within the workspace.")] = "maria.keller",
    workspace: Annotated[str, typer.Option(help="Key of the workspace it opens.")] = "demo",
    name: Annotated[str | None, typer.Option(help="What a screen calls its bearer.", show_default="the subject")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=24, help="How long it lives.")] = 1.0,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the gateway.", show_default=".gateway")] = None,
) -> None:
    """Print a token for a gateway in development mode."""
    from gateway.auth.development import DevelopmentKeys
    from gateway.auth.principal import Role
    from gateway.cli.runtime import read_settings

    settings = read_settings(data_dir=data_dir)
    signer = DevelopmentKeys.open(settings.data_dir).signer(settings.jwt_audience)
    typer.echo(signer.sign(workspace, subject, Role(role), name=name, lifetime=timedelta(hours=hours)))
