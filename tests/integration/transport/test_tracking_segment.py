"""An unmodified Segment library with the gateway as its host: `segment-analytics-python` against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from segment.analytics import request
from segment.analytics.client import Client

from gateway.model.activity import ExternalActivity, Interaction

if TYPE_CHECKING:
    from .conftest import Ingest


@contextmanager
def segment(key: str, host: str, **options: Any) -> Iterator[tuple[Client, list[Exception]]]:
    """A client as an application makes it, and the errors it reports."""
    errors: list[Exception] = []
    client = Client(key, host=host, on_error=lambda error, _: errors.append(error), upload_interval=0.05, max_retries=1, **options)
    try:
        yield client, errors
    finally:
        client.join()
        request._session.close()


async def sent(ingest: Ingest, host: str, work: Callable[[Client], object], **options: Any) -> list[Exception]:
    """Let an application work with a client in its own thread until everything is sent; the errors reported meanwhile."""

    def application() -> list[Exception]:
        with segment(ingest.key, host, **options) as (client, errors):
            work(client)
            client.flush()
            return errors

    async with asyncio.timeout(20):
        return await asyncio.to_thread(application)


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
async def test_everything_arrives(ingest: Ingest, tracking_server: str, gzip: bool) -> None:
    """Identify, track, page, screen, group and alias of the library arrive as a profile with traits, a timeline and a company."""

    def work(client: Client) -> None:
        client.page(anonymous_id="visitor-1", name="Pricing", properties={"url": "https://shop.example/pricing"})
        client.identify("user-1", {"name": "Ana Bell", "email": "ana@example.com", "plan": "gold"}, anonymous_id="visitor-1")
        client.track("user-1", "Order Completed", {"total": 12.5})
        client.track("user-1", "Live Chat Conversation Ended", {"agent_id": "ag-1", "agent_name": "Kim"})
        client.screen("user-1", name="Cart")
        client.group("user-1", "acme", {"name": "Acme"})
        client.alias("old-visitor", "user-1")

    assert await sent(ingest, tracking_server, work, gzip=gzip) == []
    (owner,) = await ingest.found_by_email("ana@example.com")
    profile, items = await ingest.profile(owner), await ingest.timeline(owner)
    (memberships,) = await ingest.native.memberships(ingest.workspace, [owner])

    assert {
        await ingest.owner(*key) for key in (("user_id", "user-1"), ("anonymous_id", "visitor-1"), ("anonymous_id", "old-visitor"))
    } == {owner}
    assert (profile.first_name, profile.last_name, await ingest.traits(owner)) == ("Ana", "Bell", {"plan": "gold"})
    assert sorted(item.type for item in items) == ["Live Chat Conversation Ended", "Order Completed", "Page Viewed", "Screen Viewed"]
    assert [item.properties for item in items if isinstance(item, ExternalActivity) and item.type == "Order Completed"] == [{"total": 12.5}]
    assert [item.agent and item.agent.display_name for item in items if isinstance(item, Interaction)] == ["Kim"]
    assert not isinstance(memberships, Exception)
    assert [member.company.name for member in memberships] == ["Acme"]
    assert await ingest.count("profile") == 1


async def test_what_the_library_sends_twice_counts_once(ingest: Ingest, tracking_server: str) -> None:
    """Events repeated with their message ids, as after a lost answer, are taken in once and reported as success."""

    def work(client: Client) -> None:
        for _ in range(3):
            client.track("user-1", "Order Completed", message_id="order-1")
            client.flush()

    assert await sent(ingest, tracking_server, work) == []
    assert len(await ingest.timeline(await ingest.owner("user_id", "user-1"))) == 1


async def test_a_rejected_event_is_not_sent_again(ingest: Ingest, tracking_server: str) -> None:
    """A bad event among good ones is no error to the library, and the good ones arrive."""

    def work(client: Client) -> None:
        client.track("user-1", "x" * 200)
        client.track("user-1", "Order Completed")

    assert await sent(ingest, tracking_server, work) == []
    assert [item.type for item in await ingest.timeline(await ingest.owner("user_id", "user-1"))] == ["Order Completed"]


async def test_a_wrong_key_is_reported(ingest: Ingest, tracking_server: str) -> None:
    """The library tells its application that the key is wrong, at once."""

    def application() -> list[Exception]:
        with segment("wrong", tracking_server) as (client, errors):
            client.track("user-1", "Order Completed")
            client.flush()
            return errors

    async with asyncio.timeout(20):
        (error,) = await asyncio.to_thread(application)
    assert getattr(error, "status", None) == 401
    assert await ingest.count("profile") == 0


async def test_many_events_of_one_client(ingest: Ingest, tracking_server: str) -> None:
    """A thousand events in batches of a hundred arrive completely and in order."""

    def work(client: Client) -> None:
        for number in range(1000):
            client.track("user-1", "Counted", {"number": number})

    assert await sent(ingest, tracking_server, work, gzip=True) == []
    items = await ingest.timeline(await ingest.owner("user_id", "user-1"))
    assert sorted(item.properties["number"] for item in items if isinstance(item, ExternalActivity)) == list(range(1000))
