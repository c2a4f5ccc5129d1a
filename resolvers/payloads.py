"""Payloads: what a mutation answers, and how a refusal becomes `userErrors`.

Owns the values behind the payload types. Called by `resolvers.mutation`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.auth.policy import Action, may
from gateway.commands.unit import Receipt
from gateway.engine.context import OperationContext
from gateway.errors import Problem, Rejected
from gateway.loaders.layouts import LayoutLoaders
from gateway.loaders.merges import MergeLoaders
from gateway.model.change import StreamKey
from gateway.model.layout import Layout
from gateway.model.merge import MergeRecord
from gateway.model.note import Note
from gateway.model.profile import Profile
from resolvers.types.enums import UserErrorCode
from resolvers.viewer import ViewerValue

__all__ = [
    "DeleteResult",
    "DuplicateIdentifier",
    "InputProblem",
    "LayoutResult",
    "MergeResult",
    "NoteResult",
    "PreferencesResult",
    "ProfileResult",
    "RecordResult",
    "StaleVersion",
    "attempt",
    "deleted",
    "layout_result",
    "merge_result",
    "note_result",
    "preferences_result",
    "profile_result",
    "user_errors",
]


@dataclass(frozen=True, slots=True)
class InputProblem:
    """Value of `InputError`."""

    message: str
    path: list[str] | None
    code: UserErrorCode


@dataclass(frozen=True, slots=True)
class StaleVersion(InputProblem):
    """Value of `StaleVersionError`."""

    current_version: int
    current: object


@dataclass(frozen=True, slots=True)
class DuplicateIdentifier(InputProblem):
    """Value of `DuplicateIdentifierError`."""

    existing: Profile | None


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """Value of `ProfilePayload`."""

    profile: Profile | None
    user_errors: Sequence[InputProblem]
    stream_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class NoteResult:
    """Value of `NotePayload`."""

    note: Note | None
    profile: Profile | None
    user_errors: Sequence[InputProblem]
    stream_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """Value of `DeletePayload`."""

    deleted_id: str | None
    profile: Profile | None
    user_errors: Sequence[InputProblem]
    stream_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PreferencesResult:
    """Value of `PreferencesPayload`."""

    viewer: ViewerValue | None
    user_errors: Sequence[InputProblem]


@dataclass(frozen=True, slots=True)
class LayoutResult:
    """Value of `LayoutPayload`."""

    layout: Layout | None
    user_errors: Sequence[InputProblem]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """Value of `MergePayload`."""

    merge: MergeRecord | None
    user_errors: Sequence[InputProblem]
    stream_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RecordResult:
    """Value of `RecordActivitiesPayload`."""

    accepted: int
    duplicates: int
    user_errors: Sequence[InputProblem]


async def attempt(context: OperationContext, command: Awaitable[Receipt]) -> Receipt | Sequence[InputProblem]:
    """The command's receipt, or what it refused. What is read from here on is the state after it."""
    try:
        receipt = await command
    except Rejected as error:
        context.renew()
        return await user_errors(context, error.problems)
    context.renew()
    return receipt


async def user_errors(context: OperationContext, problems: Sequence[Problem]) -> list[InputProblem]:
    """Problems as the types of `UserError`."""
    shown: list[InputProblem] = []
    for problem in problems:
        base = problem.message, list(problem.path) if problem.path else None, UserErrorCode(problem.code)
        if problem.current_version is not None:
            right = Action.READ_NOTES if isinstance(problem.current, Note) else Action.READ_PROFILE
            shown.append(StaleVersion(*base, problem.current_version, problem.current if may(context.principal, right) else None))
        elif isinstance(problem.existing, UUID):
            shown.append(DuplicateIdentifier(*base, await _profile(context, problem.existing)))
        else:
            shown.append(InputProblem(*base))
    return shown


async def profile_result(context: OperationContext, command: Awaitable[Receipt]) -> ProfileResult:
    """The profile as it is after the command."""
    done = await attempt(context, command)
    if not isinstance(done, Receipt):
        return ProfileResult(None, done)
    return ProfileResult(await _profile(context, done.profile_id), (), _cursor(context, done))


async def note_result(context: OperationContext, command: Awaitable[Receipt]) -> NoteResult:
    """The note and its profile as they are after the command."""
    done = await attempt(context, command)
    if not isinstance(done, Receipt):
        return NoteResult(None, None, done)
    assert done.profile_id is not None
    assert done.entity_id is not None
    readable = may(context.principal, Action.READ_NOTES)
    note = await context.loaders.note.load((done.profile_id, done.entity_id)) if readable else None
    return NoteResult(note, await _profile(context, done.profile_id), (), _cursor(context, done))


async def preferences_result(context: OperationContext, command: Awaitable[Receipt]) -> PreferencesResult:
    """The viewer as the command left it."""
    done = await attempt(context, command)
    return PreferencesResult(ViewerValue(context.principal), ()) if isinstance(done, Receipt) else PreferencesResult(None, done)


async def layout_result(context: OperationContext, name: str, command: Awaitable[Receipt]) -> LayoutResult:
    """The layout of this name as it is after the command."""
    done = await attempt(context, command)
    if not isinstance(done, Receipt):
        return LayoutResult(None, done)
    return LayoutResult(await context.loaders.of(LayoutLoaders).layout.load(name), ())


async def merge_result(context: OperationContext, command: Awaitable[Receipt]) -> MergeResult:
    """The merge as it is after the command; the cursor is the survivor's."""
    done = await attempt(context, command)
    if not isinstance(done, Receipt):
        return MergeResult(None, done)
    assert done.entity_id is not None
    return MergeResult(await context.loaders.of(MergeLoaders).record.load(done.entity_id), (), _cursor(context, done))


async def deleted(context: OperationContext, deleted_id: str, command: Awaitable[Receipt]) -> DeleteResult:
    """The id that is gone, and the profile without it."""
    done = await attempt(context, command)
    if not isinstance(done, Receipt):
        return DeleteResult(None, None, done)
    return DeleteResult(deleted_id, await _profile(context, done.profile_id), (), _cursor(context, done))


async def _profile(context: OperationContext, profile_id: UUID | None) -> Profile | None:
    """The profile, for whoever may read profiles: the right to change one is another."""
    if profile_id is None or not may(context.principal, Action.READ_PROFILE):
        return None
    return await context.loaders.profile.load(profile_id)


def _cursor(context: OperationContext, receipt: Receipt) -> str | None:
    if receipt.profile_id is None or receipt.position is None:
        return None
    return context.services.hub.cursors.encode(StreamKey(context.principal.workspace_id, receipt.profile_id), receipt.position)
