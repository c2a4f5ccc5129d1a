"""Attributes of a profile: what the agent pinned, everything, and what is missing.

Fields of `Profile`; `resolvers.types.profile` takes them over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated

import strawberry

from gateway.engine.context import OperationContext
from gateway.loaders.wanted import Needs
from gateway.model import attribute as attribute_model
from gateway.model import profile as model
from gateway.model.trait import Trait
from resolvers.attributes import all_attributes, definitions, definitions_called, empty, pinned, preference_of, profile_attribute
from resolvers.batching import BatchInfo, batched
from resolvers.types.attribute import AttributeDefinition, ProfileAttribute
from resolvers.types.enums import AttributeVisibility

__all__ = ["ProfileAttributes"]

Visibility = Annotated[AttributeVisibility, strawberry.argument(description="What you pinned, or everything.")]
Search = Annotated[str | None, strawberry.argument(description="Only attributes whose key or label contains this.")]


@strawberry.type
class ProfileAttributes:
    @batched(
        type=list[ProfileAttribute],
        description="MAIN = what this agent pinned, in the agent's order; ALL = show more. search filters labels.",
        needs=Needs(traits=True),
    )
    async def attributes(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        visibility: Visibility = AttributeVisibility.MAIN,
        search: Search = None,
    ) -> Sequence[object]:
        context = info.context
        everything = visibility is AttributeVisibility.ALL
        main = [] if everything else definitions_called(pinned(context.configuration, await preference_of(context)), search)
        needs_identifiers = everything or any(one.is_identifier for one in main)
        answers: list[list[attribute_model.ProfileAttribute] | BaseException] = []
        for found in await _known(context, parents, identifiers=needs_identifiers):
            if isinstance(found, BaseException):
                answers.append(found)
                continue
            traits, identifiers = found
            wanted = definitions_called(all_attributes(context.configuration, traits), search) if everything else main
            answers.append([profile_attribute(context, one, traits.get(one.key), identifiers) for one in wanted])
        return answers

    @batched(
        type=list[AttributeDefinition],
        description="Attributes the workspace requires that are still empty.",
        needs=Needs(traits=True),
    )
    async def missing_attributes(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        required = [one for one in definitions(info.context.configuration) if one.is_required]
        if not required:
            return [[] for _ in parents]
        answers: list[list[attribute_model.AttributeDefinition] | BaseException] = []
        for found in await _known(info.context, parents, identifiers=any(one.is_identifier for one in required)):
            if isinstance(found, BaseException):
                answers.append(found)
                continue
            traits, identifiers = found
            answers.append([one for one in required if empty(one, traits.get(one.key), identifiers)])
        return answers


_Known = tuple[dict[str, Trait], Sequence[model.Identifier]]


async def _known(context: OperationContext, parents: Sequence[model.Profile], *, identifiers: bool) -> list[_Known | BaseException]:
    """Traits by key, and identifiers where they are needed, of each profile; a failure stays an element."""
    ids = [profile.profile_id for profile in parents]
    traits, contacts = context.loaders.traits, context.loaders.contacts
    answers, reach = await asyncio.gather(traits.load_many(ids), contacts.load_many(ids if identifiers else ()))
    known: list[_Known | BaseException] = []
    for answer, contact in zip_longest(answers, reach):
        failed = next((one for one in (answer, contact) if isinstance(one, BaseException)), None)
        if failed is not None:
            known.append(failed)
        else:
            assert not isinstance(answer, BaseException)
            assert not isinstance(contact, BaseException)
            known.append(({trait.key: trait for trait in answer.traits}, contact.identifiers if contact else ()))
    return known
