"""The first half of an execution: every value that takes more than to read an attribute is had, level by level, each field for all its parents.

Owns the frames (the objects of one selection, and the columns of their fields' values), what runs beside what, and the order of a mutation's root
fields. Nothing is completed here and no error is raised: a value that failed is kept as its exception, and whatever looks odd makes the frame
`is_odd`, so that the answer is made the slow way. Called by `execution`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from types import NoneType
from typing import Any, Final

from graphql import GraphQLOutputType, GraphQLResolveInfo, OperationType, is_list_type, is_non_null_type
from graphql.execution import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, Undefined

from gateway.engine.plan.tree import BATCH, CONVERT, NAMES, PLACELESS, Child, FieldPlan, How, ObjectPlan, Plan
from gateway.engine.plan.waiting import PLAIN, any_failed, any_waits, collected, objects_in, settled, together, waited, waited_for, waits

__all__ = ["Flat", "Frame", "Levels"]

_UNCHANGING: Final = frozenset({str, int, float, bool, NoneType})
"""Classes of arguments that may be given to more than one execution."""


Paths = Callable[[], Iterator[Path | None]]


class Frame:
    """The objects of one selection, in the order of the answer. `columns`: the values of each active field, one per object, by the field's place."""

    __slots__ = ("children", "columns", "objects", "paths", "plan")

    def __init__(self, plan: ObjectPlan, objects: Sequence[Any], paths: Paths) -> None:
        self.plan = plan
        self.objects = objects
        self.columns: dict[int, list[Any]] = {}
        self.children: dict[int, Flat] = {}
        self.paths = paths
        """Where each object stands, one after the other, for who must know: it is worked out when it is asked for, and as far."""

    def close(self) -> None:
        """The answer is written. What lies below knows where it lies, and with it us: nothing of all this shall wait for the collector."""
        for flat in self.children.values():
            for frame, _ in flat.parts:
                frame.close()
        self.children.clear()

    @property
    def first(self) -> Path | None:
        """Where the first object stands: who asks for all of them at once says so in this place."""
        return next(self.paths(), None)


class Flat:
    """All objects below one field of a frame, whatever lists they lie in: `parts` are frames of one type each, with the places of their objects."""

    __slots__ = ("count", "parts")

    def __init__(self, count: int, parts: list[tuple[Frame, list[int] | None]]) -> None:
        """A part's places None: it has them all."""
        self.count = count
        self.parts = parts


class Levels:
    """One execution's way through its plan."""

    def __init__(self, plan: Plan, executor: Executor[Any]) -> None:
        """`executor`: the reference executor of the same operation, for its variables and its resolvers."""
        self._plan = plan
        self._executor = executor
        self._variables = executor.variable_values
        self.is_odd = False
        """Something came up that only the reference executor knows how to tell."""

    def run(self, root: Any) -> Frame | Awaitable[Frame]:
        """Have every value; awaitable where any of them is."""
        frame = Frame(self._plan.root, [root], lambda: iter([None]))
        if self._plan.operation.operation is OperationType.MUTATION:
            return self._serially(frame)
        waiting = self._start(frame)
        return self._after(waiting, frame) if waiting else frame

    async def _serially(self, frame: Frame) -> Frame:
        for place, field in frame.plan.active:
            await together(self._begin(frame, place, field))
        return frame

    async def _after(self, waiting: list[Awaitable[None]], frame: Frame) -> Frame:
        await together(waiting)
        return frame

    def _start(self, frame: Frame) -> list[Awaitable[None]]:
        """Begin every field of a frame; what is still to be waited for."""
        waiting: list[Awaitable[None]] = []
        for place, field in frame.plan.active:
            waiting += self._begin(frame, place, field)
        return waiting

    def _begin(self, frame: Frame, place: int, field: FieldPlan) -> list[Awaitable[None]]:
        values = self._values(frame, field)
        if isinstance(values, list):
            return self._had(frame, place, field, values)
        return [self._later(frame, place, field, values)]

    async def _later(self, frame: Frame, place: int, field: FieldPlan, values: Awaitable[list[Any]]) -> None:
        await together(self._had(frame, place, field, await values))

    def _had(self, frame: Frame, place: int, field: FieldPlan, values: list[Any]) -> list[Awaitable[None]]:
        """Keep the values of a field, and go on below it."""
        frame.columns[place] = values
        if any_failed(values):
            self.is_odd = True
        return self._descend(frame, place, field)

    # The values of a field

    def _values(self, frame: Frame, field: FieldPlan) -> list[Any] | Awaitable[list[Any]]:
        if field.how is How.TYPENAME:
            return [field.parent.name] * len(frame.objects)
        if field.how is How.ATTRIBUTE:
            assert field.attribute is not None
            return waited(_read_all(frame.objects, field.attribute))
        try:
            arguments = self._arguments(field)
        except Exception as error:  # noqa: BLE001  # told when the answer is made
            self.is_odd = True
            return [error] * len(frame.objects)
        if field.how is How.BATCH:
            return self._batch(frame, field, arguments)
        resolve = field.definition.resolve or self._executor.field_resolver
        infos = self._infos(frame, field)
        return waited([_call(resolve, one, info, arguments) for one, info in zip(frame.objects, infos, strict=True)])

    def _batch(self, frame: Frame, field: FieldPlan, arguments: dict[str, Any]) -> list[Any] | Awaitable[list[Any]]:
        try:
            extensions = field.definition.extensions
            path = Path(None if extensions.get(PLACELESS) else frame.first, field.key, field.parent.name)
            info = self._executor.build_resolve_info(field.definition, field.nodes, field.parent, path)
            answers = extensions[BATCH](frame.objects, info, arguments)
            return self._batch_later(frame, field, answers) if waits(answers) else waited(_one_each(frame, field, answers))
        except Exception as error:  # noqa: BLE001  # of each of its parents
            return [error] * len(frame.objects)

    async def _batch_later(self, frame: Frame, field: FieldPlan, answers: Awaitable[Sequence[Any]]) -> list[Any]:
        try:
            return _one_each(frame, field, await answers)
        except Exception as error:  # noqa: BLE001  # of each of its parents
            return [error] * len(frame.objects)

    def _arguments(self, field: FieldPlan) -> dict[str, Any]:
        if not field.definition.args and not field.node.arguments:
            return {}
        convert = field.definition.extensions.get(CONVERT) if field.how is How.BATCH else None
        if field.given is not None:
            return field.given.copy() if convert is None else field.given
        given = dict(
            get_argument_values(
                field.definition, field.node, self._variables, field.details[0].fragment_variable_values, self._executor.hide_suggestions
            )
        )
        if convert is not None:
            given = convert(given)
        if field.is_constant and (
            convert is not None or all(value.__class__ in _UNCHANGING or isinstance(value, Enum) for value in given.values())
        ):
            field.given = given
        return given if convert is not None else given.copy()

    def _infos(self, frame: Frame, field: FieldPlan) -> list[GraphQLResolveInfo[Any]]:
        parent, key = field.parent.name, field.key
        build, nodes = self._executor.build_resolve_info, field.nodes
        return [build(field.definition, nodes, field.parent, Path(path, key, parent)) for path in frame.paths()]

    # The objects below a field

    def _descend(self, frame: Frame, place: int, field: FieldPlan) -> list[Awaitable[None]]:
        if not field.is_deep:
            return []
        assert field.child is not None
        column = frame.columns[place]
        plain = objects_in(column, field.lists)
        if plain is not None:
            return self._below(frame, place, field, plain)
        found: list[Any] = []
        for index, value in enumerate(column):
            column[index] = self._flatten(field.type, value, found)
        if any_waits(found):
            return [self._awaited(frame, place, field)]
        return self._below(frame, place, field, found)

    async def _awaited(self, frame: Frame, place: int, field: FieldPlan) -> None:
        """Lists of what must be waited for: wait, and begin anew."""
        column = frame.columns[place]
        for index, value in enumerate(column):
            column[index] = await settled(value)
        await together(self._descend(frame, place, field))

    def _flatten(self, kind: GraphQLOutputType, value: Any, found: list[Any]) -> Any:
        """Add the objects of a value to those found, in order; the value, with lists for whatever can be read once only."""
        if value is None:
            return value
        if value is Undefined or isinstance(value, Exception):
            self.is_odd = True
            return value
        if is_non_null_type(kind):
            kind = kind.of_type
        if not is_list_type(kind):
            found.append(value)
            return value
        if isinstance(value, AsyncIterable):
            found.append(collected(value))  # never an object: it makes the column wait
            return found[-1]
        if value.__class__ not in PLAIN:
            if not isinstance(value, Iterable) or isinstance(value, str | bytes | bytearray | Mapping):
                self.is_odd = True
                return value
            try:
                value = list(value)
            except Exception as error:  # noqa: BLE001
                self.is_odd = True
                return error
        changed = [self._flatten(kind.of_type, one, found) for one in value]
        return value if all(one is other for one, other in zip(value, changed, strict=True)) else changed

    def _below(self, frame: Frame, place: int, field: FieldPlan, found: list[Any]) -> list[Awaitable[None]]:
        child = field.child
        assert child is not None
        flat = frame.children[place] = Flat(len(found), [])
        if child.abstract is None:
            (plan,) = child.by_type.values()
            if plan.type.is_type_of is None:
                part = Frame(plan, found, lambda: _paths_below(frame, place, field))
                flat.parts.append((part, None))
                return self._start(part)
        if not found:
            return []
        if child.abstract is not None and (places := _by_class(child, found)) is not None:
            return self._parts(frame, place, field, found, places)
        names = self._names(frame, place, field, child, found)
        if isinstance(names, list):
            return self._partition(frame, place, field, found, names)
        return [self._partition_later(frame, place, field, found, names)]

    async def _partition_later(self, frame: Frame, place: int, field: FieldPlan, found: list[Any], names: Awaitable[list[Any]]) -> None:
        await together(self._partition(frame, place, field, found, await names))

    def _partition(self, frame: Frame, place: int, field: FieldPlan, found: list[Any], names: list[Any]) -> list[Awaitable[None]]:
        assert field.child is not None
        places: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            if isinstance(name, str) and name in field.child.by_type:
                places.setdefault(name, []).append(index)
            else:
                self.is_odd = True
        return self._parts(frame, place, field, found, places)

    def _parts(self, frame: Frame, place: int, field: FieldPlan, found: list[Any], places: dict[str, list[int]]) -> list[Awaitable[None]]:
        """A frame for the objects of each type, whose places are given, and what there is to wait for in them."""
        assert field.child is not None
        waiting: list[Awaitable[None]] = []
        for name, own in places.items():
            part = Frame(field.child.by_type[name], [found[index] for index in own], _some(lambda: _paths_below(frame, place, field), own))
            frame.children[place].parts.append((part, own))
            waiting += self._start(part)
        return waiting

    def _names(self, frame: Frame, place: int, field: FieldPlan, child: Child, found: list[Any]) -> list[Any] | Awaitable[list[Any]]:
        """The name of each object's type; anything else where that cannot be told, or its type does not want it."""
        abstract = child.abstract
        infos = self._infos_below(frame, field)
        if abstract is None:
            names: list[Any] = [child.named.name] * len(found)
        elif (table := abstract.extensions.get(NAMES)) is not None and table.keys() >= set(map(type, found)):
            names = [table[type(one)] for one in found]
        else:
            resolve = abstract.resolve_type or self._executor.type_resolver
            names = [_type_of(resolve, one, infos, abstract) for one in found]
        if any(map(waits, names)):
            return self._named_later(child, found, names, infos)
        checked = _checked(child, found, names, infos)
        return self._named_later(child, found, checked, infos) if any(map(waits, checked)) else checked

    async def _named_later(self, child: Child, found: list[Any], names: list[Any], info: GraphQLResolveInfo[Any]) -> list[Any]:
        names = await waited_for(names)
        return await waited_for(_checked(child, found, names, info))

    def _infos_below(self, frame: Frame, field: FieldPlan) -> GraphQLResolveInfo[Any]:
        return self._executor.build_resolve_info(field.definition, field.nodes, field.parent, Path(None, field.key, field.parent.name))


def _by_class(child: Child, found: list[Any]) -> dict[str, list[int]] | None:
    """The places of each type's objects where their classes say all there is to know; None: they do not."""
    assert child.abstract is not None
    table = child.abstract.extensions.get(NAMES)
    if table is None or not child.is_unchecked:
        return None
    classes = list(map(type, found))
    places: dict[str, list[int]] = {}
    for one in set(classes):
        name = table.get(one)
        if name not in child.by_type:
            return None
        own = [index for index, other in enumerate(classes) if other is one]
        places[name] = sorted(places[name] + own) if name in places else own
    return places


def _checked(child: Child, found: list[Any], names: list[Any], info: GraphQLResolveInfo[Any]) -> list[Any]:
    """The names, with something else for each object that its type says is none of its own."""
    if child.is_unchecked:
        return names
    checked: list[Any] = []
    for one, name in zip(found, names, strict=True):
        plan = child.by_type.get(name) if isinstance(name, str) else None
        if plan is None or plan.type.is_type_of is None:
            checked.append(name)
            continue
        try:
            is_own = plan.type.is_type_of(one, info)
        except Exception as error:  # noqa: BLE001
            checked.append(error)
            continue
        checked.append(_named_if(is_own, name) if waits(is_own) else name if is_own else None)
    return checked


async def _named_if(is_own: Awaitable[bool], name: str) -> str | None:
    return name if await is_own else None


def _one_each(frame: Frame, field: FieldPlan, answers: Sequence[Any]) -> list[Any]:
    found = list(answers)
    if len(found) != len(frame.objects):
        raise TypeError(f"{field.parent.name}.{field.node.name.value} answers {len(found)} of {len(frame.objects)} parents.")
    return found


def _read_all(parents: Sequence[Any], attribute: str) -> list[Any]:
    try:
        return list(map(attrgetter(attribute), parents))
    except Exception:  # noqa: BLE001  # of whom, is seen one by one; to read an attribute changes nothing
        return [_read(one, attribute) for one in parents]


def _read(parent: Any, attribute: str) -> Any:
    try:
        return getattr(parent, attribute)
    except Exception as error:  # noqa: BLE001
        return error


def _call(resolve: Callable[..., Any], parent: Any, info: Any, arguments: dict[str, Any]) -> Any:
    try:
        return resolve(parent, info, **arguments)
    except Exception as error:  # noqa: BLE001
        return error


def _type_of(resolve: Callable[..., Any], value: Any, info: Any, abstract: Any) -> Any:
    try:
        return resolve(value, info, abstract)
    except Exception as error:  # noqa: BLE001
        return error


def _some(paths: Paths, places: list[int]) -> Paths:
    """Of all paths those at these places, which are in order."""

    def chosen() -> Iterator[Path | None]:
        every = enumerate(paths())
        for place in places:
            yield next(path for index, path in every if index == place)

    return chosen


def _paths_below(frame: Frame, place: int, field: FieldPlan) -> Iterator[Path | None]:
    """Where each object below a field stands, in the order in which they are flattened."""
    for parent, value in zip(frame.paths(), frame.columns[place], strict=True):
        yield from _walk(field.type, value, Path(parent, field.key, field.parent.name))


def _walk(kind: GraphQLOutputType, value: Any, path: Path) -> Iterator[Path]:
    if value is None or value is Undefined or isinstance(value, Exception):
        return
    if is_non_null_type(kind):
        kind = kind.of_type
    if not is_list_type(kind):
        yield path
    elif value.__class__ in PLAIN:
        for index, one in enumerate(value):
            yield from _walk(kind.of_type, one, path.add_key(index, None))
