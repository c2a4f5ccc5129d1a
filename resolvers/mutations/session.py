"""Mutations of sessions. Joined by `resolvers.mutation`."""

from __future__ import annotations

import strawberry

__all__ = ["SessionMutations"]


@strawberry.type
class SessionMutations:
    pass
