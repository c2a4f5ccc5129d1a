"""The history of changes: who did what to a profile, with the values before and after as far as the viewer may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from gateway.auth.policy import Action, mask_of, may
from gateway.model import audit as model
from gateway.model.ids import make_id
from gateway.model.profile import MaskState
from resolvers.batching import BatchInfo, Info, batched
from resolvers.changes import present_cursor
from resolvers.types.contact_point import masked
from resolvers.types.enums import ChangeAction
from resolvers.types.node import Node, PageInfo
from resolvers.types.scalars import JSON, FeedCursor
from resolvers.types.source import Actor

if TYPE_CHECKING:
    from resolvers.types.profile import Profile

__all__ = ["Change", "ChangeConnection", "ChangeEdge", "FieldChange", "ShownFieldChange", "shown_field"]

_SENSITIVE = "sensitive"


@dataclass(frozen=True, slots=True)
class ShownFieldChange:
    """A changed field as one viewer may see it."""

    field: str
    before: Any
    after: Any


@strawberry.type(description="A field before and after a change.")
class FieldChange:
    field: str = strawberry.field(description="The field's name: of Profile, or an attribute's key.")
    before: JSON | None = strawberry.field(description="The value before; masked where you may not see it, never shown if SENSITIVE.")
    after: JSON | None = strawberry.field(description="The value after; masked likewise.")


@strawberry.type(description="Something that was done to a profile; an entry is never changed and never taken away.")
class Change(Node):
    id: strawberry.ID = strawberry.field(description="The entry's id.")
    at: datetime = strawberry.field(description="When it was done.")
    actor: Actor = strawberry.field(description="Who did it.")
    action: ChangeAction = strawberry.field(description="What was done.")
    reason: str | None = strawberry.field(description="Why, where it was said.")

    @strawberry.field(description="The profile it was done to.")
    def profile_id(self) -> strawberry.ID:
        entry: model.ChangeRecord = self  # type: ignore[assignment]
        return strawberry.ID(make_id("prf", entry.profile_id))

    @batched(
        type=Annotated["Profile", strawberry.lazy("resolvers.types.profile")] | None,
        description="That profile as it is now; null when it was erased, or you may not see it.",
    )
    async def profile(parents: Sequence[model.ChangeRecord], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        if not may(info.context.principal, Action.READ_PROFILE):
            return [None] * len(parents)
        return await info.context.loaders.profile.load_many([entry.profile_id for entry in parents])

    @strawberry.field(graphql_type=list[FieldChange], description="What changed, as far as you may see it.")
    def fields(self, info: Info) -> list[ShownFieldChange]:
        entry: model.ChangeRecord = self  # type: ignore[assignment]
        mask = mask_of(info.context.principal)
        return [shown_field(one, mask) for one in entry.fields]


@strawberry.type(description="A change in a page.")
class ChangeEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Change = strawberry.field(description="The change.")


@strawberry.type(description="A page of the history of changes.")
class ChangeConnection:
    edges: list[ChangeEdge] = strawberry.field(description="The changes with their cursors.")
    nodes: list[Change] = strawberry.field(description="The changes.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    lag_seconds: float = strawberry.field(
        description="How far the page may trail the present (a long writing transaction holds the feed back)."
    )

    @batched(type=FeedCursor, description="Where to go on in the workspace-wide feed behind what is shown here.")
    async def feed_cursor(parents: Sequence[model.ChangePage], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        given = [page.feed_cursor for page in parents]
        now = await present_cursor(info.context) if None in given else None
        return [now if cursor is None else cursor for cursor in given]


def shown_field(change: model.FieldChange, mask: MaskState) -> ShownFieldChange:
    """The change behind the viewer's mask. A SENSITIVE value is shown to nobody: it can only be revealed where it is kept."""
    if change.shown_as is None or (mask is MaskState.CLEAR and change.shown_as != _SENSITIVE):
        return ShownFieldChange(change.field, change.before, change.after)
    if mask is MaskState.HIDDEN or change.shown_as == _SENSITIVE:
        return ShownFieldChange(change.field, None, None)
    return ShownFieldChange(change.field, _behind(change.shown_as, change.before), _behind(change.shown_as, change.after))


def _behind(key: str, value: Any) -> Any:
    """Texts masked, lists text by text; what is neither says nothing."""
    if isinstance(value, str):
        return masked(key, value)
    return [_behind(key, one) for one in value] if isinstance(value, list) else None
