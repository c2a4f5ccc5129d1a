"""Between profiles and the keys of systems elsewhere, in a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gateway.errors import ConfigurationError
from gateway.model.attribute import AttributeDefinition, Sensitivity
from gateway.model.ids import make_id
from gateway.sources.keymap import KeyMap, check_key
from gateway.storage.database import Database

__all__: list[str] = []

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
ANA, BEN, OLD, OLDER, GONE = (UUID(int=number) for number in range(10, 15))


class Counted(Database):
    """Counts its statements."""

    statements = 0

    async def fetch(self, sql: str, *args: object, delivery: bool = False) -> list[asyncpg.Record]:
        """As ever."""
        Counted.statements += 1
        return await super().fetch(sql, *args, delivery=delivery)


async def _insert(database: Database, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    async with database.transaction() as connection:
        await connection.copy_records_to_table(table, records=[tuple(row) for row in rows], columns=columns.split())


@pytest.fixture(name="keys")
async def _keys(database: Database) -> KeyMap:
    """Ana, into whom two profiles were merged; Ben, who shares her phone; one that was erased; and Ana's values once more elsewhere."""
    await _insert(
        database,
        "profile",
        "workspace_id id status merged_into",
        [
            (HERE, ANA, "ACTIVE", None),
            (HERE, BEN, "ACTIVE", None),
            (HERE, OLD, "MERGED", ANA),
            (HERE, OLDER, "MERGED", OLD),
            (HERE, GONE, "ERASED", None),
            (ELSEWHERE, BEN, "ACTIVE", None),
        ],
    )
    await _insert(
        database,
        "identifier",
        "workspace_id profile_id id type raw normalized source sealed",
        [
            (HERE, ANA, UUID(int=101), "crm_id", "C-2 ", "C-2", "native", None),
            (HERE, ANA, UUID(int=100), "crm_id", "C-1", "C-1", "native", None),
            (HERE, ANA, UUID(int=102), "iban", "••••", "8f3a", "native", b"sealed"),
            (HERE, GONE, UUID(int=103), "crm_id", "C-9", "C-9", "native", None),
            (ELSEWHERE, BEN, UUID(int=104), "crm_id", "C-1", "C-1", "native", None),
        ],
    )
    await _insert(
        database,
        "contact_point",
        "workspace_id profile_id id channel raw normalized is_primary source",
        [
            (HERE, ANA, UUID(int=200), "VOICE", "1", "+14155550100", False, "native"),
            (HERE, ANA, UUID(int=201), "WHATSAPP", "1", "+14155550100", False, "native"),
            (HERE, ANA, UUID(int=202), "VOICE", "2", "+14155550199", True, "native"),
            (HERE, ANA, UUID(int=203), "EMAIL", "A", "ana@example.com", True, "native"),
            (HERE, BEN, UUID(int=204), "SMS", "1", "+14155550100", True, "native"),
        ],
    )
    await _insert(
        database,
        "lookup",
        "workspace_id key value profile_id exclusive",
        [
            (HERE, "crm_id", "C-1", ANA, True),
            (HERE, "crm_id", "C-2", OLDER, True),
            (HERE, "crm_id", "C-9", GONE, True),
            (HERE, "iban", "8f3a", ANA, True),
            (HERE, "phone", "+14155550100", ANA, False),
            (HERE, "phone", "+14155550100", BEN, False),
            (HERE, "email", "ana@example.com", ANA, False),
            (ELSEWHERE, "crm_id", "C-1", BEN, True),
        ],
    )
    return KeyMap(database)


@pytest.mark.parametrize(
    ("keyed_by", "expected"),
    [
        ("crm_id", [("C-1", "C-2"), (), ()]),
        ("phone", [("+14155550199", "+14155550100"), ("+14155550100",), ()]),
        ("email", [("ana@example.com",), (), ()]),
        ("iban", [(), (), ()]),
        ("loyalty", [(), (), ()]),
        ("profile_id", [tuple(make_id("prf", one) for one in (ANA, OLD, OLDER)), (make_id("prf", BEN),), ()]),
    ],
)
async def test_the_keys_of_profiles(keys: KeyMap, keyed_by: str, expected: list[tuple[str, ...]]) -> None:
    """By type, each once, the primary one or the oldest first; none of an erased profile, and no sealed ones."""
    assert await keys.keys_of(HERE, keyed_by, [ANA, BEN, GONE]) == expected


async def test_a_profile_of_another_workspace_has_no_key(keys: KeyMap) -> None:
    """Whatever it is asked by."""
    for keyed_by in ("crm_id", "phone", "email", "profile_id"):
        assert await keys.keys_of(ELSEWHERE, keyed_by, [ANA, OLD]) == [(), ()]


@pytest.mark.parametrize(
    ("keyed_by", "asked", "expected"),
    [
        ("crm_id", ["C-1", "C-2", " C-1 ", "C-9", "c-1", "C-3", ""], [ANA, ANA, ANA, None, None, None, None]),
        ("phone", ["+1 415 555 0100", "none"], [ANA, None]),
        ("email", ["ANA@example.com"], [ANA]),
        ("iban", ["8f3a\0", "DE02120300000000202051"], [None, None]),
        ("profile_id", [make_id("prf", OLDER), make_id("prf", BEN), make_id("prf", GONE), "prf_x"], [ANA, BEN, None, None]),
    ],
)
async def test_the_owners_of_keys(keys: KeyMap, keyed_by: str, asked: list[str], expected: list[UUID | None]) -> None:
    """Exactly, as values are normalized, through merges to the survivor; nobody's for what nobody living has."""
    assert await keys.owners_of(HERE, keyed_by, asked) == expected


async def test_all_owners_of_a_shared_value(keys: KeyMap) -> None:
    """Families share a phone."""
    assert await keys.all_owners_of(HERE, "phone", ["+14155550100"]) == [(ANA, BEN)]


async def test_a_key_of_another_workspace_is_nobodys(keys: KeyMap) -> None:
    """The same value belongs to somebody else there."""
    assert await keys.owners_of(ELSEWHERE, "crm_id", ["C-1", "C-2"]) == [BEN, None]


async def test_all_who_ask_in_one_turn_share_a_statement(database: Database, keys: KeyMap) -> None:
    """Two sources keyed differently, ten callers and a thousand profiles: one statement; another workspace has its own."""
    counted = KeyMap(database)
    database.__class__ = Counted
    Counted.statements = 0
    many = [UUID(int=number) for number in range(10, 1010)]

    told = await asyncio.gather(
        *(counted.keys_of(HERE, keyed_by, many[start::5]) for keyed_by in ("crm_id", "email") for start in range(5)),
        counted.keys_of(ELSEWHERE, "crm_id", [BEN]),
    )

    assert Counted.statements == 2
    assert told[0][0] == ("C-1", "C-2")
    assert told[5][0] == ("ana@example.com",)
    assert told[-1] == [("C-1",)]


async def test_one_who_goes_away_does_not_take_the_answer_from_the_others(keys: KeyMap) -> None:
    """Not even when that happens in the turn in which both asked."""
    gone, staying = (asyncio.create_task(keys.keys_of(HERE, "crm_id", [ANA])) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()

    assert await staying == [("C-1", "C-2")]
    alone = asyncio.create_task(keys.keys_of(HERE, "crm_id", [ANA]))
    await asyncio.sleep(0)
    alone.cancel()
    assert await keys.keys_of(HERE, "crm_id", [ANA]) == [("C-1", "C-2")]
    with pytest.raises(asyncio.CancelledError):
        await gone


@pytest.mark.parametrize("wrong", ["Crm Id", "crmId", "voice", "name", ""])
def test_what_people_cannot_be_known_by(wrong: str) -> None:
    """Names that are no identifier type are refused before anything starts."""
    with pytest.raises(ConfigurationError):
        check_key(wrong)


def test_a_sensitive_attribute_is_no_key() -> None:
    """Its values are sealed and are sent to nobody."""
    attributes = {"iban": AttributeDefinition("iban", "IBAN", sensitivity=Sensitivity.SENSITIVE)}

    check_key("crm_id", attributes)
    with pytest.raises(ConfigurationError, match="SENSITIVE"):
        check_key("iban", attributes)
