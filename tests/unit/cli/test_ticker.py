"""What the demo's ticker sends."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import orjson

from gateway.cli.ticker import made_up_call
from gateway.transport.segment.event import Arrival, read_event

__all__: list[str] = []


def test_every_call_is_one_the_tracking_api_takes() -> None:
    """Of two hundred made-up calls none is refused or warned about, and there are pages, events and identifies among them."""
    rng = Random(1)
    calls = [made_up_call(rng, "cust-1001") for _ in range(200)]
    readings = [read_event(orjson.dumps(body), call, Arrival(datetime.now(UTC), None, None)) for call, body in calls]

    assert [(reading.problem, reading.warnings) for reading in readings if reading.problem or reading.warnings] == []
    assert {call for call, _ in calls} == {"identify", "page", "track"}
