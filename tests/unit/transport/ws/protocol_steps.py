"""Steps that tests of the protocol begin with: frames, and a protocol that is ready."""

from __future__ import annotations

import json
from typing import Any

from gateway.transport.ws.effects import Effect, Operation, Send, Start
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.protocol import ServerProtocol

__all__ = ["ACK", "INIT", "codes", "complete", "ready", "start", "subscribe"]

ACK = [Send({"type": "connection_ack"})]
INIT = '{"type":"connection_init"}'


def subscribe(operation_id: str = "1") -> str:
    """A subscribe frame."""
    return json.dumps({"id": operation_id, "type": "subscribe", "payload": {"query": "{a}"}})


def complete(operation_id: str = "1") -> str:
    """A complete frame."""
    return json.dumps({"id": operation_id, "type": "complete"})


def ready(lifetime: float | None = None, **limits: Any) -> ServerProtocol:
    """A protocol that was accepted, initialised and acknowledged at 0."""
    protocol = ServerProtocol(Limits(**limits), 0)
    protocol.receive(INIT, 0)
    assert protocol.authenticated(lifetime, 0) == ACK
    return protocol


def start(protocol: ServerProtocol, operation_id: str = "1", now: float = 0) -> Operation:
    """Subscribe; the operation that starts."""
    [effect] = protocol.receive(subscribe(operation_id), now)
    assert isinstance(effect, Start)
    return effect.operation


def codes(effects: list[Effect]) -> list[str]:
    """The error codes of the `error` messages among the effects."""
    return [
        error["extensions"]["code"]
        for effect in effects
        if isinstance(effect, Send) and effect.message["type"] == "error"
        for error in effect.message["payload"]
    ]
