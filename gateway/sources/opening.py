"""The life of the sources that live elsewhere: opened with the gateway, closed at its end, absent without harm.

Owns that a system which is away, or slow to greet, does not keep the gateway from starting, while one that must not be used like this does. Must not
ask a source anything else. Called by `app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from gateway.errors import ConfigurationError
from gateway.sources.configuration import SourcesFile
from gateway.sources.federated import FederatedSource
from gateway.sources.keymap import KeyMap
from gateway.storage.database import Database

__all__ = ["open_sources"]

_OPEN_SECONDS: Final = 5.0
"""A system that has not greeted by then is gone on without: it is asked again with the first question."""
_CLOSE_SECONDS: Final = 5.0

log = structlog.get_logger()


@asynccontextmanager
async def open_sources(file: SourcesFile, database: Database) -> AsyncIterator[Sequence[FederatedSource]]:
    """The sources of the file that are not disabled, all opened at once.

    Raises:
        ConfigurationError: something is wrong in the file, or a system must not be used as configured; tells all of it.
    """
    configured = file.required()
    keys = KeyMap(database)
    sources = [FederatedSource(one.definition, one.remote, keys) for one in configured if one.remote is not None]
    try:
        answers = await asyncio.gather(*(_opened(source) for source in sources))
        file.problems.extend(
            file.told(("sources", source.definition.key, source.definition.adapter, ""), wrong)
            for source, wrong in zip(sources, answers, strict=True)
            if wrong is not None
        )
        file.required()
        yield sources
    finally:
        await asyncio.gather(*(_closed(source) for source in sources))


async def _opened(source: FederatedSource) -> str | None:
    """What keeps the gateway from starting with it, if anything does."""
    key = source.definition.key
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            await source.open()
    except ConfigurationError as error:
        return error.message
    except Exception as error:  # noqa: BLE001  # an adapter may raise anything; a source that is away is no reason not to start
        log.warning("source.not_opened", source=key, error=type(error).__name__)
    else:
        log.info("source.opened", source=key, adapter=source.definition.adapter)
    return None


async def _closed(source: FederatedSource) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await source.close()
    except Exception as error:  # noqa: BLE001  # the others are closed all the same
        log.warning("source.not_closed", source=source.definition.key, error=type(error).__name__)
