"""One GraphQL WebSocket, from accept to the end of its last task: performs what `protocol` asks for.

Owns the socket's tasks (reader, authentication, one per operation), its timer and its send lock. Must not decide what is said next.
When `run` returns, every operation has ended and every stream is closed. Made by `endpoint`, one per socket.

Back-pressure: a stream pulls its next event only after its last one was taken by the transport; nothing is queued here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.auth.session import Departure, Session
from gateway.engine.masking import present_failure
from gateway.engine.request import Request
from gateway.errors import GatewayError, Unauthenticated
from gateway.transport.ws.effects import Authenticate, Close, CloseCode, Effect, Operation, Send, Start, Stop
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.protocol import ServerProtocol

__all__ = ["Connection", "Engine", "Prepared", "Principal", "Wiring"]

log = structlog.get_logger()

_GONE = (WebSocketDisconnect, RuntimeError, OSError)
"""What servers raise for a send on a socket that ended meanwhile: RuntimeError after a close of the server's own, OSError for the rest;
a send that ran into its timeout is an OSError, too."""


class Principal(Protocol):
    """Who is asking."""

    @property
    def expires_at(self) -> datetime | None:
        """When the credentials end (aware), None: never."""


class Prepared(Protocol):
    """A parsed and validated request, or the reason why it is none."""

    @property
    def errors(self) -> list[dict[str, Any]] | None:
        """Formatted GraphQL errors that refuse the request."""

    @property
    def operation_type(self) -> str:
        """`query`, `mutation` or `subscription`."""


class Engine(Protocol):
    """What runs operations."""

    def prepare(self, request: Request) -> Prepared:
        """Parse and validate; never raises for a bad document."""

    async def execute(self, prepared: Any, context: Any) -> dict[str, Any]:
        """The formatted response of a query or mutation; without `data` it was refused."""

    def subscribe(self, prepared: Any, context: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Formatted responses, one per event; one without `data` ends the stream. Must be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What every socket of an endpoint is given."""

    engine: Engine
    authenticate: Callable[[str | None], Awaitable[Principal]]
    """From the bearer token, or None, to the principal; raises `Unauthenticated`."""
    context_for: Callable[[Session], Any]
    """From the session to a fresh context, once per operation."""
    encode: Callable[[Any], str]
    """JSON text of a message."""
    limits: Limits = field(default_factory=Limits)
    open_session: Callable[[Any, Callable[[str], None]], Session] = Session
    """From the principal, and a function that ends the socket, to its session."""
    admit: Callable[[Any], None] = lambda _: None
    """Counts an operation of a principal; raises `RateLimited` when there were too many."""


class Connection:
    """Drives one accepted socket."""

    def __init__(self, websocket: WebSocket, wiring: Wiring) -> None:
        self._websocket = websocket
        self._wiring = wiring
        self._loop = asyncio.get_running_loop()
        self._protocol = ServerProtocol(wiring.limits, self._loop.time())
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        self._over = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()
        self._operations: dict[int, asyncio.Task[None]] = {}
        self._unwinding: set[asyncio.Task[None] | None] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve the socket until it closes; cancelled: end it at once."""
        reader = self._loop.create_task(self._read())
        try:
            self._arm()
            await self._over.wait()
        finally:
            self._protocol.disconnected()
            if self._timer is not None:
                self._timer.cancel()
            self._cancel(reader, *self._work)
            # Not gather: were we cancelled, it would cancel a second time, in the middle of a stream's clean-up.
            try:
                while remaining := [task for task in (reader, *self._work) if not task.done()]:
                    await asyncio.wait(remaining)
            finally:
                if self._session is not None:
                    self._session.closed()

    def leave(self, departure: Departure) -> None:
        """Let every stream say goodbye; the socket stays open."""
        if self._session is not None:
            self._session.leave(departure)

    async def close(self, code: int, reason: str) -> None:
        """Begin to close the socket for a reason of the server's; `run` returns when that is done."""
        await self._perform(self._protocol.close(code, reason))

    async def _read(self) -> None:
        try:
            while not self._protocol.closed:
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    self._over.set()
                    return
                text = message.get("text")
                await self._perform(self._protocol.receive(message.get("bytes") or b"" if text is None else text, self._loop.time()))
        except Exception:
            log.exception("ws.reader_failed")
            self._over.set()

    async def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    async with self._turn:
                        await self._transmit(message)
                case Start(operation, request):
                    task = self._spawn(self._operate(operation, request))
                    self._operations[operation.serial] = task
                    task.add_done_callback(partial(self._ended, operation))
                case Stop(operation):
                    self._operations[operation.serial].cancel()
                case Authenticate(token):
                    self._spawn(self._authenticate(token))
                case Close(code, reason):
                    self._begin_close(code, reason)
        self._arm()

    # Operations

    async def _operate(self, operation: Operation, request: Request) -> None:
        engine, session = self._wiring.engine, self._session
        assert session is not None
        try:
            self._wiring.admit(session.principal)
            prepared = engine.prepare(request)
            if prepared.errors:
                await self._fail(operation, prepared.errors)
                return
            context = self._wiring.context_for(session)
            if prepared.operation_type == "subscription":
                await self._stream(operation, engine.subscribe(prepared, context))
            else:
                await self._deliver(operation, await engine.execute(prepared, context))
            await self._report(partial(self._protocol.complete, operation))
        except Exception as error:  # noqa: BLE001  # a bug costs its own operation, never the socket
            await self._fail(operation, [present_failure(error)])

    async def _stream(self, operation: Operation, responses: AsyncGenerator[dict[str, Any], None]) -> None:
        try:
            async for response in responses:
                if not await self._deliver(operation, response):
                    return
                # A stream that always has its next event must not keep the others, or the reader, from their turn.
                await asyncio.sleep(0)
        finally:
            task = asyncio.current_task()
            self._unwinding.add(task)
            try:
                await responses.aclose()
            finally:
                self._unwinding.discard(task)

    async def _deliver(self, operation: Operation, response: dict[str, Any]) -> bool:
        """Send one response; False when the operation is over."""
        if "data" not in response:
            await self._fail(operation, response.get("errors") or [present_failure(GatewayError())])
            return False

        def following(now: float) -> list[Effect]:
            self._protocol.credentials_last(self._lifetime(), now)
            return self._protocol.next(operation, response, now)

        return await self._report(following)

    async def _fail(self, operation: Operation, errors: list[dict[str, Any]]) -> None:
        try:
            self._wiring.encode(errors)
        except Exception as error:  # noqa: BLE001  # even then the client hears that its operation ended
            errors = [present_failure(error)]
        await self._report(partial(self._protocol.fail, operation, errors))

    async def _report(self, transition: Callable[[float], list[Effect]]) -> bool:
        """Ask the protocol only when it is our turn to send, so that nothing follows a `complete` that came in while we waited.

        False: nothing was sent, the operation is over.
        """
        async with self._turn:
            for effect in transition(self._loop.time()):
                if isinstance(effect, Send):
                    await self._transmit(effect.message)
                    return not self._protocol.closed
                assert isinstance(effect, Close)
                self._begin_close(effect.code, effect.reason)
        return False

    def _ended(self, operation: Operation, _task: asyncio.Task[None]) -> None:
        del self._operations[operation.serial]
        self._protocol.ended(operation, self._loop.time())
        self._arm()

    # Credentials

    async def _authenticate(self, token: str | None) -> None:
        try:
            principal = await self._wiring.authenticate(token)
        except Unauthenticated:
            effects = self._protocol.rejected()
        except Exception:
            # 4403 is retried by clients, 4500 and 1011 are not: keys that cannot be fetched now may be there in a moment.
            log.exception("ws.authentication_failed")
            effects = self._protocol.rejected()
        else:
            self._session = self._wiring.open_session(principal, self._disconnect)
            effects = self._protocol.authenticated(self._lifetime(), self._loop.time())
        await self._perform(effects)

    def _disconnect(self, reason: str) -> None:
        """The credentials were taken back."""
        self._spawn(self.close(CloseCode.FORBIDDEN, reason))

    def _lifetime(self) -> float | None:
        """Seconds that the credentials of now are still good for, by the wall clock."""
        expires_at = None if self._session is None else self._session.principal.expires_at
        return None if expires_at is None else (expires_at - datetime.now(UTC)).total_seconds()

    # The socket

    async def _transmit(self, message: dict[str, Any]) -> None:
        """Send one message; the caller holds the turn. A socket that is gone or does not drain ends here, without an exception."""
        text = self._wiring.encode(message)
        try:
            async with asyncio.timeout(self._wiring.limits.send_timeout):
                await self._websocket.send_text(text)
        except _GONE:
            self._protocol.disconnected()
            self._over.set()

    def _begin_close(self, code: int, reason: str) -> None:
        self._cancel(*self._work)
        self._spawn(self._close(code, reason))

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(self._wiring.limits.send_timeout), self._turn:
                await self._websocket.close(code, reason)
        except _GONE:
            pass  # a full buffer takes no close frame either: the client will see 1006
        finally:
            self._over.set()

    # Time and tasks

    def _arm(self) -> None:
        """Have `_tick` called at the protocol's deadline. An earlier timer stays: it costs one idle tick, not one timer per message."""
        deadline = self._protocol.deadline
        if deadline is None or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._session is not None:  # newer ones may have come since the deadline was set
            self._protocol.credentials_last(self._lifetime(), self._loop.time())
        effects = self._protocol.tick(self._loop.time())
        self._arm()
        if effects:
            self._spawn(self._perform(effects))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _cancel(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel each once, and neither the caller nor a stream that is closing: that would cut its clean-up short."""
        for task in tasks:
            if not task.cancelling() and task not in self._unwinding and task is not asyncio.current_task():
                task.cancel()
