"""Mutations of privacy: export, anonymise, erase. Joined by `resolvers.mutation`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry

from gateway.commands.export import export_token
from gateway.commands.unit import Receipt
from gateway.model.ids import make_id, parse_id
from gateway.model.privacy import PrivacyAction
from resolvers.batching import Info
from resolvers.payloads import attempt
from resolvers.types.privacy import JobPayload, JobResult

__all__ = ["PrivacyMutations"]


@strawberry.type
class PrivacyMutations:
    @strawberry.mutation(
        graphql_type=JobPayload,
        description="Ask for everything that is kept about a person (EXPORT), for the person to be forgotten while what happened stays "
        "(ANONYMISE), or for all of it to go (ERASE). Answers at once; the job runs on its own.",
    )
    async def request_privacy_action(
        self,
        info: Info,
        profile_id: Annotated[strawberry.ID, strawberry.argument(description="The profile.")],
        action: Annotated[PrivacyAction, strawberry.argument(description="What to do.")],
    ) -> Any:
        context = info.context
        done = await attempt(
            context, context.services.commands.privacy.request(context.principal, parse_id(profile_id, "prf", "profileId")[0], action)
        )
        if not isinstance(done, Receipt):
            return JobResult(None, None, done)
        assert done.entity_id is not None
        url = None
        if action is PrivacyAction.EXPORT:
            token = export_token(context.services.sealer, context.principal.workspace_id, done.entity_id, datetime.now(UTC))
            url = f"/v1/exports/{token}"
        return JobResult(make_id("job", done.entity_id), url, ())
