"""Layouts as they are kept: from rows to values and back.

Owns the shape of a stored section. Must not decide who may save one (`commands.layouts` does). Called by loaders and commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from gateway.model.activity import SortDirection
from gateway.model.layout import Layout, LayoutSection
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["layout_columns", "layout_of", "layouts_by_name"]


async def layouts_by_name(database: Database, workspace: UUID, names: Sequence[str]) -> Mapping[str, Layout]:
    """The saved layouts among these, by name."""
    rows = await database.fetch(SQL["layouts_by_name"], workspace, list(names))
    return {row["name"]: layout_of(row) for row in rows}


def layout_of(row: asyncpg.Record) -> Layout:
    """A row of `layout` as a layout."""
    sections = tuple(LayoutSection(one["key"], one["title"], one["component"], tuple(one["attributes"])) for one in row["sections"])
    return Layout(
        row["name"],
        row["version"],
        tuple(row["header"]),
        sections,
        tuple(row["external_activity_types"]),
        SortDirection(row["timeline_order"]),
    )


def layout_columns(layout: Layout) -> tuple[Any, ...]:
    """Header, sections, external types and order as the statements of `layout.sql` take them."""
    sections = [
        {"key": one.key, "title": one.title, "component": one.component, "attributes": list(one.attributes)} for one in layout.sections
    ]
    return list(layout.header), sections, list(layout.external_activity_types), layout.timeline_order.value
