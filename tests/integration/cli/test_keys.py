"""`keys create`, as a shell uses it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

from gateway.auth.development import DevelopmentKeys
from gateway.auth.keys import KeyRing
from gateway.auth.principal import Role
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres, running_dsn

__all__: list[str] = []

Run = Callable[..., subprocess.CompletedProcess[str]]
SECRET = "a secret that is long enough for a key"


async def test_a_key_alone_beside_a_running_gateway(command: Run, running: Path) -> None:
    """Beside a gateway that holds the directory it prints one line: a key that this gateway takes; that the workspace is new is said apart."""
    done = await asyncio.to_thread(command, "keys", "create", "--workspace", "shop", "--source", "web-shop", "--data-dir", str(running))
    dsn = await running_dsn(running)
    assert dsn is not None
    database = await Database.open(dsn)
    try:
        principal = await KeyRing(database, [DevelopmentKeys.open(running).secret]).verify(done.stdout.removesuffix("\n"))
    finally:
        await database.close()

    assert (done.returncode, done.stderr) == (0, "Made the workspace shop.\n")
    assert (principal.role, principal.workspace_key, principal.source) == (Role.SERVICE, "shop", "web-shop")


async def test_a_partner_key_for_a_database_by_url(command: Run, database: Database, dsn: str) -> None:
    """With GATEWAY_DATABASE_URL the key is hashed with GATEWAY_SECRET_KEYS, and no embedded server is started."""
    done = await asyncio.to_thread(command, "keys", "create", "--kind", "partner", GATEWAY_DATABASE_URL=dsn, GATEWAY_SECRET_KEYS=SECRET)
    principal = await KeyRing(database, [SECRET.encode()]).verify(done.stdout.strip())

    assert (principal.role, principal.workspace_key) == (Role.PARTNER, "demo")


def test_a_key_on_a_directory_where_nothing_runs(command: Run, tmp_path: Path) -> None:
    """Where no gateway runs the embedded server is started for the moment and gone afterwards; the key is there when one starts."""
    done = command("keys", "create", "--data-dir", "data")
    data_dir = tmp_path / "data"

    async def verify() -> str:
        assert await running_dsn(data_dir) is None
        async with await EmbeddedPostgres.start(data_dir) as server:
            database = await Database.open(server.dsn)
            try:
                return (await KeyRing(database, [DevelopmentKeys.open(data_dir).secret]).verify(done.stdout.strip())).workspace_key
            finally:
                await database.close()

    assert done.returncode == 0, done.stderr
    assert asyncio.run(verify()) == "demo"


def test_without_the_secrets_of_the_gateway_no_key_is_made(command: Run, dsn: str) -> None:
    """A database by URL whose gateways' secrets are not given: refused, and told what to set."""
    done = command("keys", "create", GATEWAY_DATABASE_URL=dsn)

    assert (done.returncode, done.stdout) == (2, "")
    assert "GATEWAY_SECRET_KEYS" in done.stderr


def test_a_source_that_is_not_one(command: Run, dsn: str) -> None:
    """The gateway's own source cannot be claimed by a key."""
    done = command("keys", "create", "--source", "native", GATEWAY_DATABASE_URL=dsn, GATEWAY_SECRET_KEYS=SECRET)

    assert (done.returncode, done.stdout) == (2, "")
    assert "native" in done.stderr
