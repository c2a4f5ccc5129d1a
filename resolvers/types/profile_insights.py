"""What is known of a person beyond attributes: interests, consents, segments.

Fields of `Profile`; `resolvers.types.profile` takes them over.
"""

from __future__ import annotations

import strawberry

__all__ = ["ProfileInsights"]


@strawberry.type
class ProfileInsights:
    pass
