"""Who may open one more socket or event stream here: limits of the process, of a workspace and of a subject, and of upgrades per second.

Owns the counters, of this process alone, and the answer. Must not know a transport, a clock or a task: callers bring the time and give their seat
back. Called by `ws.endpoint` and `ws.connection`, and by event streams over HTTP.

A WebSocket says who it is only after the upgrade (bearer in `connection_init`, nowhere else), so it is asked twice: `upgrade` before it is
accepted, answered by 503 with `Retry-After`; `Seat.enter` when it is known who it is, answered by close code 1013 ("try again later"), which the
reference client retries. A 429 at the upgrade cannot be. An event stream over HTTP gets exactly that, because `open` asks both at once.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from gateway.errors import GatewayError, Overloaded, RateLimited
from gateway.observe import CONNECTIONS_REFUSED

__all__ = ["Admission", "AdmissionLimits", "Holder", "Seat", "retry_after"]

_FULL_SECONDS: Final = 5
"""When to ask again where all places are taken: somebody has to leave first."""
_LONGEST_QUEUE: Final = 15.0
"""Seconds, at most, over which refused upgrades are spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """How much one process takes; the settings of the same names."""

    sockets: int = 4000
    sockets_per_workspace: int = 500
    sockets_per_subject: int = 10
    upgrades_per_second: float = 100.0
    """As many may come at once, too."""


class Holder(Protocol):
    """Who has a connection: a principal."""

    @property
    def workspace_id(self) -> UUID:
        """Its workspace."""

    @property
    def subject(self) -> str:
        """Who it is within the workspace."""


class Admission:
    """The counters of one process. Not for several threads."""

    def __init__(self, limits: AdmissionLimits | None = None) -> None:
        self._limits = limits if limits is not None else AdmissionLimits()
        self._seats = 0
        self._held: dict[Hashable, int] = {}
        self._tokens = float(self._limits.upgrades_per_second)
        self._refilled_at = -math.inf
        self._promised = -math.inf

    def __len__(self) -> int:
        """Seats that are taken."""
        return self._seats

    @property
    def holders(self) -> int:
        """Workspaces and subjects that hold a seat now; 0 when nothing is open."""
        return len(self._held)

    def upgrade(self, now: float) -> Seat:
        """A seat for a WebSocket that wants to be accepted; `now`: seconds of a monotonic clock. Give it back with `leave`.

        Raises:
            Overloaded: the process has as many connections as it may, or took as many upgrades as it may in this second; see `retry_after`.
        """
        self._require_place()
        rate = self._limits.upgrades_per_second
        self._tokens = min(rate, self._tokens + max(0.0, now - self._refilled_at) * rate)
        self._refilled_at = now
        if self._tokens < 1.0:
            # Each refusal is told a later moment, so that a crowd that was cut at once does not come back at once.
            self._promised = min(max(self._promised, now) + 1.0 / rate, now + _LONGEST_QUEUE)
            raise _refused("upgrades", Overloaded("Too many new connections; try again later."), self._promised - now)
        self._tokens -= 1.0
        return self._seat()

    def open(self, holder: Holder) -> Seat:
        """A seat for a connection whose holder is known at once: an event stream over HTTP. Give it back with `leave`.

        Raises:
            Overloaded: the process has as many connections as it may.
            RateLimited: its workspace or subject has; the status is 429.
        """
        self._require_place()
        seat = self._seat()
        try:
            seat.enter(holder)
        except RateLimited:
            seat.leave()
            raise
        return seat

    def _require_place(self) -> None:
        if self._seats >= self._limits.sockets:
            raise _refused("process", Overloaded("As many connections are open as this process takes; try again later."), _FULL_SECONDS)

    def _seat(self) -> Seat:
        self._seats += 1
        return Seat(self)

    def _enter(self, workspace: Hashable, subject: Hashable) -> None:
        limits = self._limits
        if self._held.get(subject, 0) >= limits.sockets_per_subject:
            said = f"Too many connections of this user ({limits.sockets_per_subject}); try again later."
            raise _refused("subject", RateLimited(said), _FULL_SECONDS)
        if self._held.get(workspace, 0) >= limits.sockets_per_workspace:
            said = f"Too many connections of this workspace ({limits.sockets_per_workspace}); try again later."
            raise _refused("workspace", RateLimited(said), _FULL_SECONDS)
        for key in (workspace, subject):
            self._held[key] = self._held.get(key, 0) + 1

    def _leave(self, holder: Holder | None) -> None:
        self._seats -= 1
        for key in () if holder is None else _keys(holder):
            if self._held[key] == 1:
                del self._held[key]
            else:
                self._held[key] -= 1


class Seat:
    """One place among the connections."""

    __slots__ = ("_admission", "_holder")

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission
        self._holder: Holder | None = None

    def enter(self, holder: Holder) -> None:
        """Say whose it is, once.

        Raises:
            RateLimited: the subject or the workspace has as many connections as it may; the seat stays nobody's.
        """
        assert self._admission is not None, "the seat was given back"
        assert self._holder is None, "the seat is somebody's"
        self._admission._enter(*_keys(holder))  # noqa: SLF001  # the two are one unit
        self._holder = holder

    def leave(self) -> None:
        """Give it back; doing that twice is harmless."""
        if self._admission is not None:
            self._admission._leave(self._holder)  # noqa: SLF001
            self._admission = None


def retry_after(error: GatewayError) -> int:
    """Whole seconds for the header `Retry-After`: at least 1."""
    milliseconds: float = error.extensions.get("retryAfterMs", 0)
    return max(1, math.ceil(milliseconds / 1000))


def _keys(holder: Holder) -> tuple[Hashable, Hashable]:
    return holder.workspace_id, (holder.workspace_id, holder.subject)


def _refused(limit: str, error: GatewayError, seconds: float) -> GatewayError:
    CONNECTIONS_REFUSED.labels(limit).inc()
    error.extensions["retryAfterMs"] = math.ceil(seconds * 1000)
    return error
