"""Mutations of attributes: what an agent keeps in sight, and what an administrator shows everybody. Joined by `resolvers.mutation`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from resolvers.batching import Info
from resolvers.inputs.layout import LayoutInput
from resolvers.payloads import layout_result, preferences_result
from resolvers.types.payload import LayoutPayload, PreferencesPayload

__all__ = ["AttributeMutations"]


@strawberry.type
class AttributeMutations:
    @strawberry.mutation(
        graphql_type=PreferencesPayload, description="Replace the list of attributes you keep in sight, whole and in this order."
    )
    async def set_visible_attributes(
        self,
        info: Info,
        keys: Annotated[list[str], strawberry.argument(description="Keys of attributes, at most 100, each once.")],
        expected_version: Annotated[
            int | None, strawberry.argument(description="Refuse when preferencesVersion is another by now; 0: you never chose.")
        ] = None,
    ) -> Any:
        commands = info.context.services.commands.preferences
        return await preferences_result(info.context, commands.set_visible_attributes(info.context.principal, keys, expected_version))

    @strawberry.mutation(graphql_type=LayoutPayload, description="Save a layout, whole, under its name.")
    async def save_layout(
        self,
        info: Info,
        input: Annotated[LayoutInput, strawberry.argument(description="The layout.")],  # noqa: A002
    ) -> Any:
        command = info.context.services.commands.layouts.save(info.context.principal, input.command(), input.expected_version)
        return await layout_result(info.context, input.name, command)
