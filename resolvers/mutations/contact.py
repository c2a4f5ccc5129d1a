"""Mutations of contacts. Joined by `resolvers.mutation`."""

from __future__ import annotations

import strawberry

__all__ = ["ContactMutations"]


@strawberry.type
class ContactMutations:
    pass
