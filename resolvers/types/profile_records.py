"""What the gateway itself keeps about a profile: its contacts, changes and merge proposals.

Fields of `Profile`; `resolvers.types.profile` takes them over.
"""

from __future__ import annotations

import strawberry

__all__ = ["ProfileRecords"]


@strawberry.type
class ProfileRecords:
    pass
