"""What `protocol` asks of `connection`: effects, to be performed in the order given, and the close codes among them.

Owns shapes only; the rules that lead to them stand in `protocol`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from gateway.engine.request import Request

__all__ = ["Authenticate", "Close", "CloseCode", "Effect", "Leave", "Operation", "Send", "Start", "Stop"]


class CloseCode(IntEnum):
    """Why a socket ends. The reference client reconnects after 1001, 1012, 1013, 4403 and 4408; the others end it for good."""

    GOING_AWAY = 1001
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    INVALID_MESSAGE = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INITIALISATION_REQUESTS = 4429


@dataclass(frozen=True, slots=True)
class Operation:
    """One use of an id. The serial tells it from a later operation under the same id."""

    id: str
    serial: int


@dataclass(frozen=True, slots=True)
class Send:
    """Encode and send this message."""

    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Close:
    """Cancel everything this socket does, then close it. Always the last effect."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Find out who this is, then report `authenticated` or `rejected`. None: no token was sent."""

    token: str | None


@dataclass(frozen=True, slots=True)
class Start:
    """Run this operation and report what it yields, then `ended`."""

    operation: Operation
    request: Request


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel this operation and close its stream, then report `ended`."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Leave:
    """Have every stream say goodbye for this reason; the socket stays until `Close`."""

    reason: str


Effect: TypeAlias = Send | Close | Authenticate | Start | Stop | Leave
