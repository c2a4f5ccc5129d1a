"""Mutations of attributes. Joined by `resolvers.mutation`."""

from __future__ import annotations

import strawberry

__all__ = ["AttributeMutations"]


@strawberry.type
class AttributeMutations:
    pass
