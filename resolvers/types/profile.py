"""The profile: everything an agent's screen shows of a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import strawberry

from gateway.auth.policy import Action, mask_of, permissions, require
from gateway.loaders.bundle import TraitAnswer
from gateway.loaders.wanted import Needs
from gateway.model import profile as model
from gateway.model.change import StreamKey
from gateway.model.page import PageArgs
from gateway.model.permissions import ProfilePermissions as Permissions
from gateway.model.trait import summarize
from gateway.sources.contract import Contacts
from resolvers.batching import BatchInfo, Info, batched
from resolvers.inputs.timeline import TimelineFilter, TraitFilter
from resolvers.overlay import overlaid
from resolvers.pages import note_page, trait_page
from resolvers.reports import source_reports
from resolvers.timeline import TimelineAsk, timeline_pages
from resolvers.types.activity import TimelineConnection
from resolvers.types.company import Company, CompanyMembership
from resolvers.types.contact_point import ContactPoint, Identifier, shown_identifier, shown_point
from resolvers.types.enums import Channel, ProfileLifecycle, ProfileStatus, SortDirection
from resolvers.types.node import Node, PageInfo
from resolvers.types.note import NoteConnection
from resolvers.types.profile_attributes import ProfileAttributes
from resolvers.types.profile_insights import ProfileInsights
from resolvers.types.profile_records import ProfileRecords
from resolvers.types.scalars import URL, StreamCursor
from resolvers.types.source import SourceReport
from resolvers.types.trait import CategoryCount, TraitConnection, TraitView

__all__ = ["MatchedKey", "Profile", "ProfileConnection", "ProfileEdge", "ProfilePermissions"]

First = Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 100.")]
Last = Annotated[int | None, strawberry.argument(description="How many from the end, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")]
Before = Annotated[str | None, strawberry.argument(description="Cursor to end before.")]


@strawberry.type(description="What you may do with a profile.")
class ProfilePermissions:
    update: bool = strawberry.field(description="Change it.")
    merge: bool = strawberry.field(description="Merge it with another.")
    add_note: bool = strawberry.field(description="Write a note on it.")
    reveal_sensitive: bool = strawberry.field(description="See masked values in clear.")
    erase: bool = strawberry.field(description="Erase it.")


@strawberry.type(description="A person as all sources together know them.")
class Profile(Node, ProfileAttributes, ProfileInsights, ProfileRecords):
    id: strawberry.ID = strawberry.field(description="The profile's id.")
    version: int = strawberry.field(description="Counts its changes; give it back as expectedVersion.")
    status: ProfileStatus = strawberry.field(description="Whether it is the living one.")
    redirected_from: strawberry.ID | None = strawberry.field(
        description="Set when the id asked for was merged away: the query answers with the survivor."
    )
    lifecycle: ProfileLifecycle = strawberry.field(description="How far the person is a customer.")
    first_name: str | None = overlaid("first_name", "First name.")
    middle_name: str | None = overlaid("middle_name", "Middle name.")
    last_name: str | None = overlaid("last_name", "Last name.")
    display_name: str = overlaid("display_name", "What to call the person; never empty.")
    avatar_url: URL | None = overlaid("avatar_url", "A picture.")
    locale: str | None = overlaid("locale", "Language and region, e.g. en-GB.")
    time_zone: str | None = overlaid("time_zone", "IANA time zone, e.g. Europe/London.")
    birth_date: date | None = overlaid("birth_date", "Date of birth.")
    customer_since: datetime | None = overlaid("customer_since", "When the person became a customer.")
    created_at: datetime = strawberry.field(description="When the gateway first knew of the person.")
    updated_at: datetime = strawberry.field(description="When the profile last changed.")

    @strawberry.field(graphql_type=URL | None, description="Deep link to the full profile in the console or system of record.")
    def url(self, info: Info) -> str | None:
        template = info.context.configuration.profile_url
        return None if template is None else template.replace("{id}", self.id)

    @batched(type=list[ContactPoint], description="Ways to reach the person, primary first; only one channel's on request.")
    async def contact_points(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        channel: Annotated[Channel | None, strawberry.argument(description="Only this channel.")] = None,
    ) -> Sequence[object]:
        mask = mask_of(info.context.principal)

        def show(contacts: Contacts) -> list[Any]:
            return [shown_point(point, mask) for point in contacts.points if channel is None or point.channel is channel]

        return await _each(info.context.loaders.contacts, parents, show)

    @batched(type=list[Identifier], description="Keys other systems know the person by; only some types' on request.")
    async def identifiers(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        types: Annotated[list[str] | None, strawberry.argument(description="Only these types.")] = None,
    ) -> Sequence[object]:
        mask, sensitive = mask_of(info.context.principal), info.context.configuration.sensitive

        def show(contacts: Contacts) -> list[Any]:
            return [shown_identifier(one, mask, sensitive) for one in contacts.identifiers if types is None or one.type in types]

        return await _each(info.context.loaders.contacts, parents, show)

    @batched(
        type=TraitConnection,
        description="Facts about the person, merged over all sources, by key.",
        needs=Needs(traits=True, keys=("filter", "keys")),
    )
    async def traits(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        filter: Annotated[TraitFilter | None, strawberry.argument(description="Which traits to show.")] = None,  # noqa: A002
        first: First = 50,
        after: After = None,
    ) -> Sequence[object]:
        page = PageArgs.check(first, after, default=50)
        context = info.context
        show = trait_page(context.services.sealer, context.principal.workspace_id, page, filter, TraitView.of(context))
        return await _each(context.loaders.traits, parents, show)

    @batched(type=list[CategoryCount], description="How many traits each category has.", needs=Needs(traits=True))
    async def trait_summary(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        view = TraitView.of(info.context)

        def show(answer: TraitAnswer) -> object:
            return summarize(view(trait) for trait in answer.traits)

        return await _each(info.context.loaders.traits, parents, show)

    @batched(type=list[CompanyMembership], description="Companies the person belongs to, the main one first.", needs=Needs(parts=True))
    async def companies(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await info.context.loaders.memberships.load_many([profile.profile_id for profile in parents])

    @batched(
        type=Company | None,
        description="The company that stands for the person; set whenever there is any.",
        needs=Needs(parts=True),
    )
    async def main_company(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await _each(info.context.loaders.memberships, parents, _main_company)

    @batched(
        type=NoteConnection | None,
        description="Notes of agents, newest first; null when you may not read notes.",
        needs=Needs(parts=True),
    )
    async def notes(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        first: First = 20,
        after: After = None,
    ) -> Sequence[object]:
        context = info.context
        require(context.principal, Action.READ_NOTES)
        page = PageArgs.check(first, after)
        window, show = note_page(context.services.sealer, context.principal.workspace_id, page)
        ids = [profile.profile_id for profile in parents]
        answers = await context.loaders.notes(window).load_many(ids)
        return [answer if isinstance(answer, BaseException) else show(key, answer) for key, answer in zip(ids, answers, strict=True)]

    @batched(
        type=TimelineConnection,
        description="What happened, over all sources in one order: (occurredAt, source, id).",
        needs=Needs(parts=True),
    )
    async def timeline(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        filter: Annotated[TimelineFilter | None, strawberry.argument(description="Which items to show.")] = None,  # noqa: A002
        order: Annotated[SortDirection, strawberry.argument(description="Oldest or newest first.")] = SortDirection.ASC,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        around: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="A contact or an item: half of the page comes before it, half after. Excludes the cursors and last."
            ),
        ] = None,
    ) -> Sequence[object]:
        return await timeline_pages(info.context, parents, TimelineAsk(filter, order, first, after, last, before, around))

    @strawberry.field(description="What you may do with it.", graphql_type=ProfilePermissions)
    def viewer_can(self, info: Info) -> Permissions:
        return permissions(info.context.principal)

    @batched(
        type=list[SourceReport],
        description="What each source contributed.",
        needs=Needs(reports=True),
        waits=True,
    )
    async def sources(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await source_reports(info.context, [profile.profile_id for profile in parents])

    @strawberry.field(
        description="Where this profile's stream stood before any of the data here was read: subscribe `after` it and nothing is missed."
    )
    def stream_cursor(self, info: Info) -> StreamCursor:
        return StreamCursor(stream_cursor(self, info))  # type: ignore[arg-type]


@strawberry.type(description="Which search key found a profile.")
class MatchedKey:
    key: str = strawberry.field(description="The key.")
    display_value: str = strawberry.field(description="The value that matched, masked as you may see it.")


@strawberry.type(description="A found profile.")
class ProfileEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Profile = strawberry.field(description="The profile.")
    matched_on: list[MatchedKey] = strawberry.field(description="Why it was found.")
    score: float | None = strawberry.field(description="How well it matches, 0 to 1.")


@strawberry.type(description="A page of profiles.")
class ProfileConnection:
    edges: list[ProfileEdge] = strawberry.field(description="The profiles with their cursors.")
    nodes: list[Profile] = strawberry.field(description="The profiles.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    total_count: int | None = strawberry.field(description="How many there are, where one page has them all; else null.")
    total_count_is_exact: bool = strawberry.field(description="Whether totalCount is given; a guess never is.")
    sources: list[SourceReport] = strawberry.field(description="Non-OK entries mean profiles may be missing.")


def stream_cursor(profile: model.Profile, info: Info | BatchInfo) -> str:
    """The profile's stream position as it was read together with the profile."""
    context = info.context
    return context.services.hub.cursors.encode(StreamKey(context.principal.workspace_id, profile.profile_id), profile.position)


async def _each(loader: Any, parents: Sequence[model.Profile], show: Any) -> Sequence[object]:
    """Each parent's answer as `show` makes it; a failure stays an element."""
    answers = await loader.load_many([profile.profile_id for profile in parents])
    return [answer if isinstance(answer, BaseException) else show(answer) for answer in answers]


def _main_company(memberships: Sequence[Any]) -> object:
    return next((one.company for one in memberships if one.is_main), None)
