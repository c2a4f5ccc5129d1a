"""Root query fields of live contacts. Joined by `resolvers.query`."""

from __future__ import annotations

import strawberry

__all__ = ["ContactQueries"]


@strawberry.type
class ContactQueries:
    pass
