"""What a plan does, in words: its levels from above, and how each field of theirs is had.

Owns that text, which `profile-gateway plan` prints above the code and docs/engine.md shows. Pure. Called by `cli.plans`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.engine.plan.tree import FieldPlan, How, ObjectPlan, Plan

__all__ = ["listing"]

_SAID: Final = {
    How.BATCH: "one call for all",
    How.RESOLVER: "a call for each",
    How.DEFAULT: "looked up in each",
    How.ATTRIBUTE: "attributes",
    How.TYPENAME: "written as it is",
}
"""In the order in which a level lists them; `_TAKEN` stands between the second and the third."""
_TAKEN: Final = "taken from each"
"""Attributes whose objects are a level of their own: read before the answer is written."""
_WIDTH: Final = 110


def listing(plan: Plan) -> list[str]:
    """The lines of a plan's description; a level is named by its number and its place in the answer."""
    levels = list(_levels(plan.root, ""))
    lines: list[str] = []
    for number, type_name, place, fields in levels:
        lines.append(f"level {number}: {type_name}{f', at {place}' if place else ''}")
        for said, names in fields.items():
            lines += _wrapped(f"  {said}: ", names)
    return lines


_Level = tuple[int, str, str, dict[str, list[str]]]


def _levels(plan: ObjectPlan, place: str) -> Iterator[_Level]:
    said: dict[str, list[str]] = {one: [] for one in (_SAID[How.BATCH], _SAID[How.RESOLVER], _SAID[How.DEFAULT], _TAKEN)}
    said |= {_SAID[How.ATTRIBUTE]: [], _SAID[How.TYPENAME]: []}
    for field in plan.fields:
        _say(field, field.key, said)
    # Below an interface or a union a field is had of several types, and named once.
    yield plan.number, plan.type.name, place, {one: list(dict.fromkeys(names)) for one, names in said.items() if names}
    for field in plan.fields:
        if field.is_deep and field.child is not None:
            below = f"{place}.{field.key}" if place else field.key
            for one in field.child.by_type.values():
                yield from _levels(one, below)


def _say(field: FieldPlan, name: str, said: dict[str, list[str]]) -> None:
    """Put a field where it belongs, and what is read from its objects without a level of their own."""
    shown = name if field.key == field.node.name.value else f"{name} ({field.node.name.value})"
    if field.child is None or field.is_deep or field.how is not How.ATTRIBUTE:
        said[_TAKEN if field.how is How.ATTRIBUTE and field.is_deep else _SAID[field.how]].append(shown)
    if field.child is None or field.is_deep:
        return
    for one in field.child.by_type.values():
        for inner in one.fields:
            _say(inner, f"{name}.{inner.key}", said)


def _wrapped(first: str, names: list[str]) -> list[str]:
    lines = [first]
    for index, name in enumerate(names):
        part = name if index == len(names) - 1 else f"{name}, "
        if len(lines[-1]) + len(part) > _WIDTH and lines[-1].strip() and index > 0:
            lines.append(" " * len(first))
        lines[-1] += part
    return [line.rstrip() for line in lines]
