"""Mutation: what can be changed, joined from `resolvers.mutations`, one file per noun."""

from __future__ import annotations

import strawberry

from resolvers.mutations.attribute import AttributeMutations
from resolvers.mutations.consent import ConsentMutations
from resolvers.mutations.contact import ContactMutations
from resolvers.mutations.merge import MergeMutations
from resolvers.mutations.note import NoteMutations
from resolvers.mutations.privacy import PrivacyMutations
from resolvers.mutations.profile import ProfileMutations
from resolvers.mutations.session import SessionMutations
from resolvers.mutations.verification import VerificationMutations

__all__ = ["Mutation"]


@strawberry.type(description="What can be changed. Expected failures are in userErrors; when there are any, nothing was changed.")
class Mutation(
    ProfileMutations,
    NoteMutations,
    ConsentMutations,
    ContactMutations,
    AttributeMutations,
    MergeMutations,
    PrivacyMutations,
    SessionMutations,
    VerificationMutations,
):
    pass
