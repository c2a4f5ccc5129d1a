"""Telemetry as an API: every metric and log event of the gateway, named once.

Owns the metrics (Prometheus), the set-up of structured logs and the request id that ties them together. Labels come from closed sets only.
Must not hold a value about a person. Called by every layer; `transport.ops` serves the metrics; docs/telemetry.md is tested against this file.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Any, Final, Literal

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

__all__ = [
    "BELL_HEALTHY",
    "BELL_REBUILDS",
    "BELL_RINGS",
    "ERRORS",
    "EVENTS_DELIVERED",
    "INGEST_ITEMS",
    "LIVE_GAPS",
    "LIVE_LAG",
    "OPERATIONS",
    "OPERATION_SECONDS",
    "PRIVACY_JOBS",
    "REGISTRY",
    "RETENTION_ROWS",
    "SOCKETS",
    "SOURCE_SECONDS",
    "STREAMS",
    "configure_logging",
    "request_id",
]

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

OPERATIONS: Final = Counter("gateway_operations", "GraphQL operations answered.", ("type", "outcome"))
OPERATION_SECONDS: Final = Histogram("gateway_operation_seconds", "Time of a query or mutation.", ("type",), buckets=_FAST)
ERRORS: Final = Counter("gateway_errors", "Errors shown to clients.", ("code",))
SOURCE_SECONDS: Final = Histogram("gateway_source_seconds", "Time of one call of a source.", ("source", "kind"), buckets=_FAST)
PRIVACY_JOBS: Final = Counter("gateway_privacy_jobs", "Privacy jobs that ended.", ("action", "state"))
RETENTION_ROWS: Final = Counter("gateway_retention_rows", "Rows removed because their time was over.", ("table",))
INGEST_ITEMS: Final = Counter("gateway_ingest_items", "Events of the tracking API.", ("outcome",))
SOCKETS: Final = Gauge("gateway_sockets", "Open WebSockets.")
STREAMS: Final = Gauge("gateway_streams", "Streams with at least one local subscriber.")
EVENTS_DELIVERED: Final = Counter("gateway_events_delivered", "Live events given to a subscriber.", ("stream",))
LIVE_GAPS: Final = Counter("gateway_live_gaps", "StreamGap events.", ("reason",))
LIVE_LAG: Final = Histogram("gateway_live_lag_seconds", "Time from a change being logged to its delivery.", buckets=_FAST)
BELL_RINGS: Final = Counter("gateway_bell_rings", "Messages put on the bus.")
BELL_REBUILDS: Final = Counter("gateway_bell_rebuilds", "Times the bus was built anew.")
BELL_HEALTHY: Final = Gauge("gateway_bell_healthy", "1: the bell rings; 0: polling alone delivers.")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request or socket that is being served; on every log line and in every answer's `x-request-id`."""


def _with_request_id(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    current = request_id.get()
    if current:
        event.setdefault("request_id", current)
    return event


def configure_logging(form: Literal["auto", "json", "text"], level: str) -> None:
    """Structured logs on standard error: text for a person, one JSON object per line for a machine. Third-party logs go the same way."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        _with_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = (
        [structlog.dev.ConsoleRenderer()] if text else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
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
