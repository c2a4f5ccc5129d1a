"""Layouts: what a console shows of a profile, and in which order; and what one agent made of it.

Owns the shapes and the built-in layout. Called by records, commands and resolvers.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.activity import SortDirection

__all__ = ["DEFAULT_LAYOUT", "EVERY_TYPE", "UNTOUCHED", "Layout", "LayoutSection", "Preference"]

EVERY_TYPE = "*"
"""In `external_activity_types`: all of them."""


@dataclass(frozen=True, slots=True)
class LayoutSection:
    """One block of the screen: `component` is the name or the URL of what draws it, `attributes` the keys it shows."""

    key: str
    title: str
    component: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout of a workspace; version 0 is the built-in one that nobody saved yet."""

    name: str
    version: int
    header: tuple[str, ...]
    sections: tuple[LayoutSection, ...]
    external_activity_types: tuple[str, ...]
    timeline_order: SortDirection

    @property
    def id(self) -> str:
        """The client's id."""
        return f"lay_{self.name}"


DEFAULT_LAYOUT = Layout(
    "default",
    0,
    ("displayName", "mainCompany", "lifecycle"),
    (
        LayoutSection("attributes", "Details", "attributes"),
        LayoutSection("companies", "Companies", "companies"),
        LayoutSection("notes", "Notes", "notes"),
        LayoutSection("interests", "Interests", "interests"),
        LayoutSection("history", "History", "timeline"),
    ),
    (EVERY_TYPE,),
    SortDirection.ASC,
)
"""Attributes, then companies, then notes: the order agents know from comparable products."""


@dataclass(frozen=True, slots=True)
class Preference:
    """The attributes an agent keeps in sight, in the agent's order; version 0 and no list before the agent first chose."""

    version: int
    visible: tuple[str, ...] | None


UNTOUCHED = Preference(0, None)
"""Of somebody who never chose."""
