"""How sources stand: observed by the guard, entered into the streams of workspaces that somebody here reads, at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import SourceTimeout
from gateway.live.changelog import read
from gateway.live.sources import SourceWatch
from gateway.model.change import source_stream
from gateway.model.source import Source, SourceKind, SourceState
from gateway.sources.guard import WATCHERS, guarded

from .conftest import Live

SECONDS = 5.0
INTERVAL = 0.3


@pytest.fixture(name="watch")
async def _watch(live: Live) -> AsyncIterator[SourceWatch]:
    """A watch that enters a source's state at most every 0.3 seconds."""
    watch = SourceWatch(live.database, live.hub, interval=INTERVAL)
    await watch.start()
    yield watch
    await watch.stop()


async def call(*, fails: bool, source: str = "crm") -> None:
    """Ask a source something, under the guard."""

    async def answer() -> Any:
        if fails:
            raise SourceTimeout(source)
        return [1]

    await guarded(source, SourceKind.TRAITS, answer(), 1)


async def entries(live: Live, count: int) -> list[tuple[str | None, tuple[str, ...]]]:
    """The first entries of the workspace's stream of sources."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await read(live.database, source_stream(live.workspace), 0, 100)
            if found is not None and len(found.entries) >= count:
                return [(entry.entity_source, entry.fields) for entry in found.entries]
            await asyncio.sleep(0.01)


async def test_failing_and_coming_back(live: Live, watch: SourceWatch) -> None:
    """A source that fails and comes back makes two entries, however often it is asked; the present state is shown with them."""
    crm = Source("crm", "CRM", (SourceKind.TRAITS,))
    with watch.reading(live.workspace):
        await call(fails=False)
        for _ in range(3):
            await call(fails=True)
        assert await entries(live, 1) == [("crm", ("TIMEOUT",))]
        assert watch.present(crm).state is SourceState.TIMEOUT
        await call(fails=False)
        assert await entries(live, 2) == [("crm", ("TIMEOUT",)), ("crm", ("OK",))]
    shown = watch.present(crm)
    assert (shown.state, shown.last_success_at is not None, shown.latency_ms is not None) == (SourceState.OK, True, True)


async def test_a_source_that_comes_and_goes_does_not_flood(live: Live, watch: SourceWatch) -> None:
    """However often a source changes, its state is entered at most once per interval, and the last one is."""
    loop = asyncio.get_running_loop()
    with watch.reading(live.workspace):
        began = loop.time()
        for number in range(101):
            await call(fails=number % 2 == 0)
            await asyncio.sleep(0.005)
        took = loop.time() - began
        async with asyncio.timeout(SECONDS):
            while watch._told.get("crm") is not SourceState.TIMEOUT:  # noqa: ASYNC110  # nobody announces it
                await asyncio.sleep(0.01)
        found = await entries(live, 1)
    assert 1 <= len(found) <= took / INTERVAL + 2
    assert found[-1] == ("crm", ("TIMEOUT",))


async def test_a_source_that_goes_back_while_it_is_being_entered(live: Live, watch: SourceWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that fails again while its recovery is being entered is entered as failing."""
    enter = watch._log

    async def failing_meanwhile(news: dict[str, SourceState]) -> None:
        await enter(news)
        if news == {"crm": SourceState.OK}:
            await call(fails=True)

    monkeypatch.setattr(watch, "_log", failing_meanwhile)
    with watch.reading(live.workspace):
        await call(fails=True)
        await entries(live, 1)
        await call(fails=False)
        assert [fields for _, fields in await entries(live, 3)] == [("TIMEOUT",), ("OK",), ("TIMEOUT",)]


async def test_nobody_reads_nothing_is_written(live: Live, watch: SourceWatch) -> None:
    """Without a reader in this process nothing is entered, and whoever comes later is not told of the past."""
    await call(fails=True)
    async with asyncio.timeout(SECONDS):
        while watch._told.get("crm") is not SourceState.TIMEOUT:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)
    with watch.reading(live.workspace):
        await call(fails=True, source="mail")
        assert await entries(live, 1) == [("mail", ("TIMEOUT",))]
    assert not watch._readers


async def test_a_stopped_watch_is_not_called(live: Live) -> None:
    """The guard forgets a watch that stopped."""
    watch = SourceWatch(live.database, live.hub)
    await watch.start()
    assert watch.observed in WATCHERS
    await watch.stop()
    assert watch.observed not in WATCHERS


async def test_an_asker_who_left_says_nothing_of_the_source(watch: SourceWatch) -> None:
    """A call that was cancelled is no failure of the source."""
    task = asyncio.create_task(guarded("crm", SourceKind.TRAITS, asyncio.Event().wait(), 1))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watch._seen == {}
