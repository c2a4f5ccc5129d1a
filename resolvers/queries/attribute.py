"""Root query fields of attributes, layouts and search keys. Joined by `resolvers.query`."""

from __future__ import annotations

import strawberry

__all__ = ["AttributeQueries"]


@strawberry.type
class AttributeQueries:
    pass
