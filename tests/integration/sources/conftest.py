"""Databases that belong to somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio

from gateway.storage.embedded import EmbeddedPostgres
from tests.integration.sources.adapters.sql_scene import ROLES, TABLES, Erp

__all__: list[str] = []

_numbers = count(1)


@pytest_asyncio.fixture(name="erp", scope="module", loop_scope="module")
async def _erp(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Erp]:
    """An ERP with three customers, for a module."""
    name = f"erp_{next(_numbers)}"
    server = Erp(postgres.dsn, name, tmp_path_factory.mktemp("erp"))
    await server.run(f"CREATE DATABASE {name}")
    erp = Erp(postgres.dsn.replace(":///gateway?", f":///{name}?"), name, server.place)
    await erp.run(TABLES + ROLES.format(name))
    yield erp
    await server.run(f"DROP DATABASE {name} WITH (FORCE)")
    roles = [row[0] for row in await server.run("SELECT rolname FROM pg_roles WHERE rolname LIKE $1", name + r"\_%")]
    await server.run(f"DROP ROLE {', '.join(roles)}")
