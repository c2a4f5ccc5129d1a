"""Inputs of layouts."""

from __future__ import annotations

import strawberry

from gateway.model import layout as model
from resolvers.types.enums import SortDirection

__all__ = ["LayoutInput", "LayoutSectionInput"]


@strawberry.input(description="One block of the screen.")
class LayoutSectionInput:
    key: str = strawberry.field(description="Its key within the layout: letters, digits, _ and -.")
    title: str = strawberry.field(description="Its title.")
    component: str = strawberry.field(description="The name of a built-in component, or the https address of a custom element.")
    attributes: list[str] = strawberry.field(description="Keys of the attributes it shows, in order.")


@strawberry.input(description="A layout as it shall be, whole.")
class LayoutInput:
    expected_version: int | None = strawberry.field(
        default=None, description="Refuse when the layout has another version by now; 0: not saved."
    )
    name: str = strawberry.field(description="Its name; default is the one everybody sees.")
    header: list[str] = strawberry.field(description="Fields of Profile, and attributes, that head the screen.")
    sections: list[LayoutSectionInput] = strawberry.field(description="The blocks, in order; at most 50, with 200 attributes in all.")
    external_activity_types: list[str] = strawberry.field(
        description="Types of external activities the history shows by default; * is all."
    )
    timeline_order: SortDirection = strawberry.field(description="Whether the history begins with the oldest or the newest.")

    def command(self) -> model.Layout:
        """What the command takes."""
        return model.Layout(
            self.name,
            0,
            tuple(self.header),
            tuple(model.LayoutSection(one.key, one.title.strip(), one.component, tuple(one.attributes)) for one in self.sections),
            tuple(self.external_activity_types),
            self.timeline_order,
        )
