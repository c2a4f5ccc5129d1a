"""What every system elsewhere must do, asked of the sql adapter on a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.sources.contract import LookupKey
from gateway.sources.testing import CHECKS, Check, Scene, name_of, run
from tests.integration.sources.adapters.sql_scene import ITEMS, Erp

__all__: list[str] = []


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_sql_adapter_keeps_the_contract(erp: Erp, check: Check) -> None:
    """All of it, for people known by a number."""

    @asynccontextmanager
    async def scene() -> AsyncIterator[Scene]:
        source = erp.source(
            profiles="SELECT no AS key, mail AS first_name, since AS birth_date FROM customer",
            traits="SELECT no AS key, t AS trait, v AS value FROM customer, LATERAL (VALUES ('tier', tier), ('mail', mail)) AS f (t, v)",
            notes="SELECT customer AS key, no AS id, body, at AS created_at FROM remark",
            items=ITEMS,
            companies="SELECT no AS key, code AS id, code AS name FROM customer",
            find={"email": "SELECT no AS key, mail AS value FROM customer"},
        )
        lookups = {LookupKey("email", "ana@example.com"): ["1", "3"], LookupKey("email", "bo@example.com"): ["2"]}
        yield Scene(source, ["1", "2"], lookups=lookups)

    run(check, scene)
