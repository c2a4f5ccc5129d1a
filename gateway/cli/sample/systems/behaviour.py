"""How a simulated system behaves: its nature (slow, flapping) and the fault that somebody injected by hand, which takes its place.

Owns the two and what they mean for the next request, and the ASGI wrapper that carries it out. Must not know what a system answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["STEADY", "Behaviour", "Moody", "System"]

_TICK: Final = 0.05
"""Seconds between two looks whether a hanging system was mended."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`latency`: seconds before an answer, drawn between two. `errors`: share of requests that fail. `hang`: no answer. `off`: nobody is there.

    `flapping`: seconds of being there and seconds of not, in turns.
    """

    latency: tuple[float, float] = (0.0, 0.0)
    errors: float = 0.0
    hang: bool = False
    off: bool = False
    flapping: tuple[float, float] | None = None

    def words(self) -> str:
        """How it behaves, for a person."""
        low, high = self.latency
        said = []
        if self.off:
            return "switched off"
        if self.hang:
            return "hangs"
        if high:
            said.append(f"{low * 1000:.0f} to {high * 1000:.0f} ms slow" if low < high else f"{low * 1000:.0f} ms slow")
        if self.errors:
            said.append(f"fails {self.errors:.0%} of the time")
        if self.flapping is not None:
            said.append("{:.0f} s up, {:.0f} s down".format(*self.flapping))
        return ", ".join(said) or "steady"


STEADY: Final = Behaviour()
"""Well."""


@dataclass
class System:
    """One simulated system: its key as a source, its name, and how it behaves at present."""

    key: str
    name: str
    nature: Behaviour = STEADY
    fault: Behaviour | None = None
    clock: Callable[[], float] = time.monotonic
    rng: Random = field(default_factory=Random)
    began: float | None = None

    @property
    def present(self) -> Behaviour:
        """The fault, if there is one, else its nature."""
        return self.nature if self.fault is None else self.fault

    def wait(self) -> float:
        """Seconds that the next answer takes."""
        low, high = self.present.latency
        return low + self.rng.random() * (high - low)

    def fails(self) -> bool:
        """Whether the next request fails."""
        present = self.present
        if present.off or (present.errors and self.rng.random() < present.errors):
            return True
        if present.flapping is None:
            return False
        if self.began is None:
            self.began = self.clock()
        up, down = present.flapping
        return (self.clock() - self.began) % (up + down) >= up


class Moody:
    """An ASGI application that answers as its system behaves."""

    def __init__(self, app: ASGIApp, system: System) -> None:
        self._app = app
        self._system = system

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, hang, fail or answer."""
        await asyncio.sleep(self._system.wait())
        while self._system.present.hang:  # noqa: ASYNC110  # mended from another thread
            await asyncio.sleep(_TICK)
        if self._system.fails():
            await JSONResponse({"error": f"{self._system.name} is out of order"}, 503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
