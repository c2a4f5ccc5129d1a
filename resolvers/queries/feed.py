"""Root query fields of the workspace feed and sources. Joined by `resolvers.query`."""

from __future__ import annotations

import strawberry

__all__ = ["FeedQueries"]


@strawberry.type
class FeedQueries:
    pass
