"""Layouts: what a console shows of a profile."""

from __future__ import annotations

import strawberry

from resolvers.types.enums import SortDirection
from resolvers.types.node import Node

__all__ = ["Layout", "LayoutSection"]


@strawberry.type(description="One block of the screen.")
class LayoutSection:
    key: str = strawberry.field(description="Its key within the layout.")
    title: str = strawberry.field(description="Its title.")
    component: str = strawberry.field(
        description="What draws it: the name of a built-in component, or the https address of a custom element."
    )
    attributes: list[str] = strawberry.field(description="Keys of the attributes it shows, in order.")


@strawberry.type(description="What a console shows of a profile, and in which order; an administrator decides.")
class Layout(Node):
    id: strawberry.ID = strawberry.field(description="The layout's id.")
    version: int = strawberry.field(description="Counts its changes; 0 is the built-in one. Give it back as expectedVersion.")
    name: str = strawberry.field(description="Its name.")
    header: list[str] = strawberry.field(description="Fields of Profile, and attributes, that head the screen.")
    sections: list[LayoutSection] = strawberry.field(description="The blocks, in order.")
    external_activity_types: list[str] = strawberry.field(
        description="Types of external activities the history shows by default; * is all."
    )
    timeline_order: SortDirection = strawberry.field(description="Whether the history begins with the oldest or the newest.")
