"""`profile-gateway serve --workers N`: a supervisor that holds the port, and N processes of the gateway behind it.

Owns the workers' lives: start, restart with growing pauses, rolling restart (SIGHUP), the end. Must not answer a request, nor open what a gateway
opens. A worker is a fresh interpreter, so that a rolling restart runs new code. The reasons: docs/decisions/0007-workers.md.

    supervisor ──sockets, line──▶ worker      ◀──READY, then ALIVE twice a second──      ──RETIRE (another one took your place)──▶
    SIGTERM: drain all      SIGHUP: one after the other      the line ends: the supervisor is gone, and its workers end, too
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from gateway.settings import Settings

__all__ = ["Supervisor", "supervise"]

log = structlog.get_logger()

_START_SECONDS: Final = 90.0
_LONGEST_PAUSE: Final = 30.0
_STEADY_SECONDS: Final = 60.0
"""A worker that served for so long did not fail because of how it was started."""
_LOOKS: Final = 6
"""Silent that many looks in a row, a worker is stuck. Looks are counted, not seconds: after a pause of the whole machine nobody has spoken."""


def supervise(settings: Settings, database_url: str | None) -> int:
    """Run the workers until SIGTERM or SIGINT; the worst of their exit statuses.

    `database_url`: of the server that the caller started for them; None: they find theirs as he did.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    from gateway.observe import configure_logging
    from gateway.transport.listeners import bind_for_workers

    configure_logging(settings.log_format, settings.log_level)
    command = [sys.executable, "-P", "-m", "gateway.cli", "worker", "--host", settings.host, "--data-dir", str(settings.data_dir)]
    if settings.dev:
        command.append("--dev")
    given = {} if database_url is None else {"GATEWAY_DATABASE_URL": database_url}
    sockets = bind_for_workers(settings.host, settings.port, settings.workers)
    with _metrics() as directory:
        environment = {**os.environ, **given, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
        patience = settings.drain_seconds + settings.shutdown_seconds + 5
        return asyncio.run(Supervisor(command, environment, sockets, patience, forget=lambda pid: _forget(pid, directory)).run())


class _Worker:
    """One process, from its start to its end."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self.number = number
        self.pid = process.pid
        self.ready = asyncio.Event()
        self.served_from = float("inf")
        self.ended: asyncio.Task[int] = asyncio.create_task(process.wait())
        self._process = process
        self._line = line
        self._listener = asyncio.create_task(self._listen())
        self.spoken = True

    async def came_up(self) -> bool:
        """Whether it answers requests now; False: it ended, or takes too long."""
        waiting = asyncio.create_task(self.ready.wait())
        await asyncio.wait({waiting, self.ended}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return self.ready.is_set() and not self.ended.done()

    def retire(self) -> None:
        """Another one has its place: let it drain."""
        from gateway.transport.listeners import RETIRE

        with contextlib.suppress(OSError):
            self._line.send(RETIRE)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def end(self, patience: float) -> None:
        """Wait for its end; when patience ends, end it."""
        await asyncio.wait({self.ended}, timeout=patience)
        if not self.ended.done():
            log.error("worker.killed", worker=self.number, pid=self.pid)
            self.send(signal.SIGKILL)
            await self.ended

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(OSError):
                while await loop.sock_recv(self._line, 4096):
                    self.spoken = True
                    if not self.ready.is_set():
                        self.served_from = loop.time()
                        self.ready.set()
            await self.ended
        finally:
            self._line.close()


class _Seat:
    """The place of one worker: its number, its sockets, and who has it."""

    def __init__(self, number: int, sockets: Sequence[socket.socket]) -> None:
        self.number = number
        self.sockets = list(sockets)
        self.worker: _Worker | None = None
        self.failures = 0
        self.turn = asyncio.Lock()
        """Who may put another worker here."""


class Supervisor:
    """Keeps one worker on each seat."""

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        sockets: Sequence[Sequence[socket.socket]],
        patience: float,
        *,
        forget: Callable[[int], None] = lambda _: None,
        first_pause: float = 1.0,
        look_seconds: float = 5.0,
    ) -> None:
        """`sockets`: one list per worker; `patience`: seconds a worker may take to end; `forget`: called with the pid of one that has ended.

        `first_pause`: seconds before a second restart, doubled for each further one; `look_seconds`: between two looks whether a worker speaks.
        """
        self._command = list(command)
        self._environment = environment
        self._sockets = sockets
        self._patience = patience
        self._forget = forget
        self._first_pause = first_pause
        self._look_seconds = look_seconds
        self._seats: list[_Seat] = []
        self._living: set[_Worker] = set()
        self._roll: asyncio.Task[None] | None = None
        self._roll_again = False
        self._announced = False
        self._statuses = [0]

    async def run(self) -> int:
        """Until SIGTERM or SIGINT, or until a first start fails; the worst exit status."""
        self._ending = asyncio.Event()
        self._seats = [_Seat(number, sockets) for number, sockets in enumerate(self._sockets, 1)]
        with self._signals():
            keepers = [asyncio.create_task(self._keep(seat)) for seat in self._seats]
            watcher = asyncio.create_task(self._watch())
            await self._ending.wait()
            watcher.cancel()
            if self._roll is not None:
                self._roll.cancel()
            self._send(signal.SIGTERM)
            while self._living:  # one that was just being started may come
                await asyncio.gather(*(one.end(self._patience) for one in self._living))
            await asyncio.gather(*keepers)
        for one in (one for seat in self._seats for one in seat.sockets):
            one.close()
        return max(self._statuses)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], object]] = {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGHUP: self._restart,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        if self._ending.is_set():
            self._send(signal.SIGTERM)  # a second one hurries
        self._ending.set()

    def _restart(self) -> None:
        if self._roll is None or self._roll.done():
            self._roll = asyncio.create_task(self._replace_all())
        else:
            self._roll_again = True

    def _send(self, number: signal.Signals) -> None:
        for one in tuple(self._living):
            one.send(number)

    async def _start(self, seat: _Seat) -> _Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        shared = [*(one.fileno() for one in seat.sockets), theirs.fileno()]
        listen = ",".join(str(one) for one in shared[:-1])
        arguments = ["--number", str(seat.number), "--listen", listen, "--line", str(shared[-1])]
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            env=self._environment,
            pass_fds=shared,
            start_new_session=True,  # Ctrl-C is for the supervisor, which then lets them drain
        )
        theirs.close()
        started = _Worker(seat.number, process, ours)
        self._living.add(started)
        started.ended.add_done_callback(lambda done: self._gone(started, done.result()))
        if self._ending.is_set():
            started.send(signal.SIGTERM)
        return started

    def _gone(self, ended: _Worker, status: int) -> None:
        self._living.discard(ended)
        self._forget(ended.pid)
        if self._ending.is_set():
            self._statuses.append(1 if status < 0 else status)

    async def _keep(self, seat: _Seat) -> None:
        """Keep a worker on this seat until the end."""
        current = seat.worker = await self._start(seat)
        while True:
            if await current.came_up():
                self._announce()
            elif not current.ended.done() and not self._ending.is_set():
                log.error("worker.not_ready", worker=seat.number, pid=current.pid)
                current.send(signal.SIGKILL)
            status = await asyncio.shield(current.ended)
            async with seat.turn:
                if self._ending.is_set():
                    return
                if seat.worker is current:  # else another one took its place
                    if not self._announced:
                        self._statuses.append(status if status > 0 else 1)  # it would fail again: like a single process, give up
                        self._ending.set()
                        return
                    await self._revive(seat, current, status)
                    if self._ending.is_set():
                        return
                current = seat.worker

    async def _revive(self, seat: _Seat, dead: _Worker, status: int) -> None:
        lived = asyncio.get_running_loop().time() - dead.served_from
        seat.failures = 1 if lived >= _STEADY_SECONDS else seat.failures + 1
        pause = 0.0 if seat.failures == 1 else min(_LONGEST_PAUSE, self._first_pause * 2.0 ** (seat.failures - 2))
        log.warning("worker.ended", worker=seat.number, pid=dead.pid, status=status, again_in=pause)
        if pause:
            self._step_aside(seat)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()
        if not self._ending.is_set():
            seat.worker = await self._start(seat)

    def _step_aside(self, seat: _Seat) -> None:
        """New connections shall not wait for a worker that keeps dying: give its sockets up for others, which listen when one is there."""
        from gateway.errors import ConfigurationError
        from gateway.transport.listeners import bind_again

        with contextlib.suppress(ConfigurationError):
            fresh = bind_again(seat.sockets)
            if fresh is not None:
                old, seat.sockets = seat.sockets, fresh
                for one in old:
                    one.close()

    def _announce(self) -> None:
        from gateway.transport.listeners import base_url

        if not self._announced and all(seat.worker is not None and seat.worker.ready.is_set() for seat in self._seats):
            self._announced = True
            log.info("serving", url=base_url(self._seats[0].sockets), workers=len(self._seats))

    async def _replace_all(self) -> None:
        """One after the other: the new one first, then the old one drains, then the next."""
        self._roll_again = True
        while self._roll_again:
            self._roll_again = False
            log.info("workers.restarting")
            for seat in self._seats:
                if not await self._replace(seat):
                    log.error("workers.not_restarted", worker=seat.number)
                    break
            else:
                log.info("workers.restarted")

    async def _replace(self, seat: _Seat) -> bool:
        async with seat.turn:
            old, new = seat.worker, await self._start(seat)
            try:
                if not await new.came_up():
                    return False  # the old one goes on
                seat.worker = new
            finally:
                if seat.worker is not new:
                    new.send(signal.SIGKILL)
        if old is not None:
            old.retire()
            await old.end(self._patience)
        return True

    async def _watch(self) -> None:
        """End who has not spoken for six looks: its loop stands still, and will not come back by itself."""
        silent: dict[_Worker, int] = {}
        while True:
            await asyncio.sleep(self._look_seconds)
            silent = {one: 0 if one.spoken else silent.get(one, 0) + 1 for one in self._living if one.ready.is_set()}
            for one, looks in silent.items():
                one.spoken = False
                if looks >= _LOOKS:
                    log.error("worker.stuck", worker=one.number, pid=one.pid)
                    one.send(signal.SIGKILL)


@contextmanager
def _metrics() -> Iterator[Path]:
    """A place where workers write their metrics, so that each of them can answer for all."""
    directory = tempfile.mkdtemp(prefix="gateway-metrics-", dir=os.environ.get("PROMETHEUS_MULTIPROC_DIR") or None)
    try:
        yield Path(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _forget(pid: int, directory: Path) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
