"""Section 6.2.3: subscriptions: the source stream, the response stream, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
type Query { a: Int }
type Subscription { count(to: Int! = 3): Count }
type Count { n: Int! square: Int }
"""
TEXT = "subscription ($to: Int! = 3) { count(to: $to) { n square } }"


async def _counting(_root: Any, _info: Any, to: int) -> AsyncIterator[Any]:
    for number in range(1, to + 1):
        yield Obj(count=Obj(n=number, square=number * number))


def _all(run: Run, text: str, source: Any, **given: Any) -> list[dict[str, Any]]:
    async def go() -> list[dict[str, Any]]:
        return [one async for one in run.events(SDL, text, source, **given)]

    return asyncio.run(go())


def test_each_event_has_one_response(run: Run) -> None:
    """MapSourceToResponseEvent: for each event the selection is executed with the event as the root value, in order."""
    assert _all(run, TEXT, _counting) == [
        {"data": {"count": {"n": 1, "square": 1}}},
        {"data": {"count": {"n": 2, "square": 4}}},
        {"data": {"count": {"n": 3, "square": 9}}},
    ]


def test_the_arguments_of_the_field_make_the_source_stream(run: Run) -> None:
    """CreateSourceEventStream: the root field's arguments are coerced once, and the source stream is made with them."""
    assert _all(run, TEXT, _counting, to=1) == [{"data": {"count": {"n": 1, "square": 1}}}]


def test_a_source_stream_that_ends_ends_the_response_stream(run: Run) -> None:
    """MapSourceToResponseEvent: when the source stream completes, so does the response stream; without events there are no responses."""
    assert _all(run, TEXT, _counting, to=0) == []


def test_an_event_that_goes_wrong_is_one_response_with_errors(run: Run) -> None:
    """ExecuteSubscriptionEvent: errors of one event are that response's; the stream goes on."""

    async def source(*_: Any, **__: Any) -> AsyncIterator[Any]:
        for number in (1, None, 3):
            yield Obj(count=Obj(n=number, square=None))

    said = {"message": "Cannot return null for non-nullable field Count.n.", "at": (1, 49), "path": ["count", "n"]}
    assert _all(run, TEXT, source) == [
        {"data": {"count": {"n": 1, "square": None}}},
        {"data": {"count": None}, "errors": [said]},
        {"data": {"count": {"n": 3, "square": None}}},
    ]


def test_a_source_stream_that_cannot_be_made_is_an_error(run: Run) -> None:
    """CreateSourceEventStream: what its resolver raises is the only response, and has no data."""

    def source(*_: Any, **__: Any) -> AsyncIterator[Any]:
        raise ValueError("There is none.")

    assert _all(run, TEXT, source) == [{"errors": [{"message": "There is none.", "at": (1, 32), "path": ["count"]}]}]


def test_variables_that_do_not_fit_make_no_source_stream(run: Run) -> None:
    """Subscribe: a request error ends it before anything is asked for."""
    (answer,) = _all(run, TEXT, _counting, to="many")
    assert answer == {
        "errors": [{"message": "Variable '$to' has invalid value: Int cannot represent non-integer value: 'many'", "at": (1, 15)}]
    }


def test_what_is_below_is_resolved_for_each_event(run: Run) -> None:
    """ExecuteSubscriptionEvent: resolvers below the root run anew for each event."""
    asked: list[int] = []

    def square(parent: Any, _info: Any) -> int:
        asked.append(parent.n)
        return -1

    answers = _all(run, TEXT, _counting, resolvers={"Count.square": square}, to=2)
    assert [one["data"]["count"]["square"] for one in answers] == [-1, -1]
    assert asked == [1, 2]


def test_unsubscribing_ends_the_source_stream(run: Run) -> None:
    """Unsubscribe: who takes no more responses ends the response stream, and with it the source stream."""
    ended = []

    async def source(*_: Any, **__: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield Obj(count=Obj(n=1, square=1))
        finally:
            ended.append(True)

    async def go() -> None:
        responses = run.events(SDL, TEXT, source)
        assert await anext(responses) == {"data": {"count": {"n": 1, "square": 1}}}
        await responses.aclose()

    asyncio.run(go())
    assert ended == [True]
