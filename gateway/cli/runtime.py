"""What commands share: settings from flags and environment, the guard of development mode, and a database to work on.

Owns where a command finds its Postgres: the one that a gateway runs on the data directory right now, else GATEWAY_DATABASE_URL, else an
embedded one started for the moment. Must not know a command. Called by every command; imported by none of them before it runs, so that
`--help` is quick.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from gateway.auth.development import DevelopmentKeys
from gateway.cli.environment import refuse_unknown
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.storage.database import Database, Limits
from gateway.storage.embedded import EmbeddedPostgres, running_dsn
from gateway.storage.failures import server_errors
from gateway.storage.migrate import Migration, migrate, require_migrated

__all__ = ["Place", "held_postgres", "key_secrets", "locate", "open_database", "read_settings", "refuse_exposure", "server_errors"]

_TRIAL: Final = "To try the gateway on this machine: profile-gateway demo, or serve --dev."

_PATIENT: Final = Limits(acquire=5.0, statement=10.0)
"""Nobody waits at a screen for what a command does; Postgres's own limit of five seconds holds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command's database is. `ours`: an embedded server that we started; `beside`: one that a running gateway has."""

    dsn: str
    ours: bool = False
    beside: bool = False


def read_settings(**flags: Any) -> Settings:
    """The settings: what was given as a flag (not None), else `GATEWAY_<NAME>`, else a file in GATEWAY_SECRETS_DIR, else the default.

    Raises:
        ConfigurationError: a value is not allowed, a name is not a setting, or a secret cannot be read; names it and never repeats a value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    secrets_dir = os.environ.get("GATEWAY_SECRETS_DIR") or None
    try:
        files = [path.name for path in Path(secrets_dir).iterdir()] if secrets_dir else []
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_SECRETS_DIR cannot be read ({error.strerror}): {secrets_dir}.") from None
    refuse_unknown(os.environ, files)
    try:
        return Settings(**{"_secrets_dir": secrets_dir, **given})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0])
        label = f"--{name.replace('_', '-')}" if name in given else f"GATEWAY_{name.upper()}"
        raise ConfigurationError(f"{label}: {first['msg'].removeprefix('Value error, ')}.") from None
    except OSError as error:
        raise ConfigurationError(f"A file in GATEWAY_SECRETS_DIR cannot be read ({error.strerror}): {error.filename}.") from None
    except SettingsError as error:  # names the setting, and no value
        raise ConfigurationError(f"A file in GATEWAY_SECRETS_DIR is not text in UTF-8: {error}.") from None


def refuse_exposure(settings: Settings) -> None:
    """Development mode takes anybody who can read a file for anybody: keep it on this machine.

    Raises:
        ConfigurationError: it would listen on, or write to, another machine.
    """
    if not _is_loopback(settings.host):
        raise ConfigurationError(
            f"Development mode listens on this machine only, not on {settings.host}: use --host 127.0.0.1, or configure the gateway "
            "for production (profile-gateway serve without --dev says what it needs)."
        )
    if settings.database_url is not None and not _is_local(settings.database_url.get_secret_value()):
        raise ConfigurationError(
            "Development mode migrates its database and fills it, so GATEWAY_DATABASE_URL must be on this machine (localhost or a Unix "
            "socket): unset it to use the embedded Postgres."
        )


def key_secrets(settings: Settings, place: Place) -> list[bytes]:
    """The secrets that API keys are hashed with, exactly as the gateway on this database has them.

    Raises:
        ConfigurationError: it has some that were not given, so that a key made here would open nothing.
    """
    if settings.secret_keys:
        return [secret.get_secret_value().encode() for secret in settings.secret_keys]
    developed = settings.dev or (settings.data_dir / "dev-keys.json").exists()
    if place.ours or place.beside or (developed and _is_local(place.dsn)):
        return [DevelopmentKeys.open(settings.data_dir).secret]
    raise ConfigurationError(f"Set GATEWAY_SECRET_KEYS to the secrets of the gateways on this database. {_TRIAL}")


@contextmanager
def held_postgres(settings: Settings) -> Iterator[Settings]:
    """Settings with a database: without a URL an embedded server is started, and stopped when the block ends. Call it from the main thread.

    Raises:
        ConfigurationError: see `EmbeddedPostgres.start`.
    """
    if settings.database_url is not None:
        yield settings
        return
    with asyncio.Runner() as runner:
        server = runner.run(EmbeddedPostgres.start(settings.data_dir))
        try:
            yield settings.model_copy(update={"database_url": SecretStr(server.dsn)})
        finally:
            runner.run(server.stop())


@asynccontextmanager
async def locate(settings: Settings, *, data_dir_given: bool = False) -> AsyncIterator[Place]:
    """The database to work on, for as long as the block lasts.

    A gateway that runs on the data directory comes first, unless GATEWAY_DATABASE_URL is set and the directory is only the default.

    Raises:
        ConfigurationError: the embedded server cannot be started.
    """
    url = settings.database_url
    if url is None or data_dir_given:
        beside = await running_dsn(settings.data_dir)
        if beside is not None:
            yield Place(beside, beside=True)
            return
    if url is not None:
        yield Place(url.get_secret_value())
        return
    async with await EmbeddedPostgres.start(settings.data_dir) as server:
        yield Place(server.dsn, ours=True)


@asynccontextmanager
async def open_database(
    settings: Settings, *, data_dir_given: bool = False, progress: Callable[[Migration], None] = lambda _: None
) -> AsyncIterator[tuple[Database, Place]]:
    """The same, open and migrated; a database that may be in production is not migrated behind its operator's back.

    Raises:
        ConfigurationError: it cannot be used as configured, or migrations are missing.
        Overloaded: it cannot be reached.
    """
    async with locate(settings, data_dir_given=data_dir_given) as place:
        with server_errors():
            if place.ours or (settings.dev and not place.beside):
                await migrate(place.dsn, progress)
            else:
                await require_migrated(place.dsn)
            database = await Database.open(place.dsn, size=2, delivery_size=1, limits=_PATIENT)
        try:
            yield database, place
        finally:
            await database.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_local(url: str) -> bool:
    """Whether every server the URL may lead to is on this machine: loopback or a Unix socket. What is unclear is not."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "service" in query or "PGSERVICE" in os.environ:
        return False
    places = [place.rpartition("@")[2] for place in parts.netloc.rpartition("@")[2].split(",") if place]
    hosts = [place[1:].partition("]")[0] if place.startswith("[") else unquote(place.partition(":")[0]) for place in places]
    hosts += [host for value in (*query.get("host", ()), *query.get("hostaddr", ())) for host in value.split(",")]
    if not hosts:
        hosts = os.environ.get("PGHOST", "localhost").split(",")
    return all(host.startswith("/") or _is_loopback(host) for host in hosts)
