"""Pages of a list: what was asked for, and the Relay connection that answers it.

Owns the one check of `first/after/last/before` and the one shape of every connection. Called by loaders and resolvers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Generic, NamedTuple, TypeVar

from gateway.errors import BadUserInput
from gateway.model.source import SourceReport

__all__ = ["MAX_PAGE", "Connection", "Edge", "PageArgs", "PageInfo"]

MAX_PAGE = 100
"""Most items of one page, as Relay servers commonly cap it (GitHub: 1–100)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageArgs:
    """A checked page request: `limit` items `after` and `before` these (still sealed) cursors, from the front or the `backward` end."""

    limit: int
    after: str | None = None
    before: str | None = None
    backward: bool = False

    @classmethod
    def check(
        cls, first: int | None = None, after: str | None = None, last: int | None = None, before: str | None = None, *, default: int = 20
    ) -> PageArgs:
        """Raise BadUserInput (naming the argument) for sizes outside 1..100 and for `first` together with `last`."""
        if first is not None and last is not None:
            raise BadUserInput("Give first (from the start) or last (from the end), not both.", argument="last")
        for name, size in (("first", first), ("last", last)):
            if size is not None and not 1 <= size <= MAX_PAGE:
                raise BadUserInput(f"{name} must be between 1 and {MAX_PAGE}; use the cursor for the next page.", argument=name)
        return cls(first or last or default, after, before, backward=last is not None)


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Edge(NamedTuple, Generic[T]):
    """One item and where it stands; the cursor is made only when it is asked for. A tuple: a page makes one for each of its items."""

    node: T
    cursor_of: Callable[[T], str]

    @property
    def cursor(self) -> str:
        """The item's sealed position."""
        return self.cursor_of(self.node)


@dataclass(frozen=True, slots=True)
class Connection(Generic[T]):
    """A page of items in the order the client sees them."""

    nodes: Sequence[T]
    cursor_of: Callable[[T], str]
    has_next_page: bool = False
    has_previous_page: bool = False
    total_count: int | None = None
    sources: Sequence[SourceReport] = ()

    @property
    def edges(self) -> list[Edge[T]]:
        """The items with their cursors."""
        return list(map(Edge._make, zip(self.nodes, repeat(self.cursor_of))))  # one of them has no end

    @property
    def page_info(self) -> PageInfo:
        """Where the page lies in the whole list."""
        nodes, cursor_of = self.nodes, self.cursor_of
        return PageInfo(
            self.has_next_page,
            self.has_previous_page,
            cursor_of(nodes[0]) if nodes else None,
            cursor_of(nodes[-1]) if nodes else None,
        )
