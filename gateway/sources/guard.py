"""The guard around every call of a source: a deadline, a metric, and errors that name the source and nothing else.

Owns what a caller sees when a source misbehaves. Must not know what is asked. Called by loaders for each source call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from gateway.errors import GatewayError, SourceError, SourceTimeout, SourceUnavailable
from gateway.model.source import SourceKind, SourceState
from gateway.observe import SOURCE_SECONDS

__all__ = ["DEADLINE", "WATCHERS", "guarded", "state_of"]

DEADLINE = 2.0
"""Seconds one call may take in all."""

WATCHERS: set[Callable[[str, SourceState, float], None]] = set()
"""Called after each call of a source with its key, how it stood, and the seconds it took; they must not block."""

T = TypeVar("T")
log = structlog.get_logger()


async def guarded(source: str, kind: SourceKind, call: Awaitable[Sequence[T | SourceError]], count: int) -> Sequence[T | SourceError]:
    """The call's answer, or the same `SourceError` for each of its `count` keys. Never raises for what a source did."""
    started = time.perf_counter()
    state: SourceState | None = None  # unknown, when whoever asked went away
    try:
        async with asyncio.timeout(DEADLINE):
            answer = await call
        if len(answer) != count:
            log.error("source.wrong_length", source=source, kind=kind.value, wanted=count, got=len(answer))
            state = SourceState.ERROR
            return [SourceUnavailable(source)] * count
        state = _state(answer)
        return answer
    except TimeoutError:
        state = SourceState.TIMEOUT
        return [SourceTimeout(source)] * count
    except SourceError as error:
        state = state_of(error)
        return [error] * count
    except GatewayError:
        raise  # not the source's doing: bad input, or our own database
    except Exception as error:  # noqa: BLE001  # an adapter may raise anything; its words stay here
        log.warning("source.failed", source=source, kind=kind.value, error=type(error).__name__)
        state = SourceState.ERROR
        return [SourceUnavailable(source)] * count
    finally:
        seconds = time.perf_counter() - started
        SOURCE_SECONDS.labels(source, kind.value).observe(seconds)
        if state is not None:
            for watcher in tuple(WATCHERS):
                watcher(source, state, seconds)


def _state(answer: Sequence[object]) -> SourceState:
    """OK when any key was answered, or none was asked."""
    failed = next((one for one in answer if isinstance(one, SourceError)), None)
    return SourceState.OK if failed is None or any(not isinstance(one, SourceError) for one in answer) else state_of(failed)


def state_of(error: SourceError) -> SourceState:
    """How a source stands after this error."""
    return {"SOURCE_TIMEOUT": SourceState.TIMEOUT, "SOURCE_CIRCUIT_OPEN": SourceState.CIRCUIT_OPEN}.get(error.code, SourceState.ERROR)
