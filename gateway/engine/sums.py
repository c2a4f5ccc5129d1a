"""Sums, products and largest ones over variables, written down once and worked out for each set of values.

Owns the little program that an operation's cost is: what depends on no variable is worked out while it is written, the rest is a list of steps.
Numbers end at `MOST`. Knows nothing of documents. Called by `engine.cost`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

__all__ = ["MOST", "Factor", "Guard", "Later", "Program", "Size", "Step", "Value"]

MOST: Final = 1_000_000_000
"""Where adding up stops."""


class Size:
    """How many: the largest of what the operation says, by numbers, variables, or lists; else a default."""

    __slots__ = ("default", "known", "names")

    def __init__(self, default: int, known: int | None, names: tuple[str, ...]) -> None:
        self.default, self.known, self.names = default, known, names

    def __call__(self, values: Mapping[str, Any]) -> int:
        found = -1 if self.known is None else self.known
        for name in self.names:
            value = values.get(name)
            if value.__class__ is int and value > found:
                found = value
        return self.default if found < 0 else found


class Guard:
    """Whether it is there, by the variables of `@include` (True) and `@skip` (False)."""

    __slots__ = ("names",)

    def __init__(self, names: tuple[tuple[str, bool], ...]) -> None:
        self.names = names

    def __call__(self, values: Mapping[str, Any]) -> int:
        return 0 if any(values.get(name) == ("no" if expected else "yes") for name, expected in self.names) else 1


Factor = int | Callable[[Mapping[str, Any]], int]
Step = Callable[[list[int], Mapping[str, Any]], int]


class Later:
    """A value that depends on variables: the number of its step."""

    __slots__ = ("step",)

    def __init__(self, step: int) -> None:
        self.step = step


Value = int | Later


class Program:
    """Steps that work out what depends on variables; what does not is worked out while it is written."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.names: dict[str, None] = {}
        self.pages: list[tuple[str, int | str, int]] = []

    def total(self, values: Sequence[Value]) -> Value:
        """The sum."""
        constant = min(MOST, sum(one for one in values if isinstance(one, int)))
        later = [one.step for one in values if isinstance(one, Later)]
        return self._later(lambda done, _: constant + sum([done[step] for step in later])) if later else constant

    def most(self, values: Sequence[Value]) -> Value:
        """The largest."""
        constant = max((one for one in values if isinstance(one, int)), default=0)
        later = [one.step for one in values if isinstance(one, Later)]
        return self._later(lambda done, _: max(constant, *[done[step] for step in later])) if later else constant

    def times(self, factor: Factor, value: Value) -> Value:
        """So many times."""
        if value == 0 or factor == 0:
            return 0
        if isinstance(factor, int):
            if isinstance(value, int):
                return min(MOST, factor * value)
            number, step = factor, value.step
            return value if number == 1 else self._later(lambda done, _: number * done[step])
        tell = factor
        if isinstance(value, int):
            fixed = value
            return self._later(lambda _, values: tell(values) * fixed)
        inner = value.step
        return self._later(lambda done, values: tell(values) * done[inner])

    def _later(self, step: Step) -> Later:
        self.steps.append(step)
        return Later(len(self.steps) - 1)
