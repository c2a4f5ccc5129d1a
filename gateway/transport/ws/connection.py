"""One GraphQL WebSocket, from accept to the end of its last task: performs what `protocol` asks for.

Owns the socket's tasks (authentication, one per operation), its timer and its send lock. Must not decide what is said next.
When `run` returns, every operation has ended and every stream is closed. Made by `endpoint`, one per socket.

Back-pressure: a stream pulls its next event only after its last one was taken by the transport; nothing is queued here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

import structlog
from starlette.types import Message, Receive
from starlette.types import Send as SendMessage

from gateway.auth.session import Departure, Session
from gateway.engine.encoding import Encoded, encode
from gateway.engine.masking import present_failure
from gateway.engine.request import Request
from gateway.errors import GatewayError, RateLimited, Unauthenticated
from gateway.observe import SOCKET_CLOSES
from gateway.transport.admission import Seat
from gateway.transport.starting import begun
from gateway.transport.ws.effects import Authenticate, Close, CloseCode, Effect, Leave, Operation, Send, Start, Stop
from gateway.transport.ws.protocol import ServerProtocol
from gateway.transport.ws.wiring import Principal, Wiring

__all__ = ["Connection"]

log = structlog.get_logger()

_USUAL = 64
"""Characters of an operation's id up to which what is made of it is kept."""
_IN_A_ROW = 4
"""Events that a stream sends before others have their turn."""
_GONE = (RuntimeError, OSError)
"""What servers raise for a send on a socket that ended meanwhile: RuntimeError after a close of the server's own, OSError for the rest;
a send that ran into its timeout is an OSError, too."""


class Connection:
    """Drives one accepted socket."""

    __slots__ = (
        "__weakref__",
        "_loop",
        "_operations",
        "_over",
        "_protocol",
        "_reader",
        "_receive",
        "_rings_at",
        "_seat",
        "_send",
        "_session",
        "_timer",
        "_turn",
        "_wiring",
        "_work",
    )

    def __init__(self, receive: Receive, send: SendMessage, wiring: Wiring, seat: Seat) -> None:
        """`receive` and `send`: ASGI's, after the socket was accepted; `seat`: its place, which the caller gives back."""
        self._receive = receive
        self._send = send
        self._wiring = wiring
        self._seat = seat
        self._loop = asyncio.get_running_loop()
        limits = wiring.limits
        age = limits.max_age * random.uniform(1 - limits.age_spread, 1 + limits.age_spread)  # noqa: S311  # spreads the load, no secret
        self._protocol = ServerProtocol(limits, self._loop.time(), age)
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        self._over = False
        self._reader: asyncio.Task[Any] | None = None
        """The task in `run`, while it waits for the client."""
        self._work: dict[asyncio.Task[None], bool] = {}
        """Every other task; whether it may be cancelled (not while it closes a stream)."""
        self._operations: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    async def run(self) -> None:
        """Serve the socket until it closes; cancelled: end it at once."""
        try:
            self._arm()
            await self._read()
        finally:
            self._over = True
            self._protocol.disconnected()
            if self._timer is not None:
                self._timer.cancel()
            self._cancel(*self._work)
            # Not gather: were we cancelled, it would cancel a second time, in the middle of a stream's clean-up.
            try:
                while remaining := [task for task in self._work if not task.done()]:
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
            while not self._over:
                message = await self._next()
                if message is None or message["type"] == "websocket.disconnect":
                    return
                text = message.get("text")
                effects = self._protocol.receive(message.get("bytes") or b"" if text is None else text, self._loop.time())
                del message, text  # it may be minutes until the next
                await self._perform(effects)
                del effects
        except Exception:
            log.exception("ws.reader_failed")

    async def _next(self) -> Message | None:
        """What the server heard; None when the socket is over, which `_end` said meanwhile."""
        task = asyncio.current_task()
        assert task is not None
        self._reader = task
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not self._over or task.uncancel():
                raise  # somebody else cancelled us, too
            return None
        finally:
            self._reader = None

    def _end(self) -> None:
        """Have `run` end, whatever it waits for."""
        self._over = True
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

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
                case Leave(reason):
                    self.leave(Departure(reason))
                case Close(code, reason):
                    self._begin_close(code, reason)
        self._arm()

    # Operations

    async def _operate(self, operation: Operation, request: Request) -> None:
        engine, session = self._wiring.engine, self._session
        assert session is not None
        try:
            self._wiring.admit(session.principal)
            prepared = engine.prepare(request, session.principal)
            if prepared.errors:
                await self._fail(operation, prepared.errors)
                return
            self._wiring.spend(session.principal, prepared.cost)
            context = self._wiring.context_for(session)
            if prepared.operation_type == "subscription":
                responses = engine.subscribe(prepared, context)
                del prepared, context
                await self._stream(operation, responses)
            else:
                await self._deliver(operation, await engine.execute(prepared, context))
            await self._report(partial(self._protocol.complete, operation))
        except Exception as error:  # noqa: BLE001  # a bug costs its own operation, never the socket
            await self._fail(operation, [present_failure(error)])

    async def _stream(self, operation: Operation, responses: AsyncGenerator[Encoded | dict[str, Any], None]) -> None:
        count = 0
        try:
            async for response in responses:
                if not await self._deliver(operation, response):
                    return
                del response
                count += 1
                # A stream that always has its next event must not keep the others, or the reader, from their turn.
                if count % _IN_A_ROW == 0:
                    await asyncio.sleep(0)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._work[task] = False
            await responses.aclose()
            self._work[task] = True

    async def _deliver(self, operation: Operation, response: Encoded | dict[str, Any]) -> bool:
        """Send one response; False when the operation is over."""
        if not isinstance(response, Encoded) and "data" not in response:
            await self._fail(operation, response.get("errors") or [present_failure(GatewayError())])
            return False

        def following(now: float) -> list[Effect]:
            self._protocol.credentials_last(self._lifetime(), now)
            return self._protocol.next(operation, response, now)

        if self._turn.locked() or self._turn._waiters:  # noqa: SLF001  # whoever waits for its turn comes first
            return await self._report(following)
        # Nobody sends, and most messages are gone at once: only what is not takes the turn.
        for effect in following(self._loop.time()):
            if isinstance(effect, Send):
                rest = self._begin_send(effect.message)
                if rest is not None:
                    async with self._turn:
                        await self._rest_of(rest)
                return not self._protocol.closed
            assert isinstance(effect, Close)
            self._begin_close(effect.code, effect.reason)
        return False

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
            effects = self._welcome(principal)
        await self._perform(effects)

    def _welcome(self, principal: Principal) -> list[Effect]:
        try:
            self._seat.enter(principal)
        except RateLimited as error:
            return self._protocol.refused(error.message)
        self._session = self._wiring.open_session(principal, self._disconnect)
        return self._protocol.authenticated(self._lifetime(), self._loop.time())

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
        rest = self._begin_send(message)
        if rest is not None:
            await self._rest_of(rest)

    def _begin_send(self, message: dict[str, Any]) -> Awaitable[None] | None:
        """Begin to send one message; what is left of that, None: nothing."""
        payload = message.get("payload")
        text = f"{_head(message['id'])}{payload.text}}}" if isinstance(payload, Encoded) else self._wiring.encode(message)
        try:
            return begun(self._send({"type": "websocket.send", "text": text}))
        except _GONE:
            self._gone()
            return None

    async def _rest_of(self, rest: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._wiring.limits.send_timeout):
                await rest
        except _GONE:
            self._gone()

    def _gone(self) -> None:
        self._protocol.disconnected()
        self._end()

    def _begin_close(self, code: int, reason: str) -> None:
        SOCKET_CLOSES.labels(int(code)).inc()
        self._cancel(*self._work)
        self._spawn(self._close(code, reason))

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(self._wiring.limits.send_timeout), self._turn:
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except _GONE:
            pass  # a full buffer takes no close frame either: the client will see 1006
        finally:
            self._end()

    # Time and tasks

    def _arm(self) -> None:
        """Have `_tick` called at the protocol's deadline. An earlier timer stays: it costs one idle tick, not one timer per message."""
        deadline = self._protocol.deadline
        if deadline is None or (self._timer is not None and self._rings_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = deadline  # kept here: what uvloop gives back for a moment that has passed does not know it
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
        self._work[task] = True
        task.add_done_callback(self._work.pop)
        return task

    def _cancel(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel each once, and neither the caller nor a stream that is closing: that would cut its clean-up short."""
        for task in tasks:
            if self._work.get(task) and not task.cancelling() and task is not asyncio.current_task():
                task.cancel()


def _head(name: str) -> str:
    """How the message of an event begins."""
    return _usual_head(name) if len(name) <= _USUAL else _usual_head.__wrapped__(name)


@lru_cache(maxsize=4096)
def _usual_head(name: str) -> str:
    """Clients count their operations or give them UUIDs: a name comes again with each event, and many are others', too."""
    return f'{{"id":{encode(name).decode()},"type":"next","payload":'
