"""The guard of a system elsewhere: its deadline, its places, its retry and its circuit. Nothing sleeps: the clock and the pause are given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.errors import (
    OutcomeUnknown,
    Overloaded,
    Problem,
    Rejected,
    SourceCircuitOpen,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
)
from gateway.model.source import SourceKind, SourceState
from gateway.sources.breaker import Circuit
from gateway.sources.definition import GuardPolicy
from gateway.sources.guard import WATCHERS, Guard, guarded

__all__: list[str] = []

KIND = SourceKind.TRAITS


class Time:
    """A clock, moved by hand and by pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        """Let that much time go by at once."""
        self.pauses.append(seconds)
        self.now += seconds


class Server:
    """Answers "yes", or as it is told, one instruction per call; holds calls while `gate` is shut."""

    def __init__(self, *instructions: Any) -> None:
        self.instructions = list(instructions)
        self.calls = 0
        self.under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Any:
        self.calls += 1
        self.under_way += 1
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        said = self.instructions.pop(0) if self.instructions else "yes"
        if isinstance(said, BaseException):
            raise said
        return said


async def settled(condition: Callable[[], bool]) -> None:
    """Turns of the loop until something holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # nothing is to be waited for but turns of the loop
            await asyncio.sleep(0)


def outcome_count(outcome: str) -> float:
    """Calls of the source that ended like this."""
    return REGISTRY.get_sample_value("gateway_source_calls_total", {"source": "crm", "outcome": outcome}) or 0.0


def make(time: Time, **policy: Any) -> Guard:
    """A guard with these settings."""
    return Guard("crm", GuardPolicy(**policy), clock=time, pause=time.pause)


@pytest.fixture(name="time")
def _time() -> Time:
    return Time()


@pytest.fixture(name="seen")
def _seen() -> Iterator[list[SourceState]]:
    """What those who watch sources are told of this one."""
    states: list[SourceState] = []

    def watcher(key: str, state: SourceState, _seconds: float) -> None:
        assert key == "crm"
        states.append(state)

    WATCHERS.add(watcher)
    yield states
    WATCHERS.discard(watcher)


async def test_fault_127_what_does_not_answer_is_a_timeout_after_the_deadline(time: Time, seen: list[SourceState]) -> None:
    """A source that hangs costs the deadline and no retry, and its call is ended."""
    server = Server()
    server.gate.clear()

    with pytest.raises(SourceTimeout):
        await make(time, deadline=0.05).call(KIND, server)

    assert server.calls == 1
    await settled(lambda: server.under_way == 0)
    assert seen == [SourceState.TIMEOUT]


async def test_fault_127_a_call_that_does_not_let_itself_be_cancelled_keeps_its_place_and_holds_nobody_up(time: Time) -> None:
    """The caller has the timeout at once; the place is free when the call has really ended."""
    release = asyncio.Event()

    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    guard = make(time, deadline=0.05, concurrency=1, queue=0)
    with pytest.raises(SourceTimeout):
        await guard.call(KIND, stubborn)
    with pytest.raises(SourceUnavailable, match="overloaded"):
        await guard.call(KIND, Server())
    release.set()

    async def free() -> None:
        while True:
            try:
                assert await guard.call(KIND, Server()) == "yes"
            except SourceUnavailable:
                await asyncio.sleep(0)
            else:
                return

    await asyncio.wait_for(free(), 5)


async def test_a_failed_read_is_asked_once_more(time: Time, seen: list[SourceState]) -> None:
    """After 50 to 150 ms; the answer of the second call counts, and who watches sees one good call."""
    server = Server(OSError("the words of the system"))

    assert await make(time).call(KIND, server) == "yes"

    assert server.calls == 2
    assert len(time.pauses) == 1
    assert 0.05 <= time.pauses[0] <= 0.15
    assert seen == [SourceState.OK]


@pytest.mark.parametrize("took", [0.98, 1.5])
async def test_what_ate_the_time_is_not_asked_again(time: Time, took: float) -> None:
    """No retry when what is left of the deadline is shorter than what the first call took."""

    async def slow() -> str:
        time.now += took
        raise SourceTimeout("crm")

    with pytest.raises(SourceTimeout):
        await make(time, deadline=2.0).call(KIND, slow)

    assert time.pauses == []


@pytest.mark.parametrize(
    ("failure", "shown"),
    [
        (SourceUnavailable("crm", "HTTP 500"), OutcomeUnknown),
        (RuntimeError("password=hunter2"), OutcomeUnknown),
        (Rejected(Problem("INVALID", "no")), Rejected),
    ],
)
async def test_a_write_is_never_repeated(time: Time, failure: Exception, shown: type[Exception]) -> None:
    """What was begun and failed may have happened; a refusal passes as it is."""
    server = Server(failure)

    with pytest.raises(shown) as caught:
        await make(time).call(KIND, server, idempotent=False)

    assert server.calls == 1
    assert "hunter2" not in str(caught.value)


async def test_a_write_that_was_not_begun_did_not_happen(time: Time) -> None:
    """While the circuit is open a write fails as what was not tried."""
    guard = make(time, failures=1, retries=0)
    with pytest.raises(SourceError):
        await guard.call(KIND, Server(SourceUnavailable("crm")))
    server = Server()

    with pytest.raises(SourceCircuitOpen):
        await guard.call(KIND, server, idempotent=False)

    assert server.calls == 0


async def test_nothing_of_what_a_system_writes_is_shown_or_logged(time: Time) -> None:
    """The error is ours, and the log has the type of the exception."""
    with capture_logs() as logs, pytest.raises(SourceUnavailable) as caught:
        await make(time, retries=0).call(KIND, Server(RuntimeError("password=hunter2")))

    assert "hunter2" not in f"{caught.value!r} {caught.value.extensions} {logs}"
    assert caught.value.__cause__ is None
    assert [one["error"] for one in logs] == ["RuntimeError"]


async def test_fault_137_what_finds_neither_a_place_nor_room_to_wait_fails_at_once(time: Time) -> None:
    """16 calls at once, 64 that wait, and the 81st is told so; when they go on, all 80 are answered."""
    server = Server()
    server.gate.clear()
    guard = make(time, deadline=30.0)
    calls = [asyncio.create_task(guard.call(KIND, server)) for _ in range(80)]
    await settled(lambda: server.under_way == 16)
    overloaded = outcome_count("overloaded")

    with pytest.raises(SourceUnavailable, match="overloaded"):
        await guard.call(KIND, server)

    assert outcome_count("overloaded") == overloaded + 1
    assert server.calls == 16
    assert REGISTRY.get_sample_value("gateway_source_waiting", {"source": "crm"}) == 64
    server.gate.set()
    assert await asyncio.gather(*calls) == ["yes"] * 80
    assert REGISTRY.get_sample_value("gateway_source_waiting", {"source": "crm"}) == 0


async def test_fault_137_another_source_is_not_affected(time: Time) -> None:
    """While all places of one source are taken, a hundred calls of another are answered at once."""
    slow, quick = Server(), Server()
    slow.gate.clear()
    full, other = make(time, deadline=30.0), Guard("erp", GuardPolicy(), clock=time, pause=time.pause)
    calls = [asyncio.create_task(full.call(KIND, slow)) for _ in range(80)]
    await settled(lambda: slow.under_way == 16)

    for _ in range(100):
        assert await other.call(KIND, quick) == "yes"

    slow.gate.set()
    await asyncio.gather(*calls)


async def test_a_caller_that_goes_away_frees_its_place(time: Time) -> None:
    """Whether it was being served or waited."""
    server = Server()
    server.gate.clear()
    guard = make(time, deadline=30.0, concurrency=1, queue=1)
    served, waiting = (asyncio.create_task(guard.call(KIND, server)) for _ in range(2))
    await settled(lambda: server.under_way == 1)
    for task in (waiting, served):
        task.cancel()
    await asyncio.gather(served, waiting, return_exceptions=True)
    server.gate.set()

    assert await guard.call(KIND, server) == "yes"
    assert guard.circuit is Circuit.CLOSED


async def test_fault_128_a_failing_source_is_given_a_rest_and_tried_by_one_call(time: Time, seen: list[SourceState]) -> None:
    """Five failed calls open the circuit; after the rest one call is made while others are turned away, and its success closes it."""
    server = Server(*[SourceUnavailable("crm")] * 5)
    guard = make(time, retries=0)
    with capture_logs() as logs:
        for _ in range(5):
            with pytest.raises(SourceUnavailable):
                await guard.call(KIND, server)
        with pytest.raises(SourceCircuitOpen):
            await guard.call(KIND, server)
        opened = REGISTRY.get_sample_value("gateway_source_circuit", {"source": "crm"})
        time.now += 2
        server.gate.clear()
        probe = asyncio.create_task(guard.call(KIND, server))
        await settled(lambda: server.under_way == 1)
        with pytest.raises(SourceCircuitOpen):
            await guard.call(KIND, server)
        server.gate.set()

        assert await probe == "yes"
    assert opened == 2
    assert server.calls == 6
    assert REGISTRY.get_sample_value("gateway_source_circuit", {"source": "crm"}) == 0
    assert [one["event"] for one in logs] == ["source.circuit_open", "source.circuit_closed"]
    assert seen == [*[SourceState.ERROR] * 5, SourceState.CIRCUIT_OPEN, SourceState.CIRCUIT_OPEN, SourceState.OK]


async def test_fault_128_a_probe_that_fails_is_not_retried(time: Time) -> None:
    """A source that is ill is asked once per rest."""
    server = Server(*[SourceUnavailable("crm")] * 9)
    guard = make(time, retries=0, failures=1)
    with pytest.raises(SourceUnavailable):
        await guard.call(KIND, server)
    time.now += 2
    guard.policy = GuardPolicy(retries=1)

    with pytest.raises(SourceUnavailable):
        await guard.call(KIND, server)

    assert server.calls == 2
    assert guard.circuit is Circuit.OPEN


async def test_fault_128_those_who_waited_while_the_circuit_opened_are_not_served(time: Time) -> None:
    """A queue before a source that fell ill is told so, instead of asking it one by one."""
    server = Server(SourceUnavailable("crm"))
    server.gate.clear()
    guard = make(time, retries=0, failures=1, concurrency=1, deadline=30.0)
    calls = [asyncio.create_task(guard.call(KIND, server)) for _ in range(5)]
    await settled(lambda: server.under_way == 1)
    server.gate.set()
    told = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(one) for one in told] == [SourceUnavailable, *[SourceCircuitOpen] * 4]
    assert server.calls == 1


async def test_an_answer_of_nothing_but_errors_is_a_failure(time: Time, seen: list[SourceState]) -> None:
    """It is returned, so that each key has its own error, and counts against the source."""
    guard = make(time, failures=1)
    answer = await guard.call(KIND, Server({"a": SourceTimeout("crm")}))

    assert isinstance(answer["a"], SourceTimeout)
    assert seen == [SourceState.TIMEOUT]
    assert guard.circuit is Circuit.OPEN


async def test_under_guarded_the_guard_keeps_the_time_and_is_the_only_one_to_tell(time: Time, seen: list[SourceState]) -> None:
    """One call is measured and watched once, and a deadline longer than that of other sources holds."""
    guard = make(time, deadline=30.0)
    measured = REGISTRY.get_sample_value("gateway_source_seconds_count", {"source": "crm", "kind": "TRAITS"}) or 0.0
    deadlines: list[float] = []

    async def ask() -> list[Any]:
        guard.take_over()
        task = asyncio.current_task()
        assert task is not None
        scheduled = [one.when() for one in asyncio.get_running_loop()._scheduled if not one.cancelled()]  # type: ignore[attr-defined]
        deadlines.append(max(scheduled) - asyncio.get_running_loop().time())
        return [await guard.call(KIND, Server())]

    assert await guarded("crm", KIND, ask(), 1) == ["yes"]

    assert REGISTRY.get_sample_value("gateway_source_seconds_count", {"source": "crm", "kind": "TRAITS"}) == measured + 1
    assert seen == [SourceState.OK]
    assert deadlines[0] > 30


async def test_our_own_database_is_not_the_source_s_failure() -> None:
    """What is no error of a source goes on through `guarded`."""

    async def ask() -> list[Any]:
        raise Overloaded

    with pytest.raises(Overloaded):
        await guarded("crm", KIND, ask(), 1)


async def test_what_a_source_cannot_do_does_not_open_its_circuit() -> None:
    """An error that asking again does not mend says nothing about whether the source is there."""

    class Unable(SourceUnavailable):
        """It cannot do that."""

        retryable = False

    async def unable() -> dict[str, object]:
        return {"a": Unable("crm")}

    async def raising() -> dict[str, object]:
        raise Unable("crm")

    guard = Guard("crm", GuardPolicy(failures=2))
    for _ in range(5):
        await guard.call(SourceKind.TRAITS, unable)
        with pytest.raises(Unable):
            await guard.call(SourceKind.TRAITS, raising)
    assert guard.circuit is Circuit.CLOSED
