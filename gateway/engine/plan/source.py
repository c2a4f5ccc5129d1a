"""The second half of an execution, the fast way: code that writes the answer of one plan.

Owns the making of that code. Each selection whose objects were had becomes a function from objects and columns to dictionaries; what lies below
it and takes only attributes is written into it. The code is optimistic: whatever is not as the schema says raises, and `replay` makes the answer.
Only names that are identifiers and numbers of this module's making are put into code, never a client's text. Called by `execution`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLString,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution import Executor
from graphql.pyutils import Path, Undefined

from gateway.engine.plan.tree import Child, FieldPlan, How, ObjectPlan, Plan

__all__ = ["NotAsPlanned", "Written", "write"]

_DEEPEST: Final = 5
"""Selections written into one another, before one becomes a function of its own."""
_CHECKS: Final[dict[Any, str]] = {
    GraphQLString: "{0}.__class__ is str",
    GraphQLID: "{0}.__class__ is str",
    GraphQLBoolean: "{0}.__class__ is bool",
    GraphQLInt: "{0}.__class__ is int and -2147483648 <= {0} <= 2147483647",
    GraphQLFloat: "{0}.__class__ is float and {0} - {0} == 0.0",
}
"""When a value is its own representation: in the class that Python has for it, and in the type's range."""


class NotAsPlanned(Exception):  # it is no failure: the reference executor writes the answer
    """A value is not what the fast way takes for granted."""


class Written:
    """The code of a plan. `text`: to be read; `functions`: by the numbers of the selections whose objects are had."""

    __slots__ = ("functions", "text")

    def __init__(self, text: str, functions: dict[int, Callable[..., list[dict[str, Any]]]]) -> None:
        self.text = text
        self.functions = functions


def write(plan: Plan, executor: Executor[Any]) -> Written:
    """Write the code of a plan, for a schema whose types are resolved as `executor` resolves them."""
    return _Writer(plan, executor).write()


class _Writer:
    def __init__(self, plan: Plan, executor: Executor[Any]) -> None:
        self._plan = plan
        self._executor = executor
        self._names: dict[str, Any] = {"_bad": _bad, "_lists": (list, tuple), "_objects": _OBJECTS, "_is_object": _is_object}
        self._known: dict[tuple[str, int], str] = {}
        self._functions: list[str] = []
        self._rendered: set[int] = set()
        self._variables = 0

    def write(self) -> Written:
        frames = [self._plan.root]
        seen = {self._plan.root.number}
        for plan in frames:  # grows while it is walked
            for field in plan.fields:
                if field.is_deep and field.child is not None:
                    frames += [one for one in field.child.by_type.values() if one.number not in seen]
                    seen |= {one.number for one in field.child.by_type.values()}
        for plan in frames:
            self._frame(plan)
        text = "\n\n".join(self._functions) + "\n"
        exec(compile(text, f"<plan of {self._title}>", "exec"), self._names)  # noqa: S102  # our own text, see the module
        return Written(text, {plan.number: self._names[f"level_{plan.number}"] for plan in frames})

    @property
    def _title(self) -> str:
        name = self._plan.operation.name
        return name.value if name is not None else "an operation"

    # Functions

    def _frame(self, plan: ObjectPlan) -> None:
        columns = [place for place, field in plan.active if field.how is not How.ATTRIBUTE or field.is_deep]
        nexts = [place for place, field in plan.active if field.is_deep]
        given = ["objects", *(f"c{place}" for place in columns), *(f"n{place}" for place in nexts)]
        pairs = [f"{self._quoted(field.key)}: {self._field(field, place, 'o')}" for place, field in enumerate(plan.fields)]
        names = ["o", *(f"v{place}" for place in columns)]
        source = "objects" if not columns else f"zip(objects, {', '.join(f'c{place}' for place in columns)})"
        body = "{" + _lines(pairs, 8) + "}"
        self._functions.append(
            f"def level_{plan.number}({', '.join(given)}):  # {plan.type.name}\n"
            f"    return [\n        {body}\n        for {', '.join(names)} in {source}\n    ]"
        )

    def _function(self, plan: ObjectPlan) -> str:
        """A function that writes one object all of whose values are attributes."""
        name = f"write_{plan.number}"
        if plan.number not in self._rendered:
            self._rendered.add(plan.number)
            body = self._object(plan, "o", 0)
            self._functions.append(f"def {name}(o):  # {plan.type.name}\n    return {body}")
        return name

    # Expressions

    def _field(self, field: FieldPlan, place: int, parent: str, depth: int = 0) -> str:
        if field.how is How.TYPENAME:
            return self._quoted(field.parent.name)
        value = f"v{place}" if field.is_active else f"{parent}.{field.attribute}"
        return self._value(field, field.type, value, f"n{place}()" if field.is_deep else None, depth)

    def _value(self, field: FieldPlan, kind: GraphQLOutputType, value: str, done: str | None, depth: int) -> str:
        """The completed value. `done`: gives the next object that was written already."""
        must = is_non_null_type(kind)
        if is_non_null_type(kind):
            kind = kind.of_type
        if is_leaf_type(kind):
            return self._leaf(kind, value, must)
        name, kept = self._kept(value)
        other = "_bad()" if must else "None"
        if is_list_type(kind):
            one = self._variable()
            inner = self._value(field, kind.of_type, one, done, depth + 1)
            return f"([{inner} for {one} in ({name} if {name}.__class__ in _lists else _bad())] if {kept} is not None else {other})"
        assert field.child is not None
        if done is not None:
            return f"({done} if {kept} is not None else {other})"
        return f"({self._below(field, field.child, name, depth + 1)} if {kept}.__class__ in _objects or _is_object({name}) else {other})"

    def _below(self, field: FieldPlan, child: Child, value: str, depth: int) -> str:
        if child.abstract is not None:
            return f"{self._chooser(field, child)}({value})"
        (plan,) = child.by_type.values()
        shown = f"{self._function(plan)}({value})" if depth > _DEEPEST else self._object(plan, value, depth)
        if plan.type.is_type_of is None:
            return shown
        check = self._name("is_of", id(plan.type) ^ id(field), _checker(plan, self._info(field)))
        return f"({shown} if {check}({value}) else _bad())"

    def _object(self, plan: ObjectPlan, value: str, depth: int) -> str:
        pairs = [f"{self._quoted(field.key)}: {self._field(field, place, value, depth)}" for place, field in enumerate(plan.fields)]
        return "{" + ", ".join(pairs) + "}"

    def _leaf(self, kind: GraphQLLeafType, value: str, must: bool) -> str:
        if isinstance(kind, GraphQLEnumType):
            table = self._name("enum_or_null" if not must else "enum", id(kind), _Enum(kind, must))
            return f"{table}[{value}]"
        name, kept = self._kept(value)
        convert = self._name("show", id(kind), _shower(kind))
        check = _CHECKS.get(kind)
        if check is None:
            return f"{convert}({value})" if must else f"(None if {kept} is None else {convert}({name}))"
        first = check.format(name).replace(name, kept, 1)
        return f"({name} if {first}{'' if must else f' or {name} is None'} else {convert}({name}))"

    def _chooser(self, field: FieldPlan, child: Child) -> str:
        """A function that writes an object by its type."""
        return self._name("write_by_type", id(child), _Chooser(self, field, child))

    def _info(self, field: FieldPlan) -> GraphQLResolveInfo[Any]:
        path = Path(None, field.key, field.parent.name)
        return self._executor.build_resolve_info(field.definition, field.nodes, field.parent, path)

    # Names

    def _kept(self, value: str) -> tuple[str, str]:
        """A name for a value, and the expression that gives it that name when it is first looked at."""
        if "." not in value:
            return value, value
        name = self._variable()
        return name, f"({name} := {value})"

    def _variable(self) -> str:
        self._variables += 1
        return f"x{self._variables}"

    def _name(self, sort: str, key: int, value: Any) -> str:
        """A global of the code; the same thing has one name."""
        known = self._known.get((sort, key))
        if known is None:
            known = self._known[sort, key] = f"{sort}_{len(self._known)}"
            self._names[known] = value
        return known

    @staticmethod
    def _quoted(name: str) -> str:
        assert name.isidentifier()
        return f'"{name}"'


class _Chooser:
    """Writes an object of an abstract type."""

    __slots__ = ("_abstract", "_info", "_name_of", "_writers")

    def __init__(self, writer: _Writer, field: FieldPlan, child: Child) -> None:
        assert child.abstract is not None
        self._abstract = child.abstract
        self._info = writer._info(field)  # noqa: SLF001  # one thing in two halves
        self._name_of = child.abstract.resolve_type or writer._executor.type_resolver  # noqa: SLF001
        names = writer._names  # noqa: SLF001
        functions = {kind: writer._function(plan) for kind, plan in child.by_type.items()}  # noqa: SLF001
        checks = {kind: _checker(plan, self._info) for kind, plan in child.by_type.items() if plan.type.is_type_of is not None}
        self._writers = {kind: _by_name(names, function, checks.get(kind)) for kind, function in functions.items()}

    def __call__(self, value: Any) -> dict[str, Any]:
        name: Any = self._name_of(value, self._info, self._abstract)
        return self._writers[name if name.__class__ is str else _closed(name)](value)


def _by_name(names: dict[str, Any], function: str, check: Callable[[Any], bool] | None) -> Callable[[Any], dict[str, Any]]:
    def written(value: Any) -> dict[str, Any]:
        if check is not None and not check(value):
            raise NotAsPlanned
        made: dict[str, Any] = names[function](value)
        return made

    return written


def _checker(plan: ObjectPlan, info: GraphQLResolveInfo[Any]) -> Callable[[Any], bool]:
    is_type_of = plan.type.is_type_of
    assert is_type_of is not None

    def check(value: Any) -> bool:
        is_own = is_type_of(value, info)
        return bool(is_own if not hasattr(is_own, "__await__") else _closed(is_own))

    return check


class _Enum(dict[Any, Any]):
    """Values and their names, as they come."""

    def __init__(self, kind: GraphQLEnumType, must: bool) -> None:
        super().__init__({} if must else {None: None})
        self._show = _shower(kind)

    def __missing__(self, value: Any) -> Any:
        name = self._show(value)
        if len(self) < _MOST_NAMES:
            self[value] = name
        return name


_MOST_NAMES: Final = 1_000


def _shower(kind: GraphQLLeafType) -> Callable[[Any], Any]:
    """What a leaf is shown as, where it is not shown as it is."""
    coerce = kind.coerce_output_value

    def show(value: Any) -> Any:
        if value is None or value is Undefined or isinstance(value, Exception) or hasattr(value, "__await__"):
            raise NotAsPlanned
        shown = coerce(value)
        if shown is None or shown is Undefined:
            raise NotAsPlanned
        return shown

    return show


_OBJECTS: Final[set[type]] = set()
"""Classes whose instances may stand for objects: asked of many objects that are of few classes."""
_MOST_CLASSES: Final = 10_000


def _is_object(value: Any) -> bool:
    """Whether there is an object; what failed or must be waited for is not as planned."""
    if value is None:
        return False
    kind = value.__class__
    if value is Undefined or isinstance(value, Exception) or hasattr(kind, "__await__") or kind is GeneratorType:
        raise NotAsPlanned
    if len(_OBJECTS) < _MOST_CLASSES:
        _OBJECTS.add(kind)
    return True


def _closed(answer: Any) -> Any:
    """An answer that must be waited for is not as planned; it is asked for again where it can be."""
    if hasattr(answer, "close"):
        answer.close()
    raise NotAsPlanned


def _bad() -> Any:
    raise NotAsPlanned


def _lines(pairs: Sequence[str], indent: int) -> str:
    pad = " " * (indent + 4)
    return "".join(f"\n{pad}{pair}," for pair in pairs) + "\n" + " " * indent
