"""Root query fields of interests. Joined by `resolvers.query`."""

from __future__ import annotations

import strawberry

__all__ = ["InsightQueries"]


@strawberry.type
class InsightQueries:
    pass
