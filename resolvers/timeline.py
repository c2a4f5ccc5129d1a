"""A profile's timeline as one viewer sees it: which items, which page of them, and since when they are kept.

Owns what the viewer's rights, the workspace's layout and its retention add to a filter, and the page around a contact or an item. Called by
`Profile.timeline` and by the subscription `timelineEvents`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from gateway.auth.policy import Action, may, require
from gateway.commands.retention import kept_months, months_before
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from gateway.loaders.bundle import TimelinePages
from gateway.loaders.layouts import LayoutLoaders
from gateway.model import activity as model
from gateway.model.activity import Place, SortDirection, TimelineItem, TimelineKind, TimelinePage, parse_item_id, place_of
from gateway.model.change import StreamKey
from gateway.model.ids import parse_id
from gateway.model.layout import DEFAULT_LAYOUT, EVERY_TYPE
from gateway.model.page import PageArgs
from gateway.model.profile import Profile
from gateway.model.source import SourceReport, worst_of
from gateway.timeline import cursor as timeline_cursor
from gateway.timeline.around import centred, windows_around
from gateway.timeline.merge import merge
from gateway.timeline.window import arrange, page_flags, window_of
from resolvers.contact_view import find_contact
from resolvers.inputs.timeline import TimelineFilter, timeline_filter

__all__ = ["TimelineAsk", "retained_since", "timeline_filter_for", "timeline_pages"]

_NATIVE: Final = "native"
_DEFAULT_SIZE: Final = 20
_CLOSED: Final = ((TimelineKind.NOTE, Action.READ_NOTES), (TimelineKind.CHANGE, Action.READ_CHANGES))
"""Kinds that take a right of their own."""


@dataclass(frozen=True, slots=True)
class TimelineAsk:
    """The arguments of `Profile.timeline`."""

    filter: TimelineFilter | None
    order: SortDirection
    first: int | None
    after: str | None
    last: int | None
    before: str | None
    around: str | None


async def timeline_filter_for(
    context: OperationContext, given: TimelineFilter | None, parents: Sequence[Profile] = ()
) -> model.TimelineFilter:
    """What the client asked for, without what the viewer may not see, what the layout leaves out, and what is not kept. `parents`: profiles of the
    workspace that may know what its layout shows.

    Raises:
        BadUserInput: see `inputs.timeline.timeline_filter`.
    """
    hidden = tuple([kind for kind, action in _CLOSED if not may(context.principal, action)])
    asked = timeline_filter(given, hidden, _retained(context))
    if not (asked.is_usual and asked.shows_kind(TimelineKind.EXTERNAL)):
        return asked
    return replace(asked, external_types=await _layout_types(context, parents))


async def timeline_pages(context: OperationContext, parents: Sequence[Profile], ask: TimelineAsk) -> Sequence[object]:
    """The page of each profile's timeline, or why it could not be read.

    Raises:
        Forbidden: without `history:read`.
        BadUserInput: arguments that exclude each other, or name nothing that the viewer can see.
        CursorInvalid: see `timeline.cursor`.
    """
    require(context.principal, Action.READ_TIMELINE)
    chosen = await timeline_filter_for(context, ask.filter, parents)
    since = _longest(chosen)
    if ask.around is not None:
        return await _around(context, parents, ask, chosen, since)
    page = PageArgs.check(ask.first, ask.after, ask.last, ask.before, default=_DEFAULT_SIZE)
    sealer, workspace = context.services.sealer, context.principal.workspace_id
    low, high = (None if text is None else timeline_cursor.decode(sealer, workspace, text) for text in (ask.after, ask.before))
    window = window_of(page, ask.order, low, high, chosen)
    answers = await context.loaders.timeline(window).load_many([profile.profile_id for profile in parents])

    def show(profile: Profile, answer: TimelinePages) -> TimelinePage:
        found = merge(answer.pages, page.limit, window.newest_first)
        ends = (found.end, None) if page.backward else (None, found.end)
        return _page(context, profile, arrange(found.items, page), page_flags(page, found.more), ends, answer.reports, since)

    return [
        answer if isinstance(answer, BaseException) else show(profile, answer) for profile, answer in zip(parents, answers, strict=True)
    ]


async def _around(
    context: OperationContext, parents: Sequence[Profile], ask: TimelineAsk, chosen: model.TimelineFilter, since: datetime | None
) -> Sequence[object]:
    assert ask.around is not None
    if ask.after is not None or ask.before is not None or ask.last is not None:
        raise BadUserInput("around stands alone, or with first: it excludes after, before and last.", argument="around")
    size = PageArgs.check(ask.first, default=_DEFAULT_SIZE).limit
    place, item = await _place(context, ask.around, chosen)
    older, newer = windows_around(place, size, chosen)
    keys = [profile.profile_id for profile in parents]
    olds, news = await asyncio.gather(*(context.loaders.timeline(window).load_many(keys) for window in (older, newer)))

    def show(profile: Profile, old: TimelinePages, new: TimelinePages) -> TimelinePage:
        middle = item if item is not None and item.profile_id == profile.profile_id and chosen.matches(item) else None
        before, after = (merge(answer.pages, window.limit, window.newest_first) for answer, window in ((old, older), (new, newer)))
        page = centred(before, middle, after, size, ask.order)
        reports = worst_of((*old.reports, *new.reports))
        return _page(context, profile, page.items, (page.follow, page.precede), (page.start, page.end), reports, since)

    return [
        next((answer for answer in (old, new) if isinstance(answer, BaseException)), None) or show(profile, old, new)  # type: ignore[arg-type]
        for profile, old, new in zip(parents, olds, news, strict=True)
    ]


async def _place(context: OperationContext, text: str, chosen: model.TimelineFilter) -> tuple[Place, TimelineItem | None]:
    """Where a contact or an item stands, and the item there. What the viewer may not see answers like what does not exist."""
    if text.startswith("con_"):
        contact = await find_contact(context, parse_id(text, "con", "around")[0])
        if contact is None:
            raise _nothing()
        item = None
        if contact.interaction_id is not None and contact.profile_id is not None:
            item = await context.loaders.item.load((contact.profile_id, _NATIVE, contact.interaction_id.hex))
        return (Place(contact.offered_at, "", ""), None) if item is None else (place_of(item), item)
    try:
        ref = parse_item_id(text)
    except BadUserInput:
        raise BadUserInput("around is the id of a contact or of a timeline item.", argument="around") from None
    item = await context.loaders.item.load(ref)
    if item is None or item.id != text or item.kind in chosen.hidden:
        raise _nothing()
    return place_of(item), item


def _nothing() -> BadUserInput:
    return BadUserInput("around names nothing that you can see.", argument="around")


def _page(
    context: OperationContext,
    profile: Profile,
    items: Sequence[TimelineItem],
    flags: tuple[bool, bool],
    ends: tuple[Place | None, Place | None],
    reports: Sequence[SourceReport],
    since: datetime | None,
) -> TimelinePage:
    sealer, workspace = context.services.sealer, context.principal.workspace_id
    start, end = [None if place is None else timeline_cursor.encode(sealer, workspace, place) for place in ends]
    return TimelinePage(
        items,
        timeline_cursor.encoding(sealer, workspace),
        *flags,
        sources=reports,
        stream_cursor_of=partial(context.services.hub.cursors.encode, StreamKey(workspace, profile.profile_id), profile.position),
        retained_since=since,
        start=start,
        end=end,
    )


async def _layout_types(context: OperationContext, parents: Sequence[Profile]) -> tuple[str, ...] | None:
    """Types of external activities that the workspace's layout shows; None: all of them."""
    types = next((one.external_types for one in parents if one.external_types is not None), None)
    if types is None:
        types = (await context.loaders.of(LayoutLoaders).layout.load(DEFAULT_LAYOUT.name)).external_activity_types
    return None if EVERY_TYPE in types else types


def retained_since(context: OperationContext, kind: TimelineKind) -> datetime | None:
    """The moment before which nothing of the kind is kept, to the hour, so that equal questions of one operation stay equal."""
    months = kept_months(context.configuration.retention, kind)
    return None if months is None else months_before(_this_hour(), months)


def _retained(context: OperationContext) -> tuple[tuple[TimelineKind, datetime], ...]:
    """Per kind the moment before which nothing is kept; worked out once an hour."""
    configuration, now = context.configuration, _this_hour()
    known: tuple[datetime, tuple[tuple[TimelineKind, datetime], ...]] | None = configuration.derived.get(_retained)
    if known is None or known[0] != now:
        months = [(kind, kept_months(configuration.retention, kind)) for kind in TimelineKind]
        known = configuration.derived[_retained] = now, tuple((kind, months_before(now, one)) for kind, one in months if one is not None)
    return known[1]


def _this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def _longest(chosen: model.TimelineFilter) -> datetime | None:
    """The moment before which nothing that the filter shows is kept; None: some of it is kept for ever, or it shows nothing."""
    if not chosen.retained:
        return None
    moments = [chosen.retained_since(kind) for kind in chosen.shown_kinds]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None
