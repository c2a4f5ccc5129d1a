"""Mutations about what is masked: compare an answer with it, or reveal it. Joined by `resolvers.mutation`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.errors import Rejected
from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.payloads import user_errors
from resolvers.types.verification import RevealPayload, RevealResult, VerifyingResult, VerifyPayload

__all__ = ["VerificationMutations"]

Whose = Annotated[strawberry.ID, strawberry.argument(description="The profile.")]


@strawberry.type
class VerificationMutations:
    @strawberry.mutation(
        graphql_type=VerifyPayload,
        description="Compare what a caller says with what is on file, without showing it. Several wrong answers lock this for a while.",
    )
    async def verify_profile_attribute(
        self,
        info: Info,
        profile_id: Whose,
        key: Annotated[
            str,
            strawberry.argument(
                description="An attribute, an identifier's type, phone, email, a channel, firstName, lastName or birthDate."
            ),
        ],
        value: Annotated[str, strawberry.argument(description="What the caller says.")],
    ) -> Any:
        context = info.context
        try:
            result = await context.services.commands.verification.verify(
                context.principal, parse_id(profile_id, "prf", "profileId")[0], key, value
            )
        except Rejected as refused:
            return VerifyingResult(None, await user_errors(context, refused.problems))
        context.renew()
        return VerifyingResult(result, ())

    @strawberry.mutation(
        graphql_type=RevealPayload,
        description="One masked value in clear, for a while and for a purpose; who saw it goes into the audit first.",
    )
    async def reveal_sensitive(
        self,
        info: Info,
        profile_id: Whose,
        key: Annotated[str, strawberry.argument(description="As in verifyProfileAttribute; phone and email reveal the primary one.")],
        purpose: Annotated[str, strawberry.argument(description="What it is needed for, in 3 to 500 characters.")],
    ) -> Any:
        context = info.context
        try:
            revealed = await context.services.commands.verification.reveal(
                context.principal, parse_id(profile_id, "prf", "profileId")[0], key, purpose
            )
        except Rejected as refused:
            return RevealResult(None, None, await user_errors(context, refused.problems))
        context.renew()
        return RevealResult(revealed.value, revealed.expires_at, ())
