"""How large a document is with all its fragments written out, found without writing them out.

Owns one walk over the document and the sums over its fragments: linear in the text, whatever it says. Needs no schema and takes documents that are
not valid (unknown, circular and unused fragments): it comes before validation, which is not linear. Called by `engine.documents`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from gateway.engine.limits import DocumentLimits

__all__ = ["MANY", "Analysis", "Measures", "analyse", "excess"]

MANY: Final = 1_000_000
"""Where counting stops: doubling two hundred times must not make a number of two hundred bits."""
_INTROSPECTION: Final = frozenset({"__schema", "__type"})
_TOGETHER: Final = 5
"""How much larger all operations together may be than one of them."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one operation or fragment, fragments written out; nothing is counted beyond `MANY`."""

    depth: int = 0
    root_fields: int = 0
    fields: int = 0
    fragments: int = 0
    aliases: int = 0
    directives: int = 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """`operations` in their order; `fragments`: those that no operation uses; `circular`: a fragment spreads itself, by whatever detour, or may do so
    because there are two of its name: nothing may follow such fragments without looking where it has been.
    """

    operations: Sequence[Measures]
    fragments: Sequence[Measures]
    circular: bool


@dataclass(slots=True)
class _Part:
    """One definition by itself. `spreads`: the name, the levels of fields above it, and whether its depth counts."""

    depth: int = 0
    root_fields: int = 0
    fields: int = 0
    fragments: int = 0
    aliases: int = 0
    directives: int = 0
    spreads: list[tuple[str, int, bool]] = field(default_factory=list)

    def walk(self, given: SelectionSetNode, level: int, *, counts: bool, exempt: frozenset[str]) -> None:
        """Add a selection set. `level`: of fields above it; `counts`: they count as depth."""
        for node in given.selections:
            self.directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                self.fields += 1
                self.root_fields += not level
                self.aliases += node.alias is not None
                below = level + 1
                if counts and below > self.depth:
                    self.depth = below
                if node.selection_set is not None:
                    self.walk(node.selection_set, below, counts=counts and node.name.value not in exempt, exempt=exempt)
            elif isinstance(node, InlineFragmentNode):
                self.fragments += 1
                self.walk(node.selection_set, level, counts=counts, exempt=exempt)
            elif isinstance(node, FragmentSpreadNode):
                self.fragments += 1
                self.spreads.append((node.name.value, level, counts))


def analyse(document: DocumentNode, *, introspection: bool) -> Analysis:
    """Measure it. `introspection`: what stands under `__schema` and `__type` has no depth (the schema is asked with a dozen levels)."""
    exempt = _INTROSPECTION if introspection else frozenset[str]()
    operations: list[_Part] = []
    fragments: dict[str, _Part] = {}
    doubles: list[_Part] = []
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode | FragmentDefinitionNode):
            continue
        part = _Part(directives=len(node.directives or ()))
        part.directives += sum(len(one.directives or ()) for one in node.variable_definitions or ())
        part.walk(node.selection_set, 0, counts=True, exempt=exempt)
        if isinstance(node, OperationDefinitionNode):
            operations.append(part)
        elif node.name.value in fragments:
            doubles.append(part)  # refused by validation, which looks into it
        else:
            fragments[node.name.value] = part
    order, circular = _from_the_inside(fragments)
    known: dict[str, Measures] = {}
    for name in order:
        known[name] = _written_out(fragments[name], known)
    used = {name for part in operations for name in _reached(part, fragments)}
    unused = [measures for name, measures in known.items() if name not in used]
    return Analysis(
        [_written_out(part, known) for part in operations],
        [*unused, *(_written_out(part, known) for part in doubles)],
        circular or bool(doubles),
    )


def excess(analysis: Analysis, limits: DocumentLimits) -> Iterator[tuple[str, int, int, str]]:
    """What is over the limits: its code, the limit, what was found, and the name of what was counted."""
    every = [*analysis.operations, *analysis.fragments]
    measured = (
        ("LIMIT_DEPTH", limits.depth, [one.depth for one in every], "levels"),
        ("LIMIT_FIELDS", limits.root_fields, [one.root_fields for one in analysis.operations], "root fields"),
        ("LIMIT_FIELDS", limits.fields, [one.fields for one in every], "fields"),
        ("LIMIT_FIELDS", limits.fragments, [one.fragments for one in every], "uses of fragments"),
        ("LIMIT_ALIASES", limits.aliases, [one.aliases for one in every], "aliases"),
        ("LIMIT_DIRECTIVES", limits.directives, [one.directives for one in every], "directives"),
    )
    for code, limit, found, what in measured:
        if (most := max(found, default=0)) > limit:
            yield code, limit, most, what
    for limit, found, what in (
        (limits.fields * _TOGETHER, [one.fields for one in every], "fields in all its operations"),
        (limits.fragments * _TOGETHER, [one.fragments for one in every], "uses of fragments in all its operations"),
    ):
        if (total := min(MANY, sum(found))) > limit:
            yield "LIMIT_FIELDS", limit, total, what


def _written_out(part: _Part, known: Mapping[str, Measures]) -> Measures:
    depth, root_fields, fields = part.depth, part.root_fields, part.fields
    fragments, aliases, directives = part.fragments, part.aliases, part.directives
    for name, level, counts in part.spreads:
        inside = known.get(name)
        if inside is None:
            continue  # there is none, or it is this very one: validation says so
        if counts and level + inside.depth > depth:
            depth = level + inside.depth
        if not level:
            root_fields += inside.root_fields
        fields += inside.fields
        fragments += inside.fragments
        aliases += inside.aliases
        directives += inside.directives
    return Measures(
        min(depth, MANY), min(root_fields, MANY), min(fields, MANY), min(fragments, MANY), min(aliases, MANY), min(directives, MANY)
    )


def _from_the_inside(fragments: Mapping[str, _Part]) -> tuple[list[str], bool]:
    """The names, each behind those it spreads, and whether there is a circle (which is cut somewhere)."""
    order: list[str] = []
    state: dict[str, bool] = {}
    circular = False
    for first in fragments:
        if first in state:
            continue
        state[first] = False
        stack = [(first, iter(fragments[first].spreads))]
        while stack:
            name, waiting = stack[-1]
            for inner, _, _ in waiting:
                done = state.get(inner)
                if done is None and inner in fragments:
                    state[inner] = False
                    stack.append((inner, iter(fragments[inner].spreads)))
                    break
                circular = circular or done is False
            else:
                state[name] = True
                order.append(name)
                stack.pop()
    return order, circular


def _reached(part: _Part, fragments: Mapping[str, _Part]) -> set[str]:
    seen, waiting = set[str](), [part]
    for one in waiting:  # grows while it is read
        for name, _, _ in one.spreads:
            if name not in seen and name in fragments:
                seen.add(name)
                waiting.append(fragments[name])
    return seen
