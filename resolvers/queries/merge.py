"""Root query fields of merges. Joined by `resolvers.query`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import strawberry

from gateway.commands.merge_preview import preview_merge
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput, Rejected
from gateway.model.merge import FIELDS
from gateway.model.merge import MergePreview as Preview
from resolvers.batching import Info
from resolvers.inputs.merge import merge_request
from resolvers.inputs.timeline import KeyValueInput
from resolvers.types.merge import MergePreview
from resolvers.types.trait import ShownCandidate, TraitView

__all__ = ["MergeQueries"]


@dataclass(frozen=True, slots=True)
class ShownField:
    """Value of `MergeField`: an attribute's values as the viewer may see them."""

    field: str
    winner: ShownCandidate
    alternatives: list[ShownCandidate]


@strawberry.type
class MergeQueries:
    @strawberry.field(graphql_type=MergePreview, description="What mergeProfiles would do with the same arguments; nothing is changed.")
    async def merge_preview(
        self,
        info: Info,
        survivor_id: Annotated[strawberry.ID, strawberry.argument(description="The profile that would stay.")],
        merge_ids: Annotated[list[strawberry.ID], strawberry.argument(description="The profiles that would go into it.")],
        field_winners: Annotated[
            list[KeyValueInput] | None,
            strawberry.argument(description="Whose value would win: a field or an attribute, and a profile's id."),
        ] = None,
    ) -> Any:
        context = info.context
        request = merge_request(survivor_id, merge_ids, field_winners)
        try:
            preview = await preview_merge(context.services.commands.bound, context.principal, request, context.services.registry.traits[0])
        except Rejected as refused:
            problem = refused.problems[0]
            raise BadUserInput(problem.message, argument=".".join((problem.path or ("input",))[1:]) or None) from None
        return replace(preview, fields=_shown(context, preview))


def _shown(context: OperationContext, preview: Preview) -> Any:
    view = TraitView.of(context)
    return [
        one
        if one.field in FIELDS
        else ShownField(one.field, view.candidate(one.field, one.winner), [view.candidate(one.field, other) for other in one.alternatives])
        for one in preview.fields
    ]
