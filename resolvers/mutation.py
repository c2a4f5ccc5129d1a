"""Mutation: what can be changed. Each field hands its input to one command and shows what came of it."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.auth.policy import Action, require
from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.inputs.note import ActivityInput, NoteInput, UpdateNoteInput
from resolvers.inputs.profile import CreateProfileInput, UpdateProfileInput
from resolvers.payloads import RecordResult, deleted, note_result, profile_result, user_errors
from resolvers.references import find_owners
from resolvers.types.payload import DeletePayload, NotePayload, ProfilePayload, RecordActivitiesPayload

__all__ = ["Mutation"]

ProfileId = Annotated[strawberry.ID, strawberry.argument(description="The profile.")]
CompanyId = Annotated[strawberry.ID, strawberry.argument(description="The company.")]


@strawberry.type(description="What can be changed. Expected failures are in userErrors; when there are any, nothing was changed.")
class Mutation:
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

    @strawberry.mutation(graphql_type=NotePayload, description="A new note on a profile.")
    async def add_note(
        self,
        info: Info,
        input: Annotated[NoteInput, strawberry.argument(description="The note.")],  # noqa: A002
    ) -> Any:
        command = info.context.services.commands.add_note(
            info.context.principal,
            parse_id(input.profile_id, "prf", "input.profileId")[0],
            input.body,
            bool(input.is_pinned),
            input.idempotency_key,
        )
        return await note_result(info.context, command)

    @strawberry.mutation(graphql_type=NotePayload, description="Change your own note.")
    async def update_note(
        self,
        info: Info,
        input: Annotated[UpdateNoteInput, strawberry.argument(description="The changes.")],  # noqa: A002
    ) -> Any:
        profile_id, note_id = parse_id(input.id, "note", "input.id")
        command = info.context.services.commands.update_note(
            info.context.principal, (profile_id, note_id), input.body, input.is_pinned, input.expected_version
        )
        return await note_result(info.context, command)

    @strawberry.mutation(
        graphql_type=DeletePayload, description="Removes the text for good; only the record that there was a note remains."
    )
    async def delete_note(self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The note.")]) -> Any:  # noqa: A002
        profile_id, note_id = parse_id(id, "note")
        return await deleted(info.context, id, info.context.services.commands.delete_note(info.context.principal, (profile_id, note_id)))

    @strawberry.mutation(
        graphql_type=RecordActivitiesPayload, description="Record what happened elsewhere; each activity once per messageId."
    )
    async def record_activities(
        self, info: Info, activities: Annotated[list[ActivityInput], strawberry.argument(description="The activities.")]
    ) -> Any:
        require(info.context.principal, Action.RECORD_ACTIVITIES)
        owners = await find_owners(info.context, [one.profile for one in activities])
        commands = info.context.services.commands
        accepted, duplicates, problems = await commands.record_activities(
            info.context.principal, list(zip(owners, activities, strict=True))
        )
        info.context.renew()
        return RecordResult(accepted, duplicates, await user_errors(info.context, problems))
