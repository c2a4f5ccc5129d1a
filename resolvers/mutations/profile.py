"""Mutations of profiles and their companies."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.inputs.profile import CreateProfileInput, UpdateProfileInput
from resolvers.payloads import profile_result
from resolvers.types.payload import ProfilePayload

__all__ = ["ProfileMutations"]

ProfileId = Annotated[strawberry.ID, strawberry.argument(description="The profile.")]
CompanyId = Annotated[strawberry.ID, strawberry.argument(description="The company.")]


@strawberry.type
class ProfileMutations:
    @strawberry.mutation(graphql_type=ProfilePayload, description="A new profile; only firstName is required.")
    async def create_profile(
        self,
        info: Info,
        input: Annotated[CreateProfileInput, strawberry.argument(description="The profile.")],  # noqa: A002
    ) -> Any:
        commands = info.context.services.commands
        return await profile_result(info.context, commands.create_profile(info.context.principal, input.command(), input.idempotency_key))

    @strawberry.mutation(graphql_type=ProfilePayload, description="Change a profile: what is absent is kept, an explicit null clears.")
    async def update_profile(
        self,
        info: Info,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="The changes.")],  # noqa: A002
    ) -> Any:
        return await profile_result(info.context, info.context.services.commands.update_profile(info.context.principal, input.command()))

    @strawberry.mutation(graphql_type=ProfilePayload, description="Put a profile into a company, known by id or by name.")
    async def add_profile_to_company(
        self,
        info: Info,
        profile_id: ProfileId,
        company_id: Annotated[strawberry.ID | None, strawberry.argument(description="A company there is.")] = None,
        company_name: Annotated[str | None, strawberry.argument(description="A company's name; made if it is new.")] = None,
        make_main: Annotated[bool, strawberry.argument(description="Make it the main company.")] = False,
    ) -> Any:
        command = info.context.services.commands.add_to_company(
            info.context.principal,
            parse_id(profile_id, "prf", "profileId")[0],
            parse_id(company_id, "com", "companyId")[0] if company_id is not None else None,
            company_name,
            make_main=make_main,
        )
        return await profile_result(info.context, command)

    @strawberry.mutation(
        graphql_type=ProfilePayload, description="Take a profile out of a company; if it was the main one, the oldest other becomes it."
    )
    async def remove_profile_from_company(self, info: Info, profile_id: ProfileId, company_id: CompanyId) -> Any:
        ids = parse_id(profile_id, "prf", "profileId")[0], parse_id(company_id, "com", "companyId")[0]
        return await profile_result(info.context, info.context.services.commands.remove_from_company(info.context.principal, *ids))

    @strawberry.mutation(graphql_type=ProfilePayload, description="Make one of a profile's companies its main one.")
    async def set_main_company(self, info: Info, profile_id: ProfileId, company_id: CompanyId) -> Any:
        ids = parse_id(profile_id, "prf", "profileId")[0], parse_id(company_id, "com", "companyId")[0]
        return await profile_result(info.context, info.context.services.commands.set_main_company(info.context.principal, *ids))
