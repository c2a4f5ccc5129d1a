"""The second half of an execution, the fast way: code that writes the answer of one plan.

Owns the making of that code. Each selection whose objects were had becomes a function from objects and columns to dictionaries; what lies below
it and takes only attributes is written into it. The code is optimistic: whatever is not as the schema says raises, and `replay` makes the answer.
Only names that are identifiers and numbers of this module's making are put into code, never a client's text. Called by `execution`.

Names of the code: `o` is an object, `o_boss` the one that its attribute `boss` is; `c_boss` a column, `v_boss` a value of it, `next_boss()` the next
of its objects as it was written before; `x` a leaf, `x1` one of an object in a list, `e1` an element of a list. `wrong()` gives up. What a schema or
a client names stands behind such a beginning, so that no name hides another, or one of Python's.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
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
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution import Executor
from graphql.pyutils import Path, Undefined

from gateway.engine.plan.tree import NAMES, SAME, Child, FieldPlan, How, ObjectPlan, Plan

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
        self._names: dict[str, Any] = {"wrong": _wrong, "lists": (list, tuple), "known": _OBJECTS, "is_object": _is_object}
        self._known: dict[tuple[str, int], str] = {}
        self._functions: list[str] = []
        self._rendered: set[int] = set()
        self._variables: set[str] = set()
        """Of the function that is being written."""

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
        text = "\n\n\n".join(self._functions) + "\n"
        exec(compile(text, f"<plan of {self._title}>", "exec"), self._names)  # noqa: S102  # our own text, see the module
        return Written(text, {plan.number: self._names[f"level_{plan.number}"] for plan in frames})

    @property
    def _title(self) -> str:
        name = self._plan.operation.name
        return name.value if name is not None else "an operation"

    # Functions

    def _frame(self, plan: ObjectPlan) -> None:
        self._variables = set()
        columns = [field.key for _, field in plan.active]
        nexts = [field.key for _, field in plan.active if field.is_deep]
        given = ["objects", *(f"c_{key}" for key in columns), *(f"next_{key}" for key in nexts)]
        names = ["o", *(f"v_{key}" for key in columns)]
        source = "objects" if not columns else f"zip(objects, {', '.join(f'c_{key}' for key in columns)})"
        body = _indented(f"{self._object(plan, 'o', 0, 0)}\nfor {', '.join(names)} in {source}", 8)
        self._functions.append(f"def level_{plan.number}({', '.join(given)}):  # {plan.type.name}\n    return [\n{body}\n    ]")

    def _function(self, plan: ObjectPlan) -> str:
        """A function that writes one object all of whose values are attributes."""
        name = f"write_{plan.number}"
        if plan.number not in self._rendered:
            self._rendered.add(plan.number)
            outer, self._variables = self._variables, set()
            body = _indented(self._object(plan, "o", 0, 0), 4).lstrip()
            self._variables = outer
            self._functions.append(f"def {name}(o):  # {plan.type.name}\n    return {body}")
        return name

    # Expressions. `depth`: selections written into one another; `lists`: comprehensions around it, beside the function's own

    def _field(self, field: FieldPlan, parent: str, depth: int, lists: int) -> str:
        if field.how is How.TYPENAME:
            return self._quoted(field.parent.name)
        value = f"v_{field.key}" if field.is_active else f"{parent}.{field.attribute}"
        return self._value(field, field.type, value, f"next_{field.key}()" if field.is_deep else None, depth, lists)

    def _value(self, field: FieldPlan, kind: GraphQLOutputType, value: str, done: str | None, depth: int, lists: int) -> str:
        """The completed value. `done`: gives the next object that was written already."""
        must = is_non_null_type(kind)
        if is_non_null_type(kind):
            kind = kind.of_type
        if is_leaf_type(kind):
            return self._leaf(kind, value, must, lists)
        name, kept = self._kept(value)
        other = "wrong()" if must else "None"
        if is_list_type(kind):
            one = f"e{lists + 1}" if is_leaf_type(get_nullable_type(kind.of_type)) else self._variable(field.key)
            inner = self._value(field, kind.of_type, one, done, depth + 1, lists + 1)
            return _either(_each(inner, one, f"({name} if {name}.__class__ in lists else wrong())"), f"{kept} is not None", other)
        assert field.child is not None
        if done is not None:
            return _either(done, f"{kept} is not None", other)
        return _either(self._below(field, field.child, name, depth + 1, lists), f"{kept}.__class__ in known or is_object({name})", other)

    def _below(self, field: FieldPlan, child: Child, value: str, depth: int, lists: int) -> str:
        if child.abstract is not None:
            chooser = self._chooser(field, child)
            known = self._name("write_by_class", id(child), self._names[chooser].known)
            return f"({known}.get({value}.__class__) or {chooser})({value})"
        (plan,) = child.by_type.values()
        shown = f"{self._function(plan)}({value})" if depth > _DEEPEST else self._object(plan, value, depth, lists)
        if plan.type.is_type_of is None:
            return shown
        check = self._name(f"is_{plan.type.name}", id(plan.type) ^ id(field), _checker(plan, self._info(field)))
        return _either(shown, f"{check}({value})", "wrong()")

    def _object(self, plan: ObjectPlan, value: str, depth: int, lists: int) -> str:
        pairs = [f"{self._quoted(field.key)}: {self._field(field, value, depth, lists)}" for field in plan.fields]
        line = "{" + ", ".join(pairs) + "}"
        return line if depth > 0 and _fits(line) else "{\n" + _indented(",\n".join(pairs), 4) + ",\n}" if pairs else "{}"

    def _leaf(self, kind: GraphQLLeafType, value: str, must: bool, lists: int) -> str:
        name = f"x{lists or ''}" if "." in value else value
        kept = f"({name} := {value})" if "." in value else value
        if isinstance(kind, GraphQLEnumType):
            shown = _Enum(kind, must)
            sort = kind.name if must else f"{kind.name}_or_null"
            table = self._name(f"enum_{sort}", id(kind), shown)
            members = self._name(f"members_{sort}", id(kind), self._names[table].members)
            return f"{members}.get(id({kept})) or {table}[{name}]"
        if kind.extensions.get(SAME):
            return _either(name, f"{kept}.__class__ in known or is_object({name})", "wrong()" if must else "None")
        convert = self._name(f"show_{kind.name}", id(kind), _shower(kind))
        check = _CHECKS.get(kind)
        if check is None:
            return f"{convert}({value})" if must else f"None if {kept} is None else {convert}({name})"
        first = check.format(name).replace(name, kept, 1)
        return f"{name} if {first}{'' if must else f' or {name} is None'} else {convert}({name})"

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
        name = self._variable(value.rpartition(".")[2])
        return name, f"({name} := {value})"

    def _variable(self, called: str) -> str:
        return self._unused(f"o_{called}", self._variables)

    def _name(self, name: str, key: int, value: Any) -> str:
        """A global of the code; the same thing has one name."""
        known = self._known.get((name, key))
        if known is None:
            known = self._known[name, key] = self._unused(name, self._names)
            self._names[known] = value
        return known

    @staticmethod
    def _unused(name: str, used: set[str] | dict[str, Any]) -> str:
        free = next(one for one in (name, *(f"{name}_{number}" for number in range(2, len(used) + 3))) if one not in used)
        if isinstance(used, set):
            used.add(free)
        return free

    @staticmethod
    def _quoted(name: str) -> str:
        assert name.isidentifier()
        return f'"{name}"'


class _Chooser:
    """Writes an object of an abstract type."""

    __slots__ = ("_abstract", "_functions", "_info", "_name_of", "_names", "_table", "_writers", "known")

    def __init__(self, writer: _Writer, field: FieldPlan, child: Child) -> None:
        assert child.abstract is not None
        self._abstract = child.abstract
        self._info = writer._info(field)  # noqa: SLF001  # one thing in two halves
        self._name_of = child.abstract.resolve_type or writer._executor.type_resolver  # noqa: SLF001
        names = writer._names  # noqa: SLF001
        functions = {kind: writer._function(plan) for kind, plan in child.by_type.items()}  # noqa: SLF001
        checks = {kind: _checker(plan, self._info) for kind, plan in child.by_type.items() if plan.type.is_type_of is not None}
        self._writers = {kind: _by_name(names, function, checks.get(kind)) for kind, function in functions.items()}
        self._names = names
        self._functions = {kind: function for kind, function in functions.items() if kind not in checks}
        self._table = child.abstract.extensions.get(NAMES, {})
        self.known: dict[type, Callable[[Any], dict[str, Any]]] = {}
        """Who writes objects of a class, where the class says all there is to know."""

    def __call__(self, value: Any) -> dict[str, Any]:
        kind = self._table.get(type(value))
        if kind in self._functions:
            self.known[type(value)] = self._names[self._functions[kind]]
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
        self.members: dict[int, str] = {}
        """Names by the identity of Python's own members, which are there for ever: to hash one takes a call."""

    def __missing__(self, value: Any) -> Any:
        name = self._show(value)
        if len(self) < _MOST_NAMES:
            self[value] = name
            if isinstance(value, Enum):
                self.members[id(value)] = name
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


def _wrong() -> Any:
    raise NotAsPlanned


_WIDEST: Final = 110
"""Characters of one line, where it can be helped."""


def _fits(text: str) -> bool:
    return len(text) <= _WIDEST and "\n" not in text


def _indented(text: str, by: int) -> str:
    pad = " " * by
    return "\n".join(pad + line for line in text.split("\n"))


def _either(shown: str, condition: str, other: str) -> str:
    """One of two values, in one line or in three."""
    line = f"({shown} if {condition} else {other})"
    return line if _fits(line) else "(\n" + _indented(f"{shown}\nif {condition}\nelse {other}", 4) + "\n)"


def _each(shown: str, one: str, source: str) -> str:
    """A list of values, in one line or in several."""
    line = f"[{shown} for {one} in {source}]"
    return line if _fits(line) else "[\n" + _indented(f"{shown}\nfor {one} in {source}", 4) + "\n]"
