"""The adapter against the contract of every source, and against a file that is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from profile_gateway_csv import ADAPTER, Options, Orders

from gateway.errors import ConfigurationError, SourceUnavailable
from gateway.model.source import Source
from gateway.sources.definition import Definition
from gateway.sources.testing import CHECKS, Check, Scene, name_of, run

HEADER = "customer,order,placed_at,total\n"
ORDERS = (
    HEADER
    + """\
C-1,1001,2026-01-05T10:00:00+00:00,19.90
C-1,1002,2026-02-05T10:00:00+00:00,5.00
C-1,1003,2026-02-05T10:00:00+00:00,7.50
C-1,1004,2026-03-01T08:30:00+01:00,120.00
C-2,2001,2026-01-05T10:00:00+00:00,1.00
"""
)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_contract(check: Check, tmp_path: Path) -> None:
    """What every source must do."""

    @asynccontextmanager
    async def scene() -> AsyncIterator[Scene]:
        file = tmp_path / "orders.csv"
        file.write_text(ORDERS)
        yield Scene(Orders("shop", file), people=["C-1", "C-2"])

    run(check, scene)


def test_traits(tmp_path: Path) -> None:
    """The sums are right, and follow the file when it is replaced."""
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS)
    source = Orders("shop", file)

    def sums() -> dict[str, object]:
        return {one.key: one.value for one in asyncio.run(source.traits(["C-1"], None))["C-1"]}  # type: ignore[union-attr]

    assert sums() == {"order_count": 4, "total_spent": 152.4}
    file.write_text(ORDERS + "C-1,1005,2026-03-02T00:00:00Z,0.60\n")
    assert sums() == {"order_count": 5, "total_spent": 153.0}


@pytest.mark.parametrize("text", ["customer\nC-1\n", HEADER + "C-1,1,yesterday,1\n", HEADER + "C-1,1,2026-01-01T00:00:00,1\n", None])
def test_a_wrong_file_is_a_source_that_is_away(tmp_path: Path, text: str | None) -> None:
    """A file that cannot be read fails as an unreachable system does, and names only the source."""
    file = tmp_path / "orders.csv"
    if text is not None:
        file.write_text(text)

    with pytest.raises(SourceUnavailable) as caught:
        asyncio.run(Orders("shop", file).check())
    assert caught.value.source == "shop"


def test_the_gateway_finds_it() -> None:
    """The entry point leads to the adapter; a wrong option is refused with its name."""
    (entry,) = entry_points(group="profile_gateway.sources", name="csv")
    definition = Definition(Source("shop", "Shop", ()), "csv", "account_id", options=Options(file="orders.xls"))

    assert entry.load() is ADAPTER
    with pytest.raises(ConfigurationError, match="file: is a path that ends in"):
        ADAPTER.make(definition)
