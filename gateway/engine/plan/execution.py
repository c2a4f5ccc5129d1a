"""Executing an operation by its plan, with the interface of graphql-core's `execute`.

Owns the choice between the compiled and the reference executor, made before anything runs, and the plans that are kept: what is not compiled goes
to the reference executor. Called by `gateway.engine.executor`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import Any, cast

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FragmentDetails

from gateway.engine.plan.levels import Flat, Frame, Levels
from gateway.engine.plan.replay import replay
from gateway.engine.plan.source import Written, write
from gateway.engine.plan.tree import AttributeOf, ObjectPlan, Plan, Reason, Unplannable, make_plan

__all__ = ["MOST_GUARDS", "Compiled", "Plans", "compiled", "execute", "guards", "no_attribute"]

_MOST_PLANS = 1_000
MOST_GUARDS = 4
"""Variables that decide what is selected: each of their combinations is a plan of its own."""


def no_attribute(_field: GraphQLField, _name: str) -> str | None:
    """Every field without a resolver is asked for as graphql-core asks."""
    return None


class Compiled:
    """A plan and its code."""

    __slots__ = ("plan", "written")

    def __init__(self, plan: Plan, written: Written) -> None:
        self.plan = plan
        self.written = written

    def write(self, frame: Frame) -> dict[str, Any]:
        """The answer, the fast way; raises whatever it meets when a value is not as planned."""
        return self._level(frame)[0]

    def _level(self, frame: Frame) -> list[dict[str, Any]]:
        plan: ObjectPlan = frame.plan
        active = plan.active
        nexts = [iter(self._flat(frame.children[place])).__next__ for place, field in active if field.is_deep]
        return self.written.functions[plan.number](frame.objects, *(frame.columns[place] for place, _ in active), *nexts)

    def _flat(self, flat: Flat) -> list[dict[str, Any]]:
        if len(flat.parts) == 1 and flat.parts[0][1] is None:
            return self._level(flat.parts[0][0])
        together: list[Any] = [None] * flat.count
        for frame, places in flat.parts:
            assert places is not None
            for place, written in zip(places, self._level(frame), strict=True):
                together[place] = written
        return together


class _Kept:
    """An operation that was seen, and its plan, when it was made."""

    __slots__ = ("made", "operation")

    def __init__(self, operation: OperationDefinitionNode) -> None:
        self.operation = operation
        self.made: Compiled | Reason | None = None
        """Once it was tried: the plan, or why there is none."""


_Key = tuple[int, tuple[Any, ...], AttributeOf]


class Plans:
    """The plans of one schema that are kept, by operation: whoever keeps parsed documents finds their plans again.

    A plan's code costs more than one execution saves, so it is made when an operation is seen for the second time: a stream of documents that are
    sent once cannot buy it.
    """

    def __init__(
        self,
        attribute_of: AttributeOf = no_attribute,
        *,
        most: int = _MOST_PLANS,
        at_once: bool = False,
        attributes_for: Callable[[Any], AttributeOf] | None = None,
        on_reference: Callable[[Reason], None] = lambda _: None,
    ) -> None:
        """`attribute_of`: see `tree.make_plan`; `most`: plans kept; `at_once`: make each when it is first asked for. `attributes_for`: chooses one
        of a few `attribute_of` by an execution's context, each with plans of its own. `on_reference`: told of each execution that goes to the
        reference executor, and why.
        """
        self._attributes_for = attributes_for if attributes_for is not None else lambda _: attribute_of
        self._most = most
        self._at_once = at_once
        self._on_reference = on_reference
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._guards: OrderedDict[int, tuple[OperationDefinitionNode, tuple[str, ...]]] = OrderedDict()

    def plan(self, executor: Executor[Any]) -> Compiled | None:
        """The plan of the operation that this executor was built for; None: the reference executor takes it."""
        found = self._found(executor)
        if found.__class__ is Compiled:
            return found
        assert isinstance(found, Reason)
        self._on_reference(found)
        return None

    def make(self, executor: Executor[Any]) -> Compiled | Reason:
        """The same before anybody asks, and told to nobody: for operations that are known to come. Make it with `at_once`."""
        return self._found(executor)

    def _found(self, executor: Executor[Any]) -> Compiled | Reason:
        if executor.middleware_manager is not None or executor.abort_signal is not None:
            return Reason.HOOKS
        operation = executor.operation
        names = self._guards_of(executor)
        if len(names) > MOST_GUARDS:
            return Reason.GUARDS
        given = executor.variable_values.coerced
        chosen = tuple([given.get(name) for name in names])
        if None in chosen:
            return Reason.GUARDS
        attribute_of = self._attributes_for(executor.context_value)
        key = id(operation), chosen, attribute_of
        kept = self._kept.get(key)
        if kept is None or kept.operation is not operation:
            kept = self._kept[key] = _Kept(operation)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            if not self._at_once:
                return Reason.FIRST_SIGHT
        self._kept.move_to_end(key)
        if kept.made is None:
            try:
                kept.made = compiled(executor, attribute_of)
            except Unplannable as error:
                kept.made = error.reason
        return kept.made

    def _guards_of(self, executor: Executor[Any]) -> tuple[str, ...]:
        operation = executor.operation
        kept = self._guards.get(id(operation))
        if kept is None or kept[0] is not operation:
            kept = self._guards[id(operation)] = operation, guards(operation, executor.fragments)
            if len(self._guards) > self._most:
                self._guards.popitem(last=False)
        return kept[1]


def compiled(executor: Executor[Any], attribute_of: AttributeOf = no_attribute) -> Compiled:
    """Make the plan of the operation that an executor was built for, and its code, for the values that its guards have there.

    Raises:
        Unplannable: the reference executor must take it; says why.
    """
    deciding = guards(executor.operation, executor.fragments)
    if len(deciding) > MOST_GUARDS:
        said = f"{len(deciding)} variables of @skip and @include decide what is selected; {MOST_GUARDS} may."
        raise Unplannable(Reason.GUARDS, said)
    empty = [name for name in deciding if executor.variable_values.coerced.get(name) is None]
    if empty:
        raise Unplannable(Reason.GUARDS, f"The variable ${empty[0]} is null, and decides what is selected.")
    try:
        plan = make_plan(executor.schema, executor.operation, executor.fragments, executor.variable_values, attribute_of)
        return Compiled(plan, write(plan, executor))
    except RecursionError as error:
        raise Unplannable(Reason.LARGE, "Its selections lie too deep in one another.") from error


def guards(operation: OperationDefinitionNode, fragments: dict[str, FragmentDetails]) -> tuple[str, ...]:
    """The variables that decide what an operation selects, by name."""
    return tuple(sorted(set(_guards(operation.selection_set, fragments, set()))))


def execute(executor: Executor[Any], plans: Plans) -> ExecutionResult | Awaitable[ExecutionResult]:
    """Execute the operation that `executor` (of graphql-core, `Executor.build`) was built for; the same answer as its own `execute_operation`."""
    planned = plans.plan(executor)
    if planned is None:
        return cast("ExecutionResult | Awaitable[ExecutionResult]", executor.execute_operation())
    levels = Levels(planned.plan, executor)
    frame = levels.run(executor.root_value)
    if isawaitable(frame):
        return _later(planned, levels, frame, executor)
    return _answer(planned, levels, frame, executor)


async def _later(planned: Compiled, levels: Levels, frame: Awaitable[Frame], executor: Executor[Any]) -> ExecutionResult:
    answer = _answer(planned, levels, await frame, executor)
    return await answer if isawaitable(answer) else answer


def _answer(planned: Compiled, levels: Levels, frame: Frame, executor: Executor[Any]) -> ExecutionResult | Awaitable[ExecutionResult]:
    if not levels.is_odd:
        try:
            written = planned.write(frame)
            frame.close()
            return ExecutionResult(written, None)
        except Exception:  # noqa: BLE001, S110  # the slow way tells what it is
            pass
    return replay(executor, frame)


def _guards(selections: SelectionSetNode, fragments: dict[str, FragmentDetails], seen: set[str]) -> Iterator[str]:
    """The variables of `@skip` and `@include` below a selection."""
    for one in selections.selections:
        for directive in one.directives or ():
            if directive.name.value in {"skip", "include"}:
                yield from (argument.value.name.value for argument in directive.arguments or () if isinstance(argument.value, VariableNode))
        if isinstance(one, FieldNode | InlineFragmentNode) and one.selection_set is not None:
            yield from _guards(one.selection_set, fragments, seen)
        elif isinstance(one, FragmentSpreadNode) and one.name.value not in seen and one.name.value in fragments:
            seen.add(one.name.value)
            yield from _guards(fragments[one.name.value].definition.selection_set, fragments, seen)
