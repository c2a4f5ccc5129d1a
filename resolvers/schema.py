"""The schema: Query, Mutation and Subscription assembled, and the table from a value's class to its GraphQL type.

Owns that table, through which interfaces and unions resolve, and the places where batch functions are put for a compiled executor to find, and what
a field needs for `engine.selection`.
Called by `gateway.app` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField
from strawberry.types.scalar import ScalarDefinition

from gateway.engine.context import OperationContext
from gateway.engine.plan.tree import CONVERT, NAMES, PLACELESS, SAME, AttributeOf
from gateway.loaders.wanted import NEEDS
from gateway.model import activity, attribute, audit, company, contact, layout, merge, note, profile, source
from resolvers import payloads
from resolvers.arguments import as_written
from resolvers.batching import BATCH, in_one_call
from resolvers.costs import declare
from resolvers.direct import directly, for_all
from resolvers.events import values as events
from resolvers.mutation import Mutation
from resolvers.overlay import OVERLAY, overlaying
from resolvers.query import Query
from resolvers.subgraph import annotated
from resolvers.subscription import Subscription
from resolvers.types.activity import ChangeItem, ExternalActivity, Interaction, Message, NoteItem
from resolvers.types.contact_point import ShownIdentifier, ShownPoint
from resolvers.types.insight import InterestTriggered
from resolvers.types.node import DuplicateIdentifierError, InputError, StaleVersionError
from resolvers.types.scalars import SCALARS, shown_as_is

__all__ = ["TYPE_OF", "attribute_of", "attributes_for", "build_schema", "schema_text"]

TYPE_OF: dict[type, str] = {
    profile.Profile: "Profile",
    ShownPoint: "ContactPoint",
    ShownIdentifier: "Identifier",
    note.Note: "Note",
    company.Company: "Company",
    contact.Contact: "Contact",
    source.Source: "Source",
    attribute.AttributeDefinition: "AttributeDefinition",
    layout.Layout: "Layout",
    merge.MergeRecord: "MergeRecord",
    merge.MergeProposal: "MergeProposal",
    activity.Interaction: "Interaction",
    activity.ExternalActivity: "ExternalActivity",
    activity.Message: "Message",
    activity.NoteItem: "NoteItem",
    activity.ChangeItem: "ChangeItem",
    audit.ChangeRecord: "Change",
    activity.InterestTriggered: "InterestTriggered",
    events.ReadyEvent: "StreamReady",
    events.GapEvent: "StreamGap",
    events.GoAwayEvent: "StreamGoAway",
    events.ProfileEvent: "ProfileUpdated",
    events.MergedEvent: "ProfileMerged",
    events.ErasedEvent: "ProfileErased",
    events.ViewersEvent: "ViewersChanged",
    events.ItemEvent: "TimelineItemUpserted",
    events.RemovedEvent: "TimelineItemRemoved",
    events.ContactEvent: "ContactChanged",
    events.SourceEvent: "SourceChanged",
    payloads.InputProblem: "InputError",
    payloads.StaleVersion: "StaleVersionError",
    payloads.DuplicateIdentifier: "DuplicateIdentifierError",
}
"""Class of a value → name of its type."""

_BACKREF = "strawberry-definition"


def _strawberry_schema() -> strawberry.Schema:
    schema = strawberry.Schema(
        Query,
        Mutation,
        Subscription,
        types=[
            Interaction,
            ExternalActivity,
            Message,
            InterestTriggered,
            NoteItem,
            ChangeItem,
            InputError,
            StaleVersionError,
            DuplicateIdentifierError,
        ],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    for kind in schema._schema.type_map.values():  # noqa: SLF001  # Strawberry keeps the core schema to itself
        if isinstance(kind, GraphQLInputObjectType):
            _drop_null_defaults(kind.fields)
        elif isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                _drop_null_defaults(field.args)
    return schema


def _drop_null_defaults(inputs: Mapping[str, Any]) -> None:
    """Python's None as a default means "not given"; the contract says that by giving no default."""
    for one in inputs.values():
        if one.default_value is None:
            one.default_value = Undefined


def build_schema() -> GraphQLSchema:
    """The executable schema."""
    made = _strawberry_schema()
    schema: GraphQLSchema = made._schema  # noqa: SLF001  # Strawberry keeps the core schema to itself
    for kind in schema.type_map.values():
        definition = kind.extensions.get(_BACKREF)
        if isinstance(kind, GraphQLInputObjectType):
            kind.is_one_of = definition is not None and definition.is_one_of  # Strawberry checks with an exception; the core with a message
        elif isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            kind.resolve_type = _type_name
            kind.extensions[NAMES] = TYPE_OF
        elif isinstance(kind, GraphQLScalarType) and isinstance(definition, ScalarDefinition):
            kind.extensions[SAME] = definition.serialize is shown_as_is
        elif isinstance(kind, GraphQLObjectType):
            kind.is_type_of = None  # values are the model's: the table alone says what they are
            for field in kind.fields.values():
                made_from = field.extensions.get(_BACKREF)
                if isinstance(made_from, StrawberryField):
                    _prepare(field, made_from, made)
    declare(schema)
    return schema


def _prepare(field: GraphQLField, made_from: StrawberryField, made: strawberry.Schema) -> None:
    """Put at a field what executors and `engine.selection` look for."""
    if NEEDS in made_from.metadata:
        field.extensions[NEEDS] = made_from.metadata[NEEDS]
    if BATCH in made_from.metadata:
        field.extensions[BATCH], field.extensions[CONVERT] = in_one_call(made_from, made), as_written(made_from, made)
    elif OVERLAY in made_from.metadata:
        assert field.resolve is not None
        field.resolve = overlaying(field.resolve, made_from.metadata[OVERLAY])
    elif field.subscribe is None and (resolve := directly(made_from, made)) is not None:
        field.resolve = resolve
        if (each := for_all(made_from, made)) is not None:
            field.extensions[BATCH], field.extensions[CONVERT] = each, as_written(made_from, made)
            field.extensions[PLACELESS] = True


def attribute_of(field: GraphQLField, _name: str) -> str | None:
    """The attribute that a field is, for a compiled executor; None: it has a resolver of its own."""
    made_from = field.extensions.get(_BACKREF)
    return made_from.python_name if isinstance(made_from, StrawberryField) and getattr(field.resolve, "_is_default", False) else None


def _attribute_or_overlaid(field: GraphQLField, name: str) -> str | None:
    made_from = field.extensions.get(_BACKREF)
    if isinstance(made_from, StrawberryField) and OVERLAY in made_from.metadata:
        return made_from.python_name
    return attribute_of(field, name)


def attributes_for(context: OperationContext) -> AttributeOf:
    """`attribute_of` for operations of this context: where no source overlays fields of profiles, those are attributes like any other."""
    registry = context.services.registry.seen_by(context.principal.workspace_key)
    return attribute_of if registry.fields else _attribute_or_overlaid


def schema_text() -> str:
    """The schema as the contract file `schema.graphql` has it."""
    return annotated(_strawberry_schema().as_str())


def _type_name(value: Any, _info: object, _abstract: object) -> str:
    return TYPE_OF[type(value)]
