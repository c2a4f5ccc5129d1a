"""The life of federated sources: what is away does not matter, what must not be used does, and everything opened is closed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError, SourceUnavailable
from gateway.sources import opening
from gateway.sources.adapters.memory import MemoryRemote
from gateway.sources.configuration import SourcesFile
from gateway.sources.opening import open_sources

__all__: list[str] = []

ONE = '[sources.{0}]\nadapter = "memory"\nkinds = ["TRAITS"]\nkeyed_by = "account_id"\n[sources.{0}.memory]\n'
NO_DATABASE: Any = None


@pytest.fixture(name="life")
def _life(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What happened to which source; how a source opens and closes is by its key: away, slow, refused, loud."""
    seen: dict[str, list[str]] = {"opened": [], "closed": []}

    async def open_(self: MemoryRemote) -> None:
        if self._key == "away":
            raise SourceUnavailable(self._key)
        if self._key == "slow":
            await asyncio.get_running_loop().create_future()
        if self._key.startswith("refused"):
            raise ConfigurationError("the role may write; make one that reads")
        seen["opened"].append(self._key)

    async def close(self: MemoryRemote) -> None:
        seen["closed"].append(self._key)
        if self._key == "loud":
            raise RuntimeError("not closed")

    monkeypatch.setattr(MemoryRemote, "open", open_)
    monkeypatch.setattr(MemoryRemote, "close", close)
    monkeypatch.setattr(opening, "_OPEN_SECONDS", 0.05)
    return seen


def file_of(tmp_path: Path, *keys: str) -> SourcesFile:
    """A file with these sources."""
    path = tmp_path / "sources.toml"
    path.write_text("".join(ONE.format(key) for key in keys))
    return SourcesFile(path)


async def test_what_is_away_does_not_stop_the_start(tmp_path: Path, life: dict[str, list[str]]) -> None:
    """A system that fails or does not answer when it is opened is there all the same, after a bounded time; all are closed at the end."""
    async with open_sources(file_of(tmp_path, "away", "slow", "well", "loud"), NO_DATABASE) as sources:
        assert [one.definition.key for one in sources] == ["away", "slow", "well", "loud"]
        assert life == {"opened": ["well", "loud"], "closed": []}
    assert sorted(life["closed"]) == ["away", "loud", "slow", "well"]


async def test_what_must_not_be_used_stops_it(tmp_path: Path, life: dict[str, list[str]]) -> None:
    """Every refusal is told with its place in the file, and what was opened before is closed."""
    with pytest.raises(ConfigurationError) as caught:
        async with open_sources(file_of(tmp_path, "refused-a", "well", "refused-b"), NO_DATABASE):
            pass  # pragma: no cover  # it does not come to that

    assert [line.partition("sources.toml:")[2] for line in caught.value.message.splitlines()] == [
        "5: [sources.refused-a.memory] the role may write; make one that reads.",
        "15: [sources.refused-b.memory] the role may write; make one that reads.",
    ]
    assert sorted(life["closed"]) == ["refused-a", "refused-b", "well"]


async def test_a_disabled_source_is_not_opened(tmp_path: Path, life: dict[str, list[str]]) -> None:
    """It is not among the sources, and nothing is done with its system."""
    path = tmp_path / "sources.toml"
    path.write_text(ONE.format("old").replace("keyed_by", "enabled = false\nkeyed_by") + ONE.format("well"))

    async with open_sources(SourcesFile(path), NO_DATABASE) as sources:
        assert [one.definition.key for one in sources] == ["well"]
    assert life == {"opened": ["well"], "closed": ["well"]}
