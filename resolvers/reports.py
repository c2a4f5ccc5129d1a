"""What each source contributed to what an operation shows of a profile. Owns when that can be told. Called by `Profile.sources`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway.engine.context import OperationContext
from gateway.errors import SourceError
from gateway.model.source import SourceReport, SourceState, worst_of

__all__ = ["source_reports"]


async def source_reports(context: OperationContext, ids: Sequence[UUID]) -> Sequence[object]:
    """One report per source and profile, its worst, told when the profile's other fields are answered: the response waits for those anyway.

    A document that shows nothing of its profiles wants to know how the sources stand: they are asked for it.
    """
    await asyncio.sleep(0)  # the fields beside this one ask first, and errors name them
    loaders, wanted = context.loaders, context.wanted
    asked: list[Any] = []
    if wanted.any_traits or not wanted.anything:
        asked.append(loaders.traits.load_many(ids))
    if loaders.overlays and (wanted.any_fields or not wanted.anything):
        asked.append(loaders.overlay.load_many(ids))
    answers, _ = await asyncio.gather(asyncio.gather(*asked), context.settled())
    own = context.services.registry.profiles.source
    reports: list[object] = []
    for key, *told in zip(ids, *answers, strict=True):
        broken = next((one for one in told if isinstance(one, BaseException) and not isinstance(one, SourceError)), None)
        reports.append(broken or worst_of((SourceReport(own, SourceState.OK, own.last_success_at), *context.ledger.of(key))))
    return reports
