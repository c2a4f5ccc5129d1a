"""The memory adapter as it is configured: people from TOML and JSON as records, and what is refused."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import ConfigurationError
from gateway.model.source import Source, SourceKind
from gateway.sources.adapters.memory import ADAPTER, MemoryRemote, Options
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Definition
from gateway.sources.remote import ItemWindow

__all__: list[str] = []

TABLE = """
latency = 0.0
[people.A-1]
observed_at = 2026-02-03T00:00:00Z
profile = { first_name = "Ana", birth_date = 1990-05-01, customer_since = 2020-01-01T00:00:00Z }
traits = { plan = "gold", renews_on = 2026-12-01, tags = ["a", "b"] }
find = { email = ["Ana@Example.COM"], account_id = ["A-1"] }
companies = [{ id = "c1", name = "Acme", role = "Buyer", main = true }]
[[people.A-1.items]]
id = "t1"
type = "Ticket"
occurred_at = 2026-01-01T00:00:00+01:00
properties = { due = 2026-01-02, open = true }
"""


def made(text: str) -> MemoryRemote:
    """A source from the text of its table."""
    options = msgspec.convert(tomllib.loads(text), Options)
    remote: Any = ADAPTER.make(Definition(Source("desk", "Desk", tuple(SourceKind)), "memory", "account_id", options=options))
    assert isinstance(remote, MemoryRemote)
    return remote


async def test_people_of_the_table_become_records() -> None:
    """Dates stay dates where the model has them, and become text where JSON goes; values to find people by are normalized."""
    desk = made(TABLE)
    profile: Any = (await desk.profiles(["A-1"], None))["A-1"]
    facts: Any = (await desk.traits(["A-1"], None))["A-1"]
    page: Any = (await desk.items(["A-1"], ItemWindow(10)))["A-1"]
    email = LookupKey("email", "ana@example.com")

    assert profile.values == {"first_name": "Ana", "birth_date": date(1990, 5, 1), "customer_since": datetime(2020, 1, 1, tzinfo=UTC)}
    assert {one.key: one.value for one in facts} == {"plan": "gold", "renews_on": "2026-12-01", "tags": ["a", "b"]}
    assert {one.observed_at for one in facts} == {datetime(2026, 2, 3, tzinfo=UTC)}
    assert [(one.id, one.occurred_at, one.properties) for one in page.items] == [
        ("t1", datetime(2025, 12, 31, 23, tzinfo=UTC), {"due": "2026-01-02", "open": True})
    ]
    assert await desk.find([email, LookupKey("phone", "+14155550100")]) == {email: ["A-1"]}


async def test_people_of_a_file_stand_beside_those_of_the_table(tmp_path: Path) -> None:
    """The same shape as JSON; of two with one key the table's is taken."""
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"A-1": {"traits": {"plan": "basic"}}, "B-2": {"traits": {"plan": "trial"}}}))
    desk = made(f'file = "{file}"\n{TABLE}')

    plans = {key: facts[0].value for key, facts in (await desk.traits(["A-1", "B-2"], frozenset({"plan"}))).items()}  # type: ignore[index,union-attr]
    assert plans == {"A-1": "gold", "B-2": "trial"}
    assert await desk.check() == "2 people in memory"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("error_rate = 2.0", "error_rate: is between 0 and 1"),
        ("latency = -1.0", "latency: is between 0 and 3600 seconds"),
        ("flap = [0.0, 0.0]", "flap: is [seconds of being there, seconds of being away]"),
        ('people.A.find = { email = ["none"] }', "people.A.find.email: This is not an e-mail address"),
        (
            'people.A.items = [{ id = "1", type = "a", occurred_at = 2026-01-01T00:00:00Z, kind = "NOTE" }]',
            "people.A.items: each has an id",
        ),
        ('file = "/none/such.json"', "file: /none/such.json cannot be read"),
        ('file = "pyproject.toml"', "file: pyproject.toml has no people in it"),
    ],
)
def test_what_cannot_be_is_refused(text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key in front."""
    monkeypatch.chdir(Path(__file__).parents[4])
    with pytest.raises(ConfigurationError) as caught:
        made(text)

    assert caught.value.message.startswith(told)


async def test_what_is_written_is_read() -> None:
    """A trait is set and taken away, also of a person who was not known; only a writable one says that it can."""
    desk = made("writable = true")
    await desk.write_trait("N-1", "plan", "gold", "k1")
    set_ = await desk.traits(["N-1"], None)
    await desk.write_trait("N-1", "plan", None, "k2")
    taken = await desk.traits(["N-1"], None)

    assert [one.value for one in set_["N-1"]] == ["gold"]  # type: ignore[union-attr]
    assert taken == {"N-1": []}
    assert desk.capabilities.writes == {SourceKind.TRAITS, SourceKind.NOTES}
    assert made("").capabilities.writes == frozenset()
