"""Mutations of privacys. Joined by `resolvers.mutation`."""

from __future__ import annotations

import strawberry

__all__ = ["PrivacyMutations"]


@strawberry.type
class PrivacyMutations:
    pass
