"""HTTP sources made of a few lines of TOML, in front of small real servers."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from gateway.model.source import Source, SourceKind
from gateway.sources.adapters import rest
from gateway.sources.definition import Definition, GuardPolicy

__all__ = ["Make"]

Make = Callable[..., rest.RestSource]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """`make(url, toml)`: the `rest` source that the tables describe; closed at the end."""
    async with AsyncExitStack() as stack:

        def made(url: str, toml: str, **more: Any) -> rest.RestSource:
            table = {"base_url": url, "allow_private": True, **more, **tomllib.loads(toml)}
            options = msgspec.convert(table, rest.ADAPTER.options)
            definition = Definition(
                Source("crm", "CRM", tuple(SourceKind)), "rest", "crm_id", policy=GuardPolicy(deadline=3.0), options=options
            )
            source = rest.ADAPTER.make(definition)
            assert isinstance(source, rest.RestSource)
            stack.push_async_callback(source.close)
            return source

        yield made
