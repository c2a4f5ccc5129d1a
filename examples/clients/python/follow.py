"""Follows one profile and never loses an item: ask for the screen, subscribe behind its cursor, come back behind the last event's."""

import asyncio
import base64
import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

SCREEN = "query($email: EmailAddress!) { profile(by: {email: $email}) { id timeline(last: 20) { nodes { id title } streamCursor } } }"
EVENTS = """subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after) { __typename
  ... on LiveEvent { cursor seq } ... on StreamReady { resumed } ... on StreamGap { gap: reason } ... on StreamGoAway { reason retryAfterMs }
  ... on TimelineItemUpserted { item { id title } } ... on TimelineItemRemoved { itemId } ... on ProfileMerged { profile { id } } } }"""
RENEW = "mutation($token: String!) { refreshSession(token: $token) { actor { id } } }"
OUR_FAULT = {4400, 4401, 4406, 4409, 4429, 1002, 1003, 1007, 1008, 1009}  # close codes that coming back does not mend
PASSING = {"CURSOR_INVALID", "RATE_LIMITED", "OVERLOADED", "OPERATION_TIMEOUT"}  # and every SOURCE_…


async def follow(url: str, email: str, get_token: Callable[[], str], show: Callable[[dict[str, Any]], None]) -> str:
    """Show a person's timeline, each change once and in order, until there is no more to show: the answer says why."""
    profile, after, seen, attempts, refusals = "", None, -1, 0, 0  # keep `after` where you keep what you show
    while True:
        token, pause, leaving = get_token(), 0.0, False
        transport = WebsocketsTransport(url, init_payload={"Authorization": f"Bearer {token}"}, keep_alive_timeout=45)  # pings every 20 s
        try:
            async with Client(transport=transport) as session, AsyncExitStack() as stack:
                stack.callback(asyncio.create_task(renew(session, token, get_token, show)).cancel)
                if after is None:
                    if (found := (await ask(session, show, SCREEN, email=email))["profile"]) is None:
                        return "NOT_FOUND"
                    profile, after = found["id"], found["timeline"]["streamCursor"]
                request = GraphQLRequest(EVENTS, variable_values={"id": profile, "after": after})
                async for answer in session.subscribe(request, get_execution_result=True):
                    event = part(answer)["timelineEvents"]
                    if (kind := event["__typename"]).startswith("TimelineItem") and event["seq"] <= seen:
                        continue  # shown already
                    show(event)
                    if kind == "StreamReady":
                        attempts = refusals = 0
                    elif kind == "StreamGap" and event["gap"] == "PERMISSION_CHANGED":
                        return "PERMISSION_CHANGED"
                    elif kind == "StreamGap":
                        await ask(session, show, SCREEN, email=email)  # all up to this event, perhaps more: know an item by its id
                    elif kind == "StreamGoAway":
                        leaving, pause = True, event["retryAfterMs"] / 1000
                    seen, after = event["seq"], event["cursor"]  # only now that it was handled
                if not leaving:
                    return "ENDED"  # merged into another profile, or erased, or not yours
        except (TransportError, TimeoutError) as failure:
            why, at_least = reason_of(failure)
            after = None if why == "CURSOR_INVALID" else after
            if why in OUR_FAULT or (isinstance(failure, TransportQueryError) and why not in PASSING and "SOURCE_" not in why):
                raise
            if (refusals := refusals + (why == 4403)) > 5:
                return "SIGN_IN_AGAIN"
            pause, attempts = max(at_least, random.random() * min(30.0, 0.5 * 2**attempts)), attempts + 1
            show({"offline": why, "retryInMs": round(pause * 1000)})
        await asyncio.sleep(pause)


async def ask(session: Any, show: Callable[[dict[str, Any]], None], document: str, **variables: Any) -> Any:
    """Ask, show the answer, and give it back."""
    show(data := part(await session.execute(GraphQLRequest(document, variable_values=variables), get_execution_result=True)))
    return data


def part(answer: Any) -> Any:
    """What there is: a source that is away is named in `errors`, beside what the others know."""
    if answer.errors and not any((answer.data or {}).values()):
        raise TransportQueryError(str(answer.errors[0]), errors=answer.errors)
    return answer.data


async def renew(session: Any, token: str, get_token: Callable[[], str], show: Callable[[dict[str, Any]], None]) -> None:
    """Exchange the token before it ends. Where that fails, 4403 comes, and the next connection begins with a fresh one."""
    with suppress(TransportError):
        while True:
            await asyncio.sleep(max(1.0, 0.8 * (json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["exp"] - time.time())))
            await ask(session, show, RENEW, token=(token := get_token()))


def reason_of(failure: Any) -> tuple[Any, float]:
    """The code of a GraphQL error or of a close frame, and the seconds to wait at least."""
    extensions = (getattr(failure, "errors", None) or [{}])[0].get("extensions") or {}
    while failure is not None and not getattr(failure, "rcvd", None):
        failure = failure.__cause__
    return extensions.get("code") or (failure.rcvd.code if failure else "unreachable"), extensions.get("retryAfterMs", 0) / 1000


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:3], lambda: Path(sys.argv[3]).read_text().strip(), lambda news: print(json.dumps(news), flush=True)))
