"""Telemetry as an API: every metric and log event of the gateway, named once.

Owns the metrics (Prometheus), the set-up of structured logs and the request id that ties them together. Labels come from closed sets only.
Must not hold a value about a person. Called by every layer; `transport.ops` serves the metrics; docs/telemetry.md is tested against this file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from contextvars import ContextVar
from typing import Any, Final, Literal, TextIO, cast

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = [
    "BELL_FOREIGN",
    "BELL_HEALTHY",
    "BELL_OVERFLOWS",
    "BELL_REBUILDS",
    "BELL_RINGS",
    "BELL_RINGS_LOST",
    "CONNECTIONS_REFUSED",
    "DOCUMENTS",
    "DOCUMENTS_OVER_LIMIT",
    "ERRORS",
    "EVENTS_DELIVERED",
    "FEED_HELD_UP",
    "INGEST_ITEMS",
    "LIVE_GAPS",
    "LIVE_HOLES",
    "LIVE_LAG",
    "LOOP_LAG",
    "OPERATIONS",
    "OPERATION_SECONDS",
    "PAGES_HEALED",
    "PRIVACY_JOBS",
    "REFERENCE_EXECUTIONS",
    "REGISTRY",
    "REQUESTS_REFUSED",
    "RETENTION_ROWS",
    "SOCKETS",
    "SOCKET_CLOSES",
    "SOURCE_CALLS",
    "SOURCE_CIRCUIT",
    "SOURCE_DROPPED",
    "SOURCE_EVENTS",
    "SOURCE_POLLS",
    "SOURCE_RETRIES",
    "SOURCE_SECONDS",
    "SOURCE_STATES",
    "SOURCE_UP",
    "SOURCE_WAITING",
    "STREAMS",
    "configure_logging",
    "exposition",
    "request_id",
]

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

OPERATIONS: Final = Counter("gateway_operations", "GraphQL operations answered.", ("type", "outcome"))
OPERATION_SECONDS: Final = Histogram("gateway_operation_seconds", "Time of a query or mutation.", ("type",), buckets=_FAST)
REFERENCE_EXECUTIONS: Final = Counter(
    "gateway_reference_executions", "Executions that no plan was made for, by why; first_sight: it comes with the next.", ("reason",)
)
ERRORS: Final = Counter("gateway_errors", "Errors shown to clients.", ("code",))
DOCUMENTS: Final = Counter(
    "gateway_documents", "Operations where there are trusted documents, by whether theirs is one.", ("client", "document")
)
DOCUMENTS_OVER_LIMIT: Final = Counter(
    "gateway_documents_over_limit", "Operations over a limit of documents, refused or told.", ("code", "outcome")
)
SOURCE_SECONDS: Final = Histogram("gateway_source_seconds", "Time of one call of a source.", ("source", "kind"), buckets=_FAST)
SOURCE_CALLS: Final = Counter("gateway_source_calls", "Calls of a system elsewhere that ended.", ("source", "outcome"))
SOURCE_RETRIES: Final = Counter("gateway_source_retries", "Calls of a system elsewhere that were made once more.", ("source",))
SOURCE_CIRCUIT: Final = Gauge(
    "gateway_source_circuit",
    "0: the source is asked; 1: it is tried again; 2: it is given a rest.",
    ("source",),
    multiprocess_mode="livemax",
)
SOURCE_WAITING: Final = Gauge(
    "gateway_source_waiting", "Calls of a source that wait until another has ended.", ("source",), multiprocess_mode="livesum"
)
SOURCE_DROPPED: Final = Counter("gateway_source_records_dropped", "Records of a source that were not used.", ("source", "reason"))
SOURCE_EVENTS: Final = Counter(
    "gateway_source_events", "Messages that systems elsewhere sent, by what became of them.", ("source", "outcome")
)
SOURCE_POLLS: Final = Counter("gateway_source_polls", "Watched profiles that a source was asked about.", ("source", "outcome"))
SOURCE_UP: Final = Gauge(
    "gateway_source_up", "1: the source's last call succeeded; 0: it did not.", ("source",), multiprocess_mode="livemin"
)
SOURCE_STATES: Final = Counter("gateway_source_states", "Times a source went into a state, as this process saw it.", ("source", "state"))
PAGES_HEALED: Final = Counter("gateway_pages_healed", "Open pages that got what they missed while a source failed.", ("source",))
PRIVACY_JOBS: Final = Counter("gateway_privacy_jobs", "Privacy jobs that ended.", ("action", "state"))
RETENTION_ROWS: Final = Counter("gateway_retention_rows", "Rows removed because their time was over.", ("table",))
INGEST_ITEMS: Final = Counter("gateway_ingest_items", "Events of the tracking API.", ("outcome",))
CONNECTIONS_REFUSED: Final = Counter(
    "gateway_connections_refused", "WebSockets and event streams refused, by the limit reached.", ("limit",)
)
SOCKET_CLOSES: Final = Counter("gateway_socket_closes", "WebSockets that the gateway closed, by close code.", ("code",))
REQUESTS_REFUSED: Final = Counter(
    "gateway_requests_refused", "Requests refused before anybody looked at them, by HTTP status.", ("status",)
)
LOOP_LAG: Final = Histogram("gateway_loop_lag_seconds", "How late the event loop came to what was due ten times a second.", buckets=_FAST)
SOCKETS: Final = Gauge("gateway_sockets", "Open WebSockets.", multiprocess_mode="livesum")
STREAMS: Final = Gauge("gateway_streams", "Streams with at least one local subscriber.", multiprocess_mode="livesum")
EVENTS_DELIVERED: Final = Counter("gateway_events_delivered", "Live events given to a subscriber.", ("stream",))
LIVE_GAPS: Final = Counter("gateway_live_gaps", "StreamGap events.", ("reason",))
FEED_HELD_UP: Final = Gauge(
    "gateway_feed_held_up_seconds",
    "Age of the oldest writing transaction of the server, for which the workspace feed waits.",
    multiprocess_mode="livemax",
)
LIVE_HOLES: Final = Counter("gateway_live_holes", "Numbers that a stream's log lacked: look at the database.")
LIVE_LAG: Final = Histogram("gateway_live_lag_seconds", "Time from a change being logged to its delivery.", buckets=_FAST)
BELL_RINGS: Final = Counter("gateway_bell_rings", "Messages put on the bus.")
BELL_RINGS_LOST: Final = Counter("gateway_bell_rings_lost", "Messages that could not be put on the bus in time; the poll delivers.")
BELL_FOREIGN: Final = Counter("gateway_bell_foreign", "Messages on the bus that were none of ours, ignored.")
BELL_OVERFLOWS: Final = Counter("gateway_bell_overflows", "Times more was heard at once than is kept: every stream was looked at.")
BELL_REBUILDS: Final = Counter("gateway_bell_rebuilds", "Times the bus was built anew.")
BELL_HEALTHY: Final = Gauge("gateway_bell_healthy", "1: the bell rings; 0: polling alone delivers.", multiprocess_mode="livemin")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request or socket that is being served; on every log line and in every answer's `x-request-id`."""


def _with_request_id(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    current = request_id.get()
    if current:
        event.setdefault("request_id", current)
    return event


def exposition() -> bytes:
    """All metrics as Prometheus reads them: of this process, or of all workers of its supervisor, whichever of them is asked.

    Workers write theirs to files in PROMETHEUS_MULTIPROC_DIR, which the supervisor set before they began.
    """
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class _Log:
    """A stream that may lose its reader: what is written then is lost, and whoever wrote it goes on. A gateway outlives its log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it, if somebody still takes it."""
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        """Pass it on."""
        with contextlib.suppress(OSError):
            self._stream.flush()


def configure_logging(form: Literal["auto", "json", "text"], level: str, worker: int | None = None) -> None:
    """Structured logs on standard error: text for a person, one JSON object per line for a machine. Third-party logs go the same way.

    `worker`: the number of this process among several; on each of its lines.
    """

    def with_worker(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
        return event if worker is None else {**event, "worker": worker}

    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        _with_request_id,
        with_worker,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = (
        [structlog.dev.ConsoleRenderer()] if text else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Log(sys.stderr))),  # a line at once: workers share the stream
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
