"""Telemetry: every metric is documented as it is; logs carry the request id."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from pathlib import Path

import pytest
import structlog
from prometheus_client import Counter, Gauge, Histogram

from gateway import observe

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "telemetry.md"
METRICS = [metric for metric in map(vars(observe).get, observe.__all__) if isinstance(metric, Counter | Gauge | Histogram)]


def shown_name(metric: Counter | Gauge | Histogram) -> str:
    """The name under which the metric is scraped."""
    (family,) = metric.describe()
    return f"{family.name}_total" if isinstance(metric, Counter) else family.name


@pytest.mark.parametrize("metric", METRICS, ids=shown_name)
def test_every_metric_is_documented(metric: Counter | Gauge | Histogram) -> None:
    """docs/telemetry.md has each metric with its type and meaning."""
    (family,) = metric.describe()
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{shown_name(metric)}` | {family.type} |")]

    assert len(rows) == 1
    assert rows[0].endswith(f"| {family.documentation} |")


def test_nothing_is_documented_that_is_not_measured() -> None:
    """Every documented metric exists."""
    documented = set(re.findall(r"^\| `(gateway_\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))

    assert documented == set(map(shown_name, METRICS))


def test_every_log_event_is_documented() -> None:
    """docs/telemetry.md has each event that the code logs, and no other."""
    sources = [path.read_text() for package in ("gateway", "resolvers") for path in (ROOT / package).rglob("*.py")]
    logged = {event for text in sources for event in re.findall(r'\blog\.(?:info|warning|error|exception)\(\s*"([^"]+)"', text)}
    documented = set(re.findall(r"^\| `([a-z_.]+)` \| (?:info|warning|error) \|", DOCUMENT.read_text(), re.MULTILINE))

    assert logged == documented


def test_a_log_line_is_json_with_the_request_id(capfd: pytest.CaptureFixture[str]) -> None:
    """Ours and third parties' lines look the same to a machine."""
    handlers = logging.getLogger().handlers[:]
    try:
        observe.configure_logging("json", "info")
        token = observe.request_id.set("r-1")
        structlog.get_logger().info("hello", count=1)
        logging.getLogger("elsewhere").warning("watch out")
        observe.request_id.reset(token)
    finally:
        logging.getLogger().handlers[:] = handlers
        structlog.reset_defaults()
    ours, theirs = map(json.loads, capfd.readouterr().err.splitlines())

    assert ours["event"] == "hello"
    assert ours["count"] == 1
    assert theirs["event"] == "watch out"
    assert ours["request_id"] == theirs["request_id"] == "r-1"


def test_a_log_that_nobody_reads_any_more_is_lost_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose supervisor was killed has a broken standard error; it must still be able to drain and end."""
    handlers = logging.getLogger().handlers[:]
    reader, writer = os.pipe()
    os.close(reader)
    broken = io.FileIO(writer, "w")
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(broken, write_through=True))
    try:
        observe.configure_logging("json", "info")
        structlog.get_logger().info("hello")
        structlog.get_logger().info("again")
    finally:
        logging.getLogger().handlers[:] = handlers
        broken.close()


def test_a_log_line_is_written_at_once_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several workers write to one stream without mixing their lines: each line goes out in one piece, also where nothing is buffered."""

    class Pieces(io.StringIO):
        def __init__(self) -> None:
            super().__init__()
            self.pieces: list[str] = []

        def write(self, text: str) -> int:
            self.pieces.append(text)
            return len(text)

    handlers = logging.getLogger().handlers[:]
    stream = Pieces()
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        observe.configure_logging("json", "info")
        structlog.get_logger().info("one")
        logging.getLogger("elsewhere").warning("two")
    finally:
        logging.getLogger().handlers[:] = handlers
    assert [json.loads(piece)["event"] for piece in stream.pieces] == ["one", "two"]
    assert all(piece.endswith("\n") for piece in stream.pieces)
