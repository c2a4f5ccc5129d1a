"""`profile-gateway serve`: the gateway itself, until it is told to stop.

Owns what must be configured before it starts, and the difference between production and `--dev`. Must not compose anything: that is `app`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.settings import Settings

__all__ = ["DEVELOPMENT_WORKSPACE", "require_production", "require_servable", "serve"]

DEVELOPMENT_WORKSPACE: Final = ("demo", "Demo")
"""Key and name of the workspace that development credentials are for unless they say otherwise."""

_NEEDED: Final = (
    ("database_url", "GATEWAY_DATABASE_URL (postgresql://user:password@host/database)"),
    ("secret_keys", "GATEWAY_SECRET_KEYS (make one: openssl rand -base64 48)"),
    ("jwt_keys", "GATEWAY_JWT_KEYS (a file with your issuer's public keys: curl -o keys.json https://ISSUER/.well-known/jwks.json)"),
    ("jwt_issuer", "GATEWAY_JWT_ISSUER (the exact iss of its tokens)"),
)


def serve(
    *,
    dev: Annotated[bool, typer.Option("--dev", help="Development: keys and Postgres in the data directory, this machine only.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.", show_default="8080")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes behind the one port.", show_default="1")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where development keys and the embedded Postgres live.", show_default=".gateway")
    ] = None,
) -> None:
    """Run the gateway until Ctrl-C or SIGTERM."""
    from gateway.cli.runtime import held_postgres, read_settings

    settings = read_settings(dev=dev or None, host=host, port=port, workers=workers, data_dir=data_dir)
    require_servable(settings)
    if not settings.dev:
        _run(settings)
        return
    with held_postgres(settings) as placed:
        asyncio.run(_ensure_workspace(placed))
        _run(placed, held=settings.database_url is None)


def require_servable(settings: Settings) -> None:
    """Refuse to start half configured, and development mode where others can reach it.

    Raises:
        ConfigurationError: says what is missing.
    """
    from gateway.cli.runtime import refuse_exposure

    if settings.dev:
        refuse_exposure(settings)
    else:
        require_production(settings)


def require_production(settings: Settings) -> None:
    """Refuse to start half configured.

    Raises:
        ConfigurationError: names each setting that is missing and how to get a value for it.
    """
    missing = [text for name, text in _NEEDED if not getattr(settings, name)]
    if missing:
        raise ConfigurationError(f"Set {', '.join(missing)}. To try it on this machine: profile-gateway serve --dev")


def _run(settings: Settings, *, held: bool = False) -> None:
    """`held`: the database is one that we started."""
    if settings.workers == 1:
        from gateway.app import serve as run

        run(settings)
        return
    from gateway.cli.workers import supervise

    url = settings.database_url
    status = supervise(settings, url.get_secret_value() if held and url is not None else None)
    if status:
        raise typer.Exit(status)


async def _ensure_workspace(settings: Settings) -> None:
    """Development credentials name a workspace; without it a first token would open nothing."""
    from gateway.auth.workspaces import Workspaces
    from gateway.cli.runtime import open_database

    async with open_database(settings) as (database, _):
        await Workspaces(database).ensure(*DEVELOPMENT_WORKSPACE)
