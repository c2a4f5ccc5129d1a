"""The ticker, against a server that writes down what it is sent."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest

from gateway.cli.ticker import Ticker

__all__: list[str] = []

DEADLINE = 20


class _Notebook(BaseHTTPRequestHandler):
    """Answers 200 and keeps path, credentials and body."""

    taken: Queue[tuple[str, str | None, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.taken.put((self.path, self.headers["authorization"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture(name="notebook")
def _notebook() -> Iterator[type[_Notebook]]:
    class Notebook(_Notebook):
        taken: Queue[tuple[str, str | None, dict[str, Any]]] = Queue()
        port = 0

    with ThreadingHTTPServer(("127.0.0.1", 0), Notebook) as server:
        Notebook.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Notebook
        server.shutdown()
        thread.join()


def test_events_keep_coming_with_the_write_key(notebook: Any) -> None:
    """Calls arrive one after another with the write key as the user of HTTP Basic, each a new message, most of them of the first user."""
    ticker = Ticker(f"http://127.0.0.1:{notebook.port}", "pgw_write_x", ["one", "two", "three"], every=0.01)
    ticker.start()
    taken = [notebook.taken.get(timeout=DEADLINE) for _ in range(8)]
    ticker.stop()

    assert {authorization for _, authorization, _ in taken} == {"Basic " + b64encode(b"pgw_write_x:").decode()}
    assert {path for path, _, _ in taken} <= {"/v1/track", "/v1/page", "/v1/identify"}
    assert len({body["messageId"] for _, _, body in taken}) == 8
    assert sum(body["userId"] == "one" for _, _, body in taken) >= 6


def test_a_gateway_that_hangs_up_is_tried_again() -> None:
    """Connections that are cut do not end it: the next event is sent all the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        ticker = Ticker(f"http://127.0.0.1:{server.getsockname()[1]}", "pgw_write_x", ["one"], every=0.01)
        ticker.start()
        for _ in range(2):
            server.accept()[0].close()
        with server.accept()[0] as connection:
            request = connection.recv(1024)
    ticker.stop()

    assert request.startswith(b"POST /v1/")


def test_stopping_ends_it_at_once(notebook: Any) -> None:
    """A ticker that waits for its next tick ends when it is told to, and sends nothing more."""
    ticker = Ticker(f"http://127.0.0.1:{notebook.port}", "pgw_write_x", ["one"], every=3600)
    ticker.start()
    ticker.stop()

    assert not ticker._thread.is_alive()
    assert notebook.taken.empty()
