"""`profile-gateway keys create`: an API key, for a program that sends events or for a partner system.

Prints the key alone, once: only its hash is kept. Works beside a running gateway, on GATEWAY_DATABASE_URL, or on the embedded Postgres.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.errors import Unauthenticated

__all__ = ["app", "create"]

app = typer.Typer(help="Keys for programs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keys for programs."""


@app.command()
def create(
    *,
    kind: Annotated[Literal["write", "partner"], typer.Option(help="write: sends events; partner: reads through GraphQL.")] = "write",
    workspace: Annotated[str, typer.Option(help="Key of the workspace it opens; made if there is none.")] = "demo",
    source: Annotated[str, typer.Option(help="What the events of a write key count as.")] = "tracking",
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the gateway.", show_default=".gateway")] = None,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    from gateway.auth.keys import KeyRing
    from gateway.auth.workspaces import Workspaces
    from gateway.cli.runtime import key_secrets, open_database, read_settings

    settings = read_settings(data_dir=data_dir)

    async def run() -> str:
        async with open_database(settings, data_dir_given=data_dir is not None) as (database, place):
            ring = KeyRing(database, key_secrets(settings, place))
            workspaces = Workspaces(database)
            try:
                await workspaces.by_key(workspace)
            except Unauthenticated:
                await workspaces.ensure(workspace, workspace)
                typer.echo(f"Made the workspace {workspace}.", err=True)
            return await ring.create(workspace, kind, source=source)

    typer.echo(asyncio.run(run()))
