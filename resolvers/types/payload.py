"""What mutations answer: the changed entity, expected failures, and the cursor of the change."""

from __future__ import annotations

import strawberry

from resolvers.types.layout import Layout
from resolvers.types.node import UserError
from resolvers.types.note import Note
from resolvers.types.profile import Profile
from resolvers.types.scalars import StreamCursor
from resolvers.types.viewer import Viewer

__all__ = ["DeletePayload", "LayoutPayload", "NotePayload", "PreferencesPayload", "ProfilePayload", "RecordActivitiesPayload"]

_PROFILE = "The profile after the change."
_ERRORS = "What was refused; empty when the change was made. When it is not, nothing was changed."
_CURSOR = "Where the profile's stream stands with this change: subscribe after it to see only what follows."


@strawberry.type(description="Answer of a change to a profile.")
class ProfilePayload:
    profile: Profile | None = strawberry.field(description=_PROFILE)
    user_errors: list[UserError] = strawberry.field(description=_ERRORS)
    stream_cursor: StreamCursor | None = strawberry.field(description=_CURSOR)


@strawberry.type(description="Answer of a change to a note.")
class NotePayload:
    note: Note | None = strawberry.field(description="The note after the change.")
    profile: Profile | None = strawberry.field(description=_PROFILE)
    user_errors: list[UserError] = strawberry.field(description=_ERRORS)
    stream_cursor: StreamCursor | None = strawberry.field(description=_CURSOR)


@strawberry.type(description="Answer of a deletion.")
class DeletePayload:
    deleted_id: strawberry.ID | None = strawberry.field(description="The id that is gone.")
    profile: Profile | None = strawberry.field(description=_PROFILE)
    user_errors: list[UserError] = strawberry.field(description=_ERRORS)
    stream_cursor: StreamCursor | None = strawberry.field(description=_CURSOR)


@strawberry.type(description="Answer of recordActivities.")
class RecordActivitiesPayload:
    accepted: int = strawberry.field(description="How many are recorded now.")
    duplicates: int = strawberry.field(description="How many had been recorded before, by their messageId.")
    user_errors: list[UserError] = strawberry.field(description="One entry per activity that was refused; the others are recorded.")


@strawberry.type(description="Answer of a change to your own preferences.")
class PreferencesPayload:
    viewer: Viewer | None = strawberry.field(description="You, with what you chose.")
    user_errors: list[UserError] = strawberry.field(description=_ERRORS)


@strawberry.type(description="Answer of a change to a layout.")
class LayoutPayload:
    layout: Layout | None = strawberry.field(description="The layout after the change.")
    user_errors: list[UserError] = strawberry.field(description=_ERRORS)
