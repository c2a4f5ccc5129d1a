"""The guard around every call of a source: a deadline, a metric, and errors that name the source and nothing else.

Owns what a caller sees when a source misbehaves. `guarded` stands around what loaders ask of any source; `Guard` stands around each call of a system
elsewhere, with all that such a system needs: places, a queue, one retry, a circuit breaker. Must not know what is asked. Called by loaders and
`federated`.

The retry is a loop of our own rather than stamina's: that one logs the exception as it is, with whatever the system wrote into it, unless its hooks
are turned off for the whole process, and it knows neither the deadline's clock nor what is left of it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from math import inf
from typing import Any, Final, TypeVar

import structlog

from gateway.errors import GatewayError, OutcomeUnknown, Rejected, SourceCircuitOpen, SourceError, SourceTimeout, SourceUnavailable
from gateway.model.source import SourceKind, SourceState
from gateway.observe import SOURCE_CALLS, SOURCE_CIRCUIT, SOURCE_RETRIES, SOURCE_SECONDS
from gateway.sources.breaker import Breaker, Circuit
from gateway.sources.definition import GuardPolicy
from gateway.sources.places import Places, SourceOverloaded

__all__ = ["DEADLINE", "WATCHERS", "Guard", "guarded", "state_of"]

DEADLINE = 2.0
"""Seconds one call may take in all; a source with a guard of its own has its own, and `_MARGIN` for what is the gateway's part of it."""

_MARGIN: Final = 1.0
_PAUSE: Final = (0.05, 0.15)
"""Seconds before a retry, at least and at most."""

WATCHERS: set[Callable[[str, SourceState, float], None]] = set()
"""Called after each call of a source with its key, how it stood, and the seconds it took; they must not block."""

T = TypeVar("T")
log = structlog.get_logger()


class _Outer:
    """The deadline of a call under `guarded`, which the guard of the source that is called may take over.

    What `asyncio.timeout` does, for a call that every screen makes several times: one timer, and nothing else when the answer is there in time.
    """

    __slots__ = ("_cancelling", "_loop", "_task", "_timer", "is_over", "is_taken_over")

    def __init__(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None, "sources are asked in tasks"
        self._task: asyncio.Task[Any] | None = task
        self._cancelling = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._end)
        self.is_over = False
        self.is_taken_over = False

    def take_over(self, seconds: float) -> None:
        """So many seconds from now instead; who took it over keeps the time."""
        if self._task is not None:
            self.is_taken_over = True
            self._timer.cancel()
            self._timer = self._loop.call_later(seconds, self._end)

    def was_it(self) -> bool:
        """Of a cancelled call: whether it was this deadline, and nobody else, who cancelled it."""
        assert self._task is not None, "it has not ended"
        return self.is_over and self._task.uncancel() <= self._cancelling

    def end(self) -> None:
        """The call has ended. Nothing refers to its task any more: what was begun meanwhile, a timer of a pool, may keep the context of this."""
        self._timer.cancel()
        self._task = None

    def _end(self) -> None:
        if self._task is not None:
            self.is_over = True
            self._task.cancel()


_OUTER: ContextVar[_Outer | None] = ContextVar("outer", default=None)


async def guarded(source: str, kind: SourceKind, call: Awaitable[Sequence[T | SourceError]], count: int) -> Sequence[T | SourceError]:
    """The call's answer, or the same `SourceError` for each of its `count` keys. Never raises for what a source did.

    A source that has a `Guard` takes the deadline over, and is measured and watched by that alone.
    """
    started = time.perf_counter()
    state: SourceState | None = None  # unknown, when whoever asked went away
    outer = _Outer(DEADLINE)
    token = _OUTER.set(outer)
    try:
        answer = await call
        if len(answer) != count:
            log.error("source.wrong_length", source=source, kind=kind.value, wanted=count, got=len(answer))
            state = SourceState.ERROR
            return [SourceUnavailable(source)] * count
        state = _state(answer)
        return answer
    except asyncio.CancelledError:
        if not outer.was_it():
            raise
        state = SourceState.TIMEOUT
        return [SourceTimeout(source)] * count
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
        _OUTER.reset(token)
        outer.end()
        if not outer.is_taken_over:
            _tell(source, kind, state, time.perf_counter() - started)


_seconds = cache(SOURCE_SECONDS.labels)
"""By source and kind; to look a metric's child up by its labels takes as long as to count."""


def _tell(source: str, kind: SourceKind, state: SourceState | None, seconds: float) -> None:
    _seconds(source, kind.value).observe(seconds)
    if state is not None:
        for watcher in tuple(WATCHERS):
            watcher(source, state, seconds)


def _state(answer: Sequence[object]) -> SourceState:
    """OK when any key was answered, or none was asked."""
    failed = None
    for one in answer:
        if isinstance(one, SourceError):
            failed = one
            break
    return SourceState.OK if failed is None or any(not isinstance(one, SourceError) for one in answer) else state_of(failed)


def _is_down(answers: Sequence[object]) -> bool:
    """Whether nobody was answered, and asking again might help."""
    return _state(answers) is not SourceState.OK and any(isinstance(one, SourceError) and one.retryable for one in answers)


def state_of(error: SourceError) -> SourceState:
    """How a source stands after this error."""
    return {"SOURCE_TIMEOUT": SourceState.TIMEOUT, "SOURCE_CIRCUIT_OPEN": SourceState.CIRCUIT_OPEN}.get(error.code, SourceState.ERROR)


_OUTCOMES: Final = {
    SourceState.OK: "ok",
    SourceState.TIMEOUT: "timeout",
    SourceState.ERROR: "error",
    SourceState.CIRCUIT_OPEN: "circuit_open",
}


class Guard:
    """Of one system elsewhere. It bounds what a slow or failing one costs: its own part of an answer, never more than `policy.deadline`."""

    def __init__(
        self,
        key: str,
        policy: GuardPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` and `pause`: for tests that wait for nothing."""
        self.key = key
        self.policy = policy
        self.clock = clock
        self.state = SourceState.OK
        self.last_success_at: datetime | None = None
        self.latency_ms: float | None = None
        self._breaker = Breaker(policy, clock)
        self._pause = pause
        self._places = Places(key, policy)
        self._shown = Circuit.CLOSED
        SOURCE_CIRCUIT.labels(key).set(Circuit.CLOSED)

    @property
    def circuit(self) -> Circuit:
        """How the circuit stands."""
        return self._breaker.circuit

    def take_over(self) -> None:
        """Said by a source at the beginning of what `guarded` called: from here on this guard keeps the time and tells how it went."""
        outer = _OUTER.get()
        if outer is not None:
            outer.take_over(self.policy.deadline + _MARGIN)

    async def call(self, kind: SourceKind, ask: Callable[[], Awaitable[T]], *, idempotent: bool = True, until: float | None = None) -> T:
        """What `ask` answers, before the deadline; `until`: a moment of the clock at which it ends at the latest.

        `ask` makes a new call each time. An answer that is a mapping of nothing but `SourceError`s counts as a failure, and is returned.

        Raises:
            SourceTimeout: it did not answer in time, the wait for a place included.
            SourceCircuitOpen: it failed too often and is given a rest.
            SourceUnavailable: it failed, or too many calls wait for it.
            OutcomeUnknown: what is not `idempotent` was begun and did not end well.
            Rejected: it does not take what it was given.
        """
        began = self.clock()
        due = min(began + self.policy.deadline, inf if until is None else until)
        outcome, state = "left", None
        try:
            answer = await self._placed(kind, ask, idempotent, due)
            state = _state(tuple(answer.values())) if isinstance(answer, Mapping) else SourceState.OK
            outcome = _OUTCOMES[state]
            return answer
        except SourceOverloaded:
            outcome = "overloaded"
            raise
        except SourceError as error:
            state = state_of(error)
            outcome = _OUTCOMES[state]
            raise
        except Rejected:
            outcome, state = "rejected", SourceState.OK
            raise
        except OutcomeUnknown:
            outcome, state = "unknown", SourceState.ERROR
            raise
        finally:
            self._ended(kind, outcome, state, self.clock() - began)

    async def _placed(self, kind: SourceKind, ask: Callable[[], Awaitable[T]], idempotent: bool, due: float) -> T:
        """Ask in one of the places, once the circuit lets it through."""
        if self._breaker.is_shut:
            raise self._circuit_open()
        await self._places.take(due - self.clock())
        attempts: list[asyncio.Task[T]] = []
        ticket = self._breaker.admit()
        try:
            if ticket is None:
                raise self._circuit_open()
            self._show_circuit()
            return await self._asked(kind, ask, idempotent, due, ticket, attempts)
        finally:
            if ticket is not None:
                self._breaker.left(ticket)
            self._show_circuit()
            if attempts and not attempts[-1].done():  # it does not let itself be cancelled at once, so the place is still taken
                attempts[-1].add_done_callback(lambda _: self._places.release())
            else:
                self._places.release()

    async def _asked(
        self,
        kind: SourceKind,
        ask: Callable[[], Awaitable[T]],
        idempotent: bool,
        due: float,
        ticket: int,
        attempts: list[asyncio.Task[T]],
    ) -> T:
        """The answer of the call, or of one more; the breaker hears of the last."""
        retries = self.policy.retries if idempotent and self.circuit is Circuit.CLOSED else 0
        while True:
            began = self.clock()
            try:
                answer = await self._attempt(ask, due, attempts)
            except Rejected:
                self._breaker.succeeded(ticket)
                raise
            except Exception as error:  # noqa: BLE001  # an adapter may raise anything; its words stay here
                took, pause = self.clock() - began, random.uniform(*_PAUSE)  # noqa: S311  # jitter, not a secret
                if len(attempts) <= retries and _may_help(error) and self.clock() + pause + took < due:
                    SOURCE_RETRIES.labels(self.key).inc()
                    await self._pause(pause)
                    continue
                self._hear(ticket, is_down=not isinstance(error, SourceError) or error.retryable)
                if not isinstance(error, SourceError):
                    log.warning("source.failed", source=self.key, kind=kind.value, error=type(error).__name__)
                if not idempotent:
                    raise OutcomeUnknown(
                        f"The source {self.key} did not say whether it made the change; look before it is repeated."
                    ) from None
                raise (error if isinstance(error, SourceError) else SourceUnavailable(self.key)) from None
            self._hear(ticket, is_down=isinstance(answer, Mapping) and _is_down(tuple(answer.values())))
            return answer

    def _hear(self, ticket: int, *, is_down: bool) -> None:
        """Tell the breaker; a source that cannot do what was asked is there all the same."""
        if is_down:
            self._breaker.failed(ticket)
        else:
            self._breaker.succeeded(ticket)

    async def _attempt(self, ask: Callable[[], Awaitable[T]], due: float, attempts: list[asyncio.Task[T]]) -> T:
        """One attempt. Whoever does not let itself be cancelled is not waited for."""
        task = asyncio.ensure_future(_run(ask))
        attempts.append(task)
        task.add_done_callback(_heard)
        try:
            await asyncio.wait({task}, timeout=max(0.0, due - self.clock()))
        finally:
            task.cancel()
        if not task.done():
            raise SourceTimeout(self.key)
        if task.cancelled():
            raise SourceUnavailable(self.key)
        return task.result()

    def _circuit_open(self) -> SourceCircuitOpen:
        return SourceCircuitOpen(self.key, retryAfter=round(self._breaker.retry_in, 1))

    def _show_circuit(self) -> None:
        circuit = self._breaker.circuit
        if circuit is self._shown:
            return
        if circuit is Circuit.OPEN:
            log.warning("source.circuit_open", source=self.key, rest=round(self._breaker.retry_in, 1))
        elif circuit is Circuit.CLOSED:
            log.info("source.circuit_closed", source=self.key)
        self._shown = circuit
        SOURCE_CIRCUIT.labels(self.key).set(circuit)

    def _ended(self, kind: SourceKind, outcome: str, state: SourceState | None, seconds: float) -> None:
        SOURCE_CALLS.labels(self.key, outcome).inc()
        if outcome in {"overloaded", "circuit_open"}:  # it was not asked: that took no time
            seconds = 0.0
        else:
            _seconds(self.key, kind.value).observe(seconds)
        if state is None:
            return
        self.state, self.latency_ms = state, round(seconds * 1000, 1)
        if state is SourceState.OK:
            self.last_success_at = datetime.now(UTC)
        for watcher in tuple(WATCHERS):
            watcher(self.key, state, seconds)


async def _run(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _may_help(error: Exception) -> bool:
    """Whether the same call may end otherwise."""
    return not isinstance(error, GatewayError) or error.retryable


def _heard(task: asyncio.Task[T]) -> None:
    """Take note of what became of an attempt that nobody waits for any more, or asyncio complains of it."""
    if not task.cancelled():
        task.exception()
