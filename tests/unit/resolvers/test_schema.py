"""The schema against its three promises: the file says what the code does, everything is described, and it is a part of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from graphql import (
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    GraphQLObjectType,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

from resolvers.batching import BATCH
from resolvers.schema import TYPE_OF, build_schema, schema_text

__all__: list[str] = []

HERE = Path(__file__).parent
EXPORTED = HERE.parents[2] / "schema.graphql"
CONTRACT = HERE / "contract.graphql"
"""The target contract, of which each release builds a part."""

DELIBERATE: dict[str, str] = {}
"""Place → why ours differs there from the contract. Empty: it differs nowhere."""

ADDITIONS: dict[str, str] = {
    "Interaction.customChannel": "a channel of one's own has a name in the history too, as a contact's has",
    "Message.author": "an agent reads who wrote: a name, where a transcript has several",
    "Change.profileId": "the workspace feed is about many profiles",
    "Change.profile": "the same, with what a copy needs of it in one query",
}
"""Place → why it is there beyond the contract."""


def places(document: str) -> Iterator[tuple[str, str, bool]]:
    """Everything a schema names: its place, what stands there (kind, type and default), and whether it is described."""
    for node in parse(document).definitions:
        name = getattr(getattr(node, "name", None), "value", "")
        described = getattr(node, "description", None) is not None
        match node:
            case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
                yield name, node.kind, described
                yield from ((f"{name} implements {one.name.value}", "", True) for one in node.interfaces or ())
                for field in node.fields or ():
                    yield f"{name}.{field.name.value}", print_ast(field.type), field.description is not None
                    yield from (_argument(name, field, argument) for argument in field.arguments or ())
            case InputObjectTypeDefinitionNode():
                yield name, f"{node.kind}{' @oneOf' if _has(node, 'oneOf') else ''}", described
                yield from ((f"{name}.{field.name.value}", _input(field), field.description is not None) for field in node.fields or ())
            case EnumTypeDefinitionNode():
                yield name, node.kind, described
                yield from ((f"{name}.{value.name.value}", "", value.description is not None) for value in node.values or ())
            case UnionTypeDefinitionNode():
                yield name, node.kind, described
                yield from ((f"{name} | {member.name.value}", "", True) for member in node.types or ())
            case ScalarTypeDefinitionNode():
                yield name, " ".join([node.kind, *(print_ast(one) for one in node.directives or ())]), described


def directives(document: str) -> Iterator[tuple[str, list[str]]]:
    """The federation directives of each type and field that has some, without those of costs, which the contract says in words."""
    for node in parse(document).definitions:
        if isinstance(node, ObjectTypeDefinitionNode):
            for place, one in ((node.name.value, node), *((f"{node.name.value}.{field.name.value}", field) for field in node.fields or ())):
                found = sorted(
                    print_ast(directive)
                    for directive in one.directives or ()
                    if directive.name.value not in {"deprecated", "cost", "listSize"}
                )
                if found:
                    yield place, found


def _argument(type_: str, field: FieldDefinitionNode, argument: InputValueDefinitionNode) -> tuple[str, str, bool]:
    return f"{type_}.{field.name.value}({argument.name.value}:)", _input(argument), argument.description is not None


def _input(node: InputValueDefinitionNode) -> str:
    default = f" = {print_ast(node.default_value)}" if node.default_value else ""
    return print_ast(node.type) + default


def _has(node: Node, directive: str) -> bool:
    return any(one.name.value == directive for one in getattr(node, "directives", None) or ())


OURS = {place: what for place, what, _ in places(EXPORTED.read_text())}


def test_the_file_is_the_code() -> None:
    """schema.graphql is what the code makes; after a change write it with `profile-gateway schema`."""
    assert EXPORTED.read_text() == schema_text()


def test_everything_is_described() -> None:
    """Every type, field, argument, input field and enum value says what it means."""
    assert [place for place, _, described in places(schema_text()) if not described] == []
    assert len(OURS) > 500


def test_the_whole_contract_is_there() -> None:
    """Every type, field, argument, input, enum value, member and interface of the contract is ours, with the same types and defaults."""
    different = {place: (what, OURS.get(place)) for place, what, _ in places(CONTRACT.read_text()) if OURS.get(place) != what}

    assert {place: pair for place, pair in different.items() if place not in DELIBERATE} == {}
    assert set(DELIBERATE) <= set(different), "a difference that is gone is still excused"


def test_additions_are_deliberate() -> None:
    """What we have beyond the contract is listed with its reason, and nothing of it is required of a client."""
    contract = {place for place, _, _ in places(CONTRACT.read_text())}
    added = {place for place in OURS if place not in contract}

    assert added == set(ADDITIONS)
    assert [place for place in added if "(" in place and OURS[place].endswith("!")] == []


def test_a_router_is_told_what_the_contract_says() -> None:
    """Types and fields carry the federation directives of the contract, no more and no less."""
    assert dict(directives(EXPORTED.read_text())) == dict(directives(CONTRACT.read_text()))


def test_every_value_has_its_own_type() -> None:
    """Each class in the table stands for an object type of the schema, no two for the same one."""
    schema = build_schema()

    assert len(set(TYPE_OF.values())) == len(TYPE_OF)
    assert all(isinstance(schema.type_map[name], GraphQLObjectType) for name in TYPE_OF.values())


def test_every_abstract_type_can_be_told() -> None:
    """Every object type that is a member of an interface or a union has a class in the table, so resolving never guesses."""
    schema = build_schema()
    members = {member.name for kind in schema.type_map.values() if kind.name in ABSTRACT for member in schema.get_possible_types(kind)}  # type: ignore[arg-type]

    assert members == set(TYPE_OF.values())


ABSTRACT = {place for place, what in OURS.items() if what in {"interface_type_definition", "union_type_definition"}}


def test_relationships_are_batch_functions() -> None:
    """Every field of Profile that reads something is a batch function that an executor can call with a whole level."""
    fields = build_schema().type_map["Profile"].fields  # type: ignore[attr-defined]
    batched = {name for name, field in fields.items() if iscoroutinefunction(field.extensions.get(BATCH))}

    assert batched == {
        *("contactPoints", "identifiers", "traits", "traitSummary", "companies", "mainCompany", "notes", "timeline", "sources"),
        *("interests", "consents", "segments", "contacts", "changes", "mergeProposals", "attributes", "missingAttributes"),
    }


@pytest.mark.parametrize("name", ["DateTime", "Date", "JSON", "PhoneNumber"])
def test_scalars_say_where_they_are_specified(name: str) -> None:
    """The scalars of public specifications point to them."""
    assert "@specifiedBy" in OURS[name]
