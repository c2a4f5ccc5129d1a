"""What a step of a privacy job is: something done in one transaction, which says how far it came.

Owns the shape alone. Implemented by `erasure` and `export`, run by `jobs`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.commands.unit import Unit
from gateway.model.privacy import Job

__all__ = ["Done", "Plan", "Step"]


@dataclass(frozen=True, slots=True)
class Done:
    """What a step did. `counts`: rows per table; `place`: where it goes on (None: it is finished); `pause`: seconds before that.

    `problem`: why the whole job ends here without success, as a word.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    place: Any = None
    pause: float = 0.0
    problem: str | None = None


Step = Callable[[Unit, Job], Awaitable[Done]]
"""May be run again from its last place, and then ends as if it had never been stopped."""

Plan = Mapping[str, Step]
"""The steps of an action by name, in order."""
