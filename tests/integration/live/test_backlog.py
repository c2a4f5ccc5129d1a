"""How long the workspace feed has been held up: measured, said once, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.live.backlog import FeedWatch
from gateway.live.feed import complete
from gateway.observe import FEED_HELD_UP
from gateway.records.feed import read_feed
from gateway.storage.database import connect
from gateway.storage.embedded import EmbeddedPostgres

from .conftest import Live

SECONDS = 10.0


@asynccontextmanager
async def writing(dsn: str) -> AsyncIterator[None]:
    """A transaction that has written and does not end."""
    connection = await connect(dsn, codecs=False, server_settings={"idle_in_transaction_session_timeout": "0"})
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_current_xact_id()")
            yield
    finally:
        connection.terminate()


async def waited(watch: FeedWatch, enough: float) -> float:
    """Seconds of waiting, once they are enough."""
    async with asyncio.timeout(SECONDS):
        while (seconds := await watch.look()) < enough:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.02)
    return seconds


async def none_elsewhere(watch: FeedWatch) -> None:
    """Until no other test's transaction holds anything up."""
    async with asyncio.timeout(SECONDS):
        while await watch.look() > 0:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("where", ["this database", "another database"])
async def test_fault_107_a_long_transaction_holds_up_the_feed_and_no_stream(live: Live, postgres: EmbeddedPostgres, where: str) -> None:
    """While somebody's transaction writes, here or in another database of the server, streams deliver; the feed waits, says for how long, and the
    alarm is raised once; afterwards all is there.
    """
    structlog.reset_defaults()
    stream = await live.profile()
    watch = FeedWatch(live.database, alarm=0.2)
    await none_elsewhere(watch)
    start = (await read_feed(live.database, live.workspace, None, 10)).position
    async with aclosing(complete(live.hub, stream, None)) as feed:
        await anext(feed)
        with capture_logs() as said:
            async with writing(live.database.dsn if where == "this database" else postgres.dsn):
                item = await live.add_item(stream)
                async with asyncio.timeout(2):
                    assert (await anext(feed))[1].entity_id == item  # type: ignore[index]
                await waited(watch, 0.3)
                await watch.look()
                page = await read_feed(live.database, live.workspace, start, 10)
                assert page.changes == []
                assert page.lag_seconds >= 0.3
                assert FEED_HELD_UP._value.get() >= 0.3
            await none_elsewhere(watch)
        assert len((await read_feed(live.database, live.workspace, page.position, 10)).changes) == 1

    events: list[Any] = [line["event"] for line in said if line["event"].startswith("feed.")]
    assert events == ["feed.held_up", "feed.goes_on"]
    assert next(line for line in said if line["event"] == "feed.held_up")["prepared"] is False


async def test_what_our_role_may_not_see_is_timed_by_ourselves(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the age of the oldest transaction is hidden, it counts from when it was first seen to be the oldest."""
    watch = FeedWatch(live.database)
    fetchrow = live.database.fetchrow

    async def blind(*given: Any, **more: Any) -> Any:
        row = await fetchrow(*given, **more)
        return None if row is None else {**dict(row), "seconds": None}

    await none_elsewhere(watch)
    monkeypatch.setattr(live.database, "fetchrow", blind)
    async with writing(live.database.dsn):
        assert await watch.look() == 0  # nothing waits for it yet
        await live.profile()
        await waited(watch, 0.1)
