"""`profile-gateway migrate`: bring the database up to this version's schema.

Owns the words; the work is `storage.migrate`. Safe to run from several places at once: the second waits for the first.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["migrate"]


def migrate(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="Where the embedded Postgres lives.", show_default=".gateway")] = None,
) -> None:
    """Apply pending migrations to GATEWAY_DATABASE_URL, or to the embedded Postgres."""
    from gateway.cli.runtime import locate, read_settings, server_errors
    from gateway.storage import migrate as migrations

    settings = read_settings(data_dir=data_dir)

    async def run() -> None:
        async with locate(settings, data_dir_given=data_dir is not None) as place:
            with server_errors():
                applied = await migrations.migrate(place.dsn, lambda migration: typer.echo(f"Applying {migration.name} …"))
        known = len(migrations.load())
        typer.echo(f"Applied {len(applied)} migration(s)." if applied else f"Up to date: all {known} migration(s) were applied before.")

    asyncio.run(run())
