"""Mutations of merges. Joined by `resolvers.mutation`."""

from __future__ import annotations

import strawberry

__all__ = ["MergeMutations"]


@strawberry.type
class MergeMutations:
    pass
