"""Mutations of notes and activities."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.auth.policy import Action, require
from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.inputs.note import ActivityInput, NoteInput, UpdateNoteInput
from resolvers.payloads import RecordResult, deleted, note_result, user_errors
from resolvers.references import find_owners
from resolvers.types.payload import DeletePayload, NotePayload, RecordActivitiesPayload

__all__ = ["NoteMutations"]

ProfileId = Annotated[strawberry.ID, strawberry.argument(description="The profile.")]
CompanyId = Annotated[strawberry.ID, strawberry.argument(description="The company.")]


@strawberry.type
class NoteMutations:
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
            None if input.contact_id is None else parse_id(input.contact_id, "con", "input.contactId")[0],
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
