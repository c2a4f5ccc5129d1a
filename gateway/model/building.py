"""Making many values fast: what a frozen dataclass checks at every field of every instance, once per class.

Owns `builder`, for classes of which a screen makes dozens. A frozen dataclass sets each field through `object.__setattr__`; a builder fills an open
twin of the same layout, which then becomes the class itself: equal, frozen and of that class, in a quarter of the time. Used beside the classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["builder"]

P = ParamSpec("P")
T = TypeVar("T")


def builder(kind: Callable[P, T]) -> Callable[P, T]:
    """A function that makes instances of a frozen, slotted dataclass as the class does; of one that has a `__post_init__` or makes defaults
    anew for each instance, the class itself.
    """
    made: Any = kind
    known = [one for one in fields(made) if one.init]
    if hasattr(made, "__post_init__") or len(known) != len(fields(made)) or any(one.default_factory is not MISSING for one in known):
        return kind
    (parent,) = made.__bases__
    opened = {"__slots__": made.__slots__, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    twin = type(f"Open{made.__name__}", (parent,), opened)
    names = {f"_default_{one.name}": one.default for one in known if one.default is not MISSING}
    given = ", ".join(one.name if one.default is MISSING else f"{one.name}=_default_{one.name}" for one in known)
    lines = "".join(f"    _one.{one.name} = {one.name}\n" for one in known)
    text = f"def build({given}):\n    _one = _new(_twin)\n{lines}    _one.__class__ = _kind\n    return _one\n"
    scope: dict[str, Any] = {"_new": object.__new__, "_twin": twin, "_kind": kind, **names}
    exec(compile(text, f"<builder of {made.__name__}>", "exec"), scope)  # noqa: S102  # made of the names of a class's fields
    return cast("Callable[P, T]", scope["build"])
