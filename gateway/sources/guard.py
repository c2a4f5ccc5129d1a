"""The guard around every call of a source: a deadline, a metric, and errors that name the source and nothing else.

Owns what a caller sees when a source misbehaves. Must not know what is asked. Called by loaders for each source call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import structlog

from gateway.errors import GatewayError, SourceError, SourceTimeout, SourceUnavailable
from gateway.model.source import SourceKind, SourceState
from gateway.observe import SOURCE_SECONDS

__all__ = ["DEADLINE", "guarded", "state_of"]

DEADLINE = 2.0
"""Seconds one call may take in all."""

T = TypeVar("T")
log = structlog.get_logger()


async def guarded(source: str, kind: SourceKind, call: Awaitable[Sequence[T | SourceError]], count: int) -> Sequence[T | SourceError]:
    """The call's answer, or the same `SourceError` for each of its `count` keys. Never raises for what a source did."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(DEADLINE):
            answer = await call
        if len(answer) != count:
            log.error("source.wrong_length", source=source, kind=kind.value, wanted=count, got=len(answer))
            return [SourceUnavailable(source)] * count
        return answer
    except TimeoutError:
        return [SourceTimeout(source)] * count
    except SourceError as error:
        return [error] * count
    except GatewayError:
        raise  # not the source's doing: bad input, or our own database
    except Exception as error:  # noqa: BLE001  # an adapter may raise anything; its words stay here
        log.warning("source.failed", source=source, kind=kind.value, error=type(error).__name__)
        return [SourceUnavailable(source)] * count
    finally:
        SOURCE_SECONDS.labels(source, kind.value).observe(time.perf_counter() - started)


def state_of(error: SourceError) -> SourceState:
    """How a source stands after this error."""
    return {"SOURCE_TIMEOUT": SourceState.TIMEOUT, "SOURCE_CIRCUIT_OPEN": SourceState.CIRCUIT_OPEN}.get(error.code, SourceState.ERROR)
