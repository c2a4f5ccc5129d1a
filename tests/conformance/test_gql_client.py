"""`gql`, the Python GraphQL client: queries over HTTP-less WebSocket, and both live streams."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.running import Gateway

TIMELINE = """subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after) {
  __typename ... on LiveEvent { cursor seq } ... on TimelineItemUpserted { isNew item { title source { key } } } } }"""
STATE = """subscription($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) {
  __typename ... on LiveEvent { cursor seq } ... on ProfileUpdated { changedFields profile { firstName traits { nodes { key value } } } } } }"""


def session(gateway: Gateway, token: str) -> Client:
    """A client on one WebSocket."""
    transport = WebsocketsTransport(
        url=gateway.websocket_url,
        init_payload={"Authorization": f"Bearer {token}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    return Client(transport=transport, fetch_schema_from_transport=False)


def identify(user: str, **traits: Any) -> dict[str, Any]:
    """An identify event."""
    return {"type": "identify", "messageId": uuid4().hex, "userId": user, "traits": traits}


async def next_of(events: Any, field: str) -> dict[str, Any]:
    """The next event of a stream."""
    async with asyncio.timeout(10):
        return dict((await anext(events))[field])


async def test_the_next_track_and_the_next_identify_arrive(gateway: Gateway) -> None:
    """One socket, two streams: each delivers its next change and nothing of the other's."""
    token, key = gateway.token(), gateway.write_key()
    gateway.track(key, identify("gql-1", firstName="Ana", email="gql-1@example.com"))
    profile = gateway.query(token, '{ profile(by: {email: "gql-1@example.com"}) { id streamCursor } }')["profile"]
    variables = {"id": profile["id"], "after": profile["streamCursor"]}
    async with session(gateway, token) as client:
        timeline = client.subscribe(GraphQLRequest(TIMELINE, variable_values=variables))
        state = client.subscribe(GraphQLRequest(STATE, variable_values=variables))

        assert (await next_of(timeline, "timelineEvents"))["__typename"] == "StreamReady"
        assert (await next_of(state, "profileEvents"))["__typename"] == "StreamReady"

        gateway.track(key, {"type": "track", "messageId": uuid4().hex, "userId": "gql-1", "event": "Order Completed"})
        gateway.track(key, identify("gql-1", firstName="Anna", plan="gold"))
        item = await next_of(timeline, "timelineEvents")
        update = await next_of(state, "profileEvents")

        assert item["item"] == {"title": "Order Completed", "source": {"key": "tracking"}}
        assert item["isNew"] is True
        assert update["profile"]["firstName"] == "Anna"
        assert {"key": "plan", "value": "gold"} in update["profile"]["traits"]["nodes"]
        assert {"firstName", "traits"} <= set(update["changedFields"])
        assert update["seq"] > item["seq"]

        await timeline.aclose()
        await state.aclose()


async def test_a_refused_operation_leaves_the_socket_and_its_streams_alone(gateway: Gateway) -> None:
    """A bad document is an error for its own operation."""
    token, key = gateway.token(), gateway.write_key()
    gateway.track(key, identify("gql-2", firstName="Ben", email="gql-2@example.com"))
    profile = gateway.query(token, '{ profile(by: {email: "gql-2@example.com"}) { id } }')["profile"]
    async with session(gateway, token) as client:
        timeline = client.subscribe(GraphQLRequest(TIMELINE, variable_values={"id": profile["id"]}))
        await next_of(timeline, "timelineEvents")
        with pytest.raises(TransportQueryError):
            await client.execute(GraphQLRequest("{ nothing }"))
        gateway.track(key, {"type": "track", "messageId": uuid4().hex, "userId": "gql-2", "event": "Still here"})

        assert (await next_of(timeline, "timelineEvents"))["item"]["title"] == "Still here"
        assert (await client.execute(GraphQLRequest("{ viewer { actor { id } } }")))["viewer"]["actor"]["id"] == "ana"

        await timeline.aclose()
