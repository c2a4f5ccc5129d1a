"""Live events for the demo: a made-up customer does something every other second.

Owns a thread that sends through the tracking API over HTTP with a write key, as a customer's website would: what a subscriber sees has
come the whole way. Must not touch the database. Called by `demo`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle
from random import Random
from typing import Any, Final
from uuid import uuid4

from gateway.cli.caller import Caller, basic
from gateway.cli.sample.happenings import event, page_view

__all__ = ["Ticker", "made_up_call"]

_EVERY: Final = 2.0
_TRAITS: Final = ("basket_items", "visits_30_days", "minutes_30_days")


class Ticker:
    """Sends until it is stopped; a gateway that does not answer is tried again at the next tick.

    Three of four events are of `user_ids[0]`, whom a newcomer watches: something on the timeline, something in the profile, in turn.
    """

    def __init__(self, base_url: str, write_key: str, user_ids: Sequence[str], every: float = _EVERY) -> None:
        self._caller = Caller(base_url)
        self._authorization = basic(write_key)
        self._user_ids = user_ids
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the call that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(15)

    def _run(self) -> None:
        rng = Random()  # noqa: S311  # made-up data
        turns = cycle(("track", None, "track", "identify"))
        while not self._stop.wait(self._every):
            turn = next(turns)
            call, body = made_up_call(rng, rng.choice(self._user_ids) if turn is None else self._user_ids[0], turn)
            self._caller.post(f"/v1/{call}", self._authorization, body)


def made_up_call(rng: Random, user_id: str, call: str | None = None) -> tuple[str, dict[str, Any]]:
    """One call of the tracking API and its body: an event, a page view, or an identify that changes a trait; any of them unless it is given."""
    body: dict[str, Any] = {"userId": user_id, "messageId": str(uuid4()), "timestamp": datetime.now(UTC).isoformat()}
    call = call or rng.choice(("identify", "page", "page", "track"))
    if call == "identify":
        return call, body | {"traits": {rng.choice(_TRAITS): int(rng.random() * 60)}}
    if call == "page":
        page = page_view(rng)
        return call, body | {"name": page.detail["title"], "properties": page.detail}
    what = event(rng)
    return call, body | {"event": what.type, "properties": what.detail, "context": {"account": what.account} if what.account else {}}
