"""Root query fields of merges. Joined by `resolvers.query`."""

from __future__ import annotations

import strawberry

__all__ = ["MergeQueries"]


@strawberry.type
class MergeQueries:
    pass
