"""Attributes of a profile: what the agent pinned, everything, and what is missing.

Fields of `Profile`; `resolvers.types.profile` takes them over.
"""

from __future__ import annotations

import strawberry

__all__ = ["ProfileAttributes"]


@strawberry.type
class ProfileAttributes:
    pass
