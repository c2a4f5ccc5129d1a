"""Pages of a profile's history of changes, and where the workspace's feed goes on behind them.

Owns what their cursors hold: the entry's id. Called by `types.profile_records` and `types.change`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.engine.context import OperationContext
from gateway.loaders.changes import ChangeLoaders
from gateway.model.audit import ChangePage, ChangeRecord
from gateway.model.page import PageArgs
from gateway.records.feed import current_position, seal_position
from resolvers.pages import open_uuid, seal_uuid

__all__ = ["changes_of_profiles", "present_cursor"]


async def changes_of_profiles(context: OperationContext, profiles: Sequence[UUID], page: PageArgs) -> Sequence[object]:
    """A page of each profile's changes, newest first.

    Raises:
        Forbidden: without `history:read`.
        CursorInvalid: the cursor is not one of a page of changes.
    """
    require(context.principal, Action.READ_CHANGES)
    sealer, purpose = context.services.sealer, b"changes" + context.principal.workspace_id.bytes
    before = open_uuid(sealer, purpose, page.after)
    answers = await context.loaders.of(ChangeLoaders).of_profiles(page.limit + 1, before).load_many(profiles)

    def show(entries: Sequence[ChangeRecord]) -> ChangePage:
        return ChangePage(
            entries[: page.limit],
            lambda entry: seal_uuid(sealer, purpose, entry.change_id),
            len(entries) > page.limit,
            before is not None,
        )

    return [answer if isinstance(answer, BaseException) else show(answer) for answer in answers]


async def present_cursor(context: OperationContext) -> str:
    """Where the workspace's feed ends now: whoever reads on behind it misses nothing that comes."""
    database, workspace = context.services.database, context.principal.workspace_id
    assert database is not None
    position, _ = await current_position(database, workspace)
    return seal_position(context.services.sealer, workspace, position)
