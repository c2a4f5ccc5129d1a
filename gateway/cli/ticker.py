"""Live events for the demo: a made-up customer does something every other second.

Owns a thread that sends through the tracking API over HTTP with a write key, as a customer's website would: what a subscriber sees has
come the whole way. Must not touch the database. Called by `demo`.
"""

from __future__ import annotations

import http.client
import json
import threading
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from gateway.cli.sample.happenings import event, page_view

__all__ = ["Ticker", "made_up_call"]

_EVERY: Final = 2.0
_TIMEOUT: Final = 5.0
_TRAITS: Final = ("basket_items", "visits_30_days", "minutes_30_days")


class Ticker:
    """Sends until it is stopped; a gateway that does not answer is tried again at the next tick. Every other event is of `user_ids[0]`."""

    def __init__(self, base_url: str, write_key: str, user_ids: Sequence[str], every: float = _EVERY) -> None:
        self.sent = 0
        """Events that the gateway took."""
        self._address = urlsplit(base_url)
        self._authorization = "Basic " + b64encode(f"{write_key}:".encode()).decode()
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
            self._thread.join(_TIMEOUT)

    def _run(self) -> None:
        rng = Random()  # noqa: S311  # made-up data
        number = 0
        while not self._stop.wait(self._every):
            user_id = self._user_ids[0] if number % 2 == 0 else rng.choice(self._user_ids)
            call, body = made_up_call(rng, user_id)
            self.sent += self._send(call, body)
            number += 1

    def _send(self, call: str, body: dict[str, Any]) -> bool:
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=_TIMEOUT)
        headers = {"authorization": self._authorization, "content-type": "application/json"}
        try:
            connection.request("POST", f"/v1/{call}", json.dumps(body), headers)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def made_up_call(rng: Random, user_id: str) -> tuple[str, dict[str, Any]]:
    """One call of the tracking API and its body: a page view, an event, or now and then an identify that changes a trait."""
    body: dict[str, Any] = {"userId": user_id, "messageId": str(uuid4()), "timestamp": datetime.now(UTC).isoformat()}
    choice = rng.random()
    if choice < 0.25:  # noqa: PLR2004  # a quarter
        return "identify", body | {"traits": {rng.choice(_TRAITS): int(rng.random() * 60)}}
    if choice < 0.6:  # noqa: PLR2004  # a good third
        page = page_view(rng)
        return "page", body | {"name": page.detail["title"], "properties": page.detail}
    what = event(rng)
    return "track", body | {"event": what.type, "properties": what.detail, "context": {"account": what.account} if what.account else {}}
