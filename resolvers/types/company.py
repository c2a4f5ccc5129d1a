"""Companies and who belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from gateway.auth.policy import Action, require
from gateway.loaders.bundle import TraitAnswer
from gateway.loaders.companies import CompanyLoaders
from gateway.model import company as model
from gateway.model.page import PageArgs
from gateway.model.profile import MaskState, Profile
from gateway.model.source import Source, SourceReport, SourceState
from gateway.model.trait import Provenance, Trait, TraitKind, known_trait
from gateway.records.companies import CompanyFacts, MemberWindow
from resolvers.batching import BatchInfo, Info, batched
from resolvers.inputs.timeline import TraitFilter
from resolvers.pages import open_uuid, seal_uuid, trait_page
from resolvers.types.insight import described
from resolvers.types.node import Node
from resolvers.types.scalars import URL
from resolvers.types.trait import TraitConnection, TraitView

if TYPE_CHECKING:
    from resolvers.types.profile import ProfileConnection

__all__ = ["Company", "CompanyMembership"]

_AGENTS, _EVENTS = "native", "tracking"
"""Keys of the sources that companies come from: made by agents, or sent with group events."""

First = Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")]
Members = Annotated["ProfileConnection", strawberry.lazy("resolvers.types.profile")]


@strawberry.type(description="A company that profiles belong to.")
class Company(Node):
    id: strawberry.ID = strawberry.field(description="The company's id.")
    version: int = strawberry.field(description="Counts its changes.")
    name: str = strawberry.field(description="Its name.")
    domain: str | None = strawberry.field(description="Its internet domain.")

    @batched(type=TraitConnection, description="Facts about the company, by key.")
    async def traits(
        parents: Sequence[model.Company],  # noqa: N805
        info: BatchInfo,
        filter: Annotated[TraitFilter | None, strawberry.argument(description="Which traits to show.")] = None,  # noqa: A002
        first: First = 50,
        after: After = None,
    ) -> Sequence[object]:
        context = info.context
        page = PageArgs.check(first, after, default=50)
        view = TraitView(context.configuration, MaskState.CLEAR)  # nothing of a company is personal; SENSITIVE keys stay hidden
        show = trait_page(context.services.sealer, context.principal.workspace_id, page, filter, view)
        facts = await context.loaders.of(CompanyLoaders).facts.load_many([company.company_id for company in parents])
        return [one if isinstance(one, BaseException) else show(_traits(one, info)) for one in facts]

    @batched(type=Members, description="Profiles that belong to the company, in no order that means anything.")
    async def members(
        parents: Sequence[model.Company],  # noqa: N805
        info: BatchInfo,
        first: First = 20,
        after: After = None,
    ) -> Sequence[object]:
        context = info.context
        require(context.principal, Action.READ_PROFILE)
        page = PageArgs.check(first, after)
        sealer, purpose = context.services.sealer, b"members" + context.principal.workspace_id.bytes
        behind = open_uuid(sealer, purpose, page.after)
        answers = (
            await context.loaders.of(CompanyLoaders)
            .members(MemberWindow(page.limit + 1, behind))
            .load_many([company.company_id for company in parents])
        )
        ids = list(dict.fromkeys(key for answer in answers if not isinstance(answer, BaseException) for key in answer[: page.limit]))
        profiles = dict(zip(ids, await context.loaders.profile.load_many(ids), strict=True))
        source = context.services.registry.profiles.source
        report = SourceReport(source, SourceState.OK, source.last_success_at)

        def show(answer: Sequence[Any]) -> object:
            found = [profiles[key] for key in answer[: page.limit]]
            failed = next((one for one in found if isinstance(one, BaseException)), None)
            return failed or model.MemberPage(
                [one for one in found if isinstance(one, Profile)],
                lambda profile: seal_uuid(sealer, purpose, profile.profile_id),
                len(answer) > page.limit,
                behind is not None,
                sources=(report,),
            )

        return [answer if isinstance(answer, BaseException) else show(answer) for answer in answers]

    @strawberry.field(description="Deep link to the company in the system of record.")
    def url(self, info: Info) -> URL | None:
        template = info.context.configuration.company_url
        return None if template is None else URL(template.replace("{id}", cast("model.Company", self).id))


@strawberry.type(description="A profile's place in a company.")
class CompanyMembership:
    company: Company = strawberry.field(description="The company.")
    role: str | None = strawberry.field(description="The person's role there.")
    is_main: bool = strawberry.field(description="Whether it is the profile's main company; exactly one is.")
    since: datetime | None = strawberry.field(description="Since when.")


def _traits(facts: CompanyFacts | None, info: BatchInfo) -> TraitAnswer:
    if facts is None:
        return TraitAnswer((), ())
    source = described(info.context, _EVENTS if facts.sent else _AGENTS)
    return TraitAnswer([_trait(key, facts.traits[key], source, facts.updated_at) for key in sorted(facts.traits)], ())


def _trait(key: str, value: Any, source: Source, at: datetime) -> Trait:
    return Trait(key, value, TraitKind.PROFILE, known_trait(key)[2], None, Provenance(source, at))
