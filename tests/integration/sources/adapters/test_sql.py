"""The sql adapter against a real Postgres that is not the gateway's: what comes back for whom, and what is refused before anything is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import ConfigurationError, SourceUnavailable
from gateway.model.activity import TimelineKind
from gateway.model.source import SourceKind
from gateway.model.trait import TraitKind
from gateway.sources.adapters.sql import SqlSource
from gateway.sources.contract import LookupKey
from gateway.sources.remote import ItemPage, ItemWindow, TraitRecord
from tests.integration.sources.adapters.sql_scene import ITEMS, Erp, source

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "SELECT no AS key"


@asynccontextmanager
async def opened(erp: Erp, **options: Any) -> AsyncIterator[SqlSource]:
    """A source, open."""
    made = erp.source(**options)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def test_facts_are_matched_by_key_and_keep_their_types(erp: Erp) -> None:
    """Each person's facts come by the key that was asked, as JSON of their type; who is not there is left out, and so is what cannot be written."""
    text = f"""{KEY}, trait, value, seen AS observed_at, 'demographic' AS kind, 0.5 AS confidence
      FROM customer, LATERAL (VALUES ('balance', to_jsonb(balance)), ('tier', to_jsonb(tier)), ('extra', extra)) AS f (trait, value)
      -- what stands behind a comment stays outside of it"""
    async with opened(erp, traits=text) as erp_source:
        found = await erp_source.traits(["2", "1", "9", "01", "x", "1"], None)

    assert set(found) == {"1", "2"}
    rows = found["1"]
    assert not isinstance(rows, SourceUnavailable)
    seen = datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert sorted(rows, key=lambda one: one.key) == [
        TraitRecord("balance", 12.5, seen, TraitKind.DEMOGRAPHIC, None, 0.5),
        TraitRecord("extra", {"a": [1, None]}, seen, TraitKind.DEMOGRAPHIC, None, 0.5),
        TraitRecord("tier", "gold", seen, TraitKind.DEMOGRAPHIC, None, 0.5),
    ]
    assert found["2"] == [TraitRecord("balance", -3, None, TraitKind.DEMOGRAPHIC, None, 0.5)]


async def test_only_wanted_facts_are_asked_for(erp: Erp) -> None:
    """What nobody shows is not fetched, in both forms of the statement; a statement may choose by its own parameters."""
    rows = f"{KEY}, t AS trait, v AS value FROM customer, LATERAL (VALUES ('tier', tier), ('mail', mail)) AS f (t, v) WHERE no = any($1)"
    async with opened(erp, traits=f"{rows} AND ($2 IS NULL OR t = any($2))") as one:
        assert await one.traits(["1", "3"], frozenset({"tier", "none"})) == {
            "1": [TraitRecord("tier", "gold")],
            "3": [TraitRecord("tier", "tin")],
        }
    async with opened(erp, traits_in_columns=f"{KEY}, tier, mail, 'x'::char(3) AS padded FROM customer") as other:
        assert await other.traits(["3"], frozenset({"tier"})) == {"3": [TraitRecord("tier", "tin")]}
        assert len((await other.traits(["3"], None))["3"]) == 3  # type: ignore[arg-type]


async def test_a_page_is_of_each_person(erp: Erp) -> None:
    """`limit` counts for every person, from either end, between two moments with both ends in; the order is total."""
    async with opened(erp, items=ITEMS) as erp_source:
        newest = await erp_source.items(["1", "2", "3"], ItemWindow(3, newest_first=True))
        oldest = await erp_source.items(["1"], ItemWindow(5, since=START + timedelta(hours=1), until=START + timedelta(hours=2)))

    def ids(page: Any) -> list[int]:
        assert isinstance(page, ItemPage)
        return [int(item.id[-4:]) for item in page.items]

    assert (ids(newest["1"]), ids(newest["2"]), "3" in newest) == ([1009, 1008, 1007], [2009, 2008, 2007], False)
    assert [page.is_complete for page in newest.values()] == [False, False]  # type: ignore[union-attr]
    assert ids(oldest["1"]) == [1002, 1003, 1004, 1005]
    page = oldest["1"]
    assert isinstance(page, ItemPage)
    assert page.is_complete
    assert (page.items[0].type, page.items[0].occurred_at, page.items[0].properties) == (
        "Order Completed",
        START + timedelta(hours=1),
        {"total": 2},
    )


async def test_items_by_id_and_by_kind(erp: Erp) -> None:
    """An item is found by its person and its id together; kinds that are not wanted are not fetched, and hide nothing behind them."""
    text = ITEMS.replace("'Order Completed' AS type", "'Order Completed' AS type, CASE WHEN total < 8 THEN 'web' END AS kind")
    first, foreign = "00000000-0000-4000-8000-000000001000", "00000000-0000-4000-8000-000000002000"
    async with opened(erp, items=text) as erp_source:
        found = await erp_source.items_by_id([("1", first), ("1", foreign), ("1", "nonsense"), ("x", first)])
        page = (await erp_source.items(["1"], ItemWindow(2, newest_first=True, kinds=frozenset({TimelineKind.WEB}))))["1"]
    async with opened(erp, items=ITEMS) as plain:
        assert await plain.items(["1"], ItemWindow(2, kinds=frozenset({TimelineKind.WEB}))) == {}

    assert list(found) == [("1", first)]
    assert isinstance(page, ItemPage)
    assert [item.properties["total"] for item in page.items] == [7, 6]


async def test_the_other_kinds(erp: Erp) -> None:
    """Fields of profiles, notes, companies and who has a value, each by its columns."""
    options = {
        "profiles": f"{KEY}, mail AS first_name, since AS birth_date, seen AS customer_since FROM customer",
        "notes": "SELECT customer AS key, no AS id, body, at AS created_at, no = 2 AS is_pinned FROM remark",
        "companies": "SELECT code AS key, 7 AS id, 'Acme' AS name, 'yes' AS is_main FROM customer",
        "find": {"email": f"{KEY}, mail AS value FROM customer", "code": f"{KEY}, code AS value FROM customer"},
    }
    async with opened(erp, **options) as erp_source:
        assert erp_source.capabilities.kinds == {SourceKind.PROFILE, SourceKind.NOTES, SourceKind.COMPANY, SourceKind.IDENTITY}
        assert erp_source.capabilities.writes == frozenset()
        profiles = await erp_source.profiles(["1", "2"], None)
        notes = await erp_source.notes(["1"], 1)
        companies = await erp_source.companies(["B2", "1"])
        lookups = [
            LookupKey("email", "ana@example.com"),
            LookupKey("email", "no@example.com"),
            LookupKey("code", "C3"),
            LookupKey("phone", "1"),
        ]
        found = await erp_source.find(lookups)
        assert (await erp_source.check()).startswith("PostgreSQL 1")

    assert profiles["1"].values == {  # type: ignore[union-attr]
        "first_name": "ana@example.com",
        "birth_date": date(2020, 2, 3),
        "customer_since": datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC),
    }
    assert profiles["2"].values == {"first_name": "bo@example.com"}  # type: ignore[union-attr]
    assert [(one.id, one.body, one.created_at, one.is_pinned) for one in notes["1"]] == [  # type: ignore[union-attr]
        ("2", "Likes pens.", datetime(2026, 1, 2, 10, tzinfo=UTC), True)
    ]
    assert [(key, one[0].id, one[0].is_main) for key, one in companies.items()] == [("B2", "7", True)]  # type: ignore[index]
    assert found == {lookups[0]: ["1", "3"], lookups[1]: [], lookups[2]: ["3"]}


async def test_what_is_too_much_is_no_answer(erp: Erp) -> None:
    """A person with a row that is too long has an error, nobody else; an answer of too many rows is none at all."""
    notes = "SELECT customer AS key, no AS id, body, at AS created_at FROM remark"
    async with opened(erp, notes=notes, max_bytes=1000) as short:
        found = await short.notes(["1", "2"], 5)
    assert len(found["1"]) == 2  # type: ignore[arg-type]
    assert isinstance(found["2"], SourceUnavailable)

    async with opened(erp, items=ITEMS, max_rows=5) as few:
        assert len((await few.items(["1"], ItemWindow(5)))["1"].items) == 5  # type: ignore[union-attr]
        with pytest.raises(SourceUnavailable):
            await few.items(["1"], ItemWindow(6))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"traits": "SELECT no AS key, tier FROM customer"},
            "traits: the statement lacks trait, value; it must have key, trait, value and may",
        ),
        (
            {"items": ITEMS.replace("AS properties", "AS total")},
            "items: the statement has a column nobody knows: total; it must have key, id,",
        ),
        ({"profiles": "SELECT no AS key FROM customer"}, "profiles: the statement tells nothing but the key"),
        ({"profiles": "SELECT no AS key, mail AS locale, tier AS locale FROM customer"}, "profiles: the statement has twice locale"),
        (
            {"traits_in_columns": "SELECT balance AS key, tier FROM customer"},
            "of the type numeric, by which nobody is looked up: make text of it",
        ),
        ({"find": {"email": "SELECT no AS key, nowhere AS value FROM customer"}}, 'find.email: .*column "nowhere" does not exist'),
        ({"traits_in_columns": "SELECT 1 AS key, word FROM secret"}, "traits_in_columns: .*permission denied for table secret"),
        (
            {"profiles": "INSERT INTO secret VALUES ('x') RETURNING word AS key, word AS locale"},
            "profiles: Postgres does not take this as one",
        ),
        (
            {"profiles": "WITH w AS (DELETE FROM secret RETURNING word) SELECT word AS key, word AS locale FROM w"},
            "does not take this as one",
        ),
        ({"profiles": "SELECT 1 AS key, 'x' AS locale) AS q; DROP TABLE secret; --"}, "does not take this as one SELECT"),
        ({"profiles": "SELECT 1 AS key, 'x' AS locale; SELECT 1"}, "does not take this as one SELECT"),
    ],
)
async def test_a_statement_that_cannot_be_asked_is_refused(erp: Erp, options: dict[str, Any], words: str) -> None:
    """Whatever is not one SELECT with the columns that are wanted is refused at the opening, with what would do."""
    made = erp.source(**options)
    with pytest.raises(ConfigurationError, match=words):
        await made.open()
    await made.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool": 21}, "pool: is between 1 and 20"),
        ({"statement_timeout": 0}, "statement_timeout: is between"),
        ({"max_rows": 0}, "max_rows: is between"),
        ({"traits": "x", "traits_in_columns": "y"}, "traits_in_columns: there is traits already"),
        ({}, "there is no statement; write at least one of profiles, traits"),
    ],
)
async def test_options_that_cannot_be_used(options: dict[str, Any], words: str) -> None:
    """They are refused before anything is connected."""
    with pytest.raises(ConfigurationError, match=words):
        source(dsn={"env": "NOWHERE"}, **options)


async def test_an_address_that_is_none_is_refused_without_being_shown(erp: Erp) -> None:
    """The operator learns what an address is like; the password is not repeated."""
    (erp.place / "wrong").write_text("postgresql://me:hunter2@/x?sslmode=sideways")
    made = source(dsn={"file": str(erp.place / "wrong")}, profiles="SELECT 1")
    with pytest.raises(ConfigurationError, match="dsn: is not like postgresql://") as refused:
        await made.open()
    assert "hunter2" not in refused.value.message
    await made.close()
