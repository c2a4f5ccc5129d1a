"""The commands as one object: what resolvers and transports are handed instead of a writer and its settings.

Owns nothing but the binding of each command to the process's writer. Made by `app`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway.auth.principal import Principal
from gateway.commands import companies, notes
from gateway.commands.activities import NewActivity, record_activities
from gateway.commands.adoption import Adoption
from gateway.commands.consents import ConsentCommands
from gateway.commands.contacts import ContactCommands
from gateway.commands.dependencies import Dependencies
from gateway.commands.layouts import LayoutCommands
from gateway.commands.merging import MergeCommands
from gateway.commands.preferences import PreferenceCommands
from gateway.commands.privacy import PrivacyCommands
from gateway.commands.profiles import NewProfile, ProfileChanges, create_profile, fingerprint, update_profile
from gateway.commands.unit import Idempotency, Receipt, Writer
from gateway.commands.verification import VerificationCommands
from gateway.commands.written_through import WrittenThrough
from gateway.configuration import Configurations
from gateway.errors import BadUserInput, Problem
from gateway.model.source import Source
from gateway.sources.federated import FederatedSource
from gateway.vault import Vault

__all__ = ["Commands"]


class Commands:
    """Every command of the write side, bound to this process."""

    def __init__(
        self,
        writer: Writer,
        native: Source,
        region: str | None,
        configurations: Configurations,
        vault: Vault,
        systems: Sequence[FederatedSource] = (),
    ) -> None:
        """`native`: the source that agents' writes belong to; `region`: for phone numbers in national format; `systems`: sources elsewhere."""
        self.writer = writer
        self._native = native
        self._region = region
        self.bound = Dependencies(writer, native, region, configurations, vault, systems)
        self.written_through = WrittenThrough(self.bound)
        self.layouts = LayoutCommands(self.bound)
        self.preferences = PreferenceCommands(self.bound)
        self.consents = ConsentCommands(self.bound)
        self.merging = MergeCommands(self.bound)
        self.privacy = PrivacyCommands(self.bound)
        self.adoption = Adoption(self.bound, self.privacy.tombstones)
        self.contacts = ContactCommands(self.bound, self.adoption)
        self.verification = VerificationCommands(self.bound)

    async def create_profile(self, principal: Principal, new: NewProfile, key: str | None) -> Receipt:
        """See `profiles.create_profile`."""
        idempotency = None if key is None else _idempotency(key, "createProfile", fingerprint(self.bound, principal, new))
        return await create_profile(self.bound, principal, new, idempotency)

    async def update_profile(self, principal: Principal, changes: ProfileChanges) -> Receipt:
        """See `profiles.update_profile`."""
        return await update_profile(self.bound, principal, changes, self.written_through)

    async def add_to_company(
        self, principal: Principal, profile_id: UUID, company_id: UUID | None, company_name: str | None, *, make_main: bool
    ) -> Receipt:
        """See `companies.add_to_company`."""
        return await companies.add_to_company(
            self.writer, principal, profile_id, company_id=company_id, company_name=company_name, make_main=make_main
        )

    async def remove_from_company(self, principal: Principal, profile_id: UUID, company_id: UUID) -> Receipt:
        """See `companies.remove_from_company`."""
        return await companies.remove_from_company(self.writer, principal, profile_id, company_id)

    async def set_main_company(self, principal: Principal, profile_id: UUID, company_id: UUID) -> Receipt:
        """See `companies.set_main_company`."""
        return await companies.set_main_company(self.writer, principal, profile_id, company_id)

    async def add_note(
        self, principal: Principal, profile_id: UUID, body: str, is_pinned: bool, key: str | None, contact_id: UUID | None = None
    ) -> Receipt:
        """See `notes.add_note`."""
        idempotency = _idempotency(key, "addNote", [profile_id, body, is_pinned, contact_id])
        return await notes.add_note(
            self.writer,
            principal,
            profile_id,
            body,
            is_pinned=is_pinned,
            idempotency=idempotency,
            contact_id=contact_id,
            through=self.written_through,
        )

    async def update_note(
        self, principal: Principal, ref: tuple[UUID, UUID], body: str | None, is_pinned: bool | None, expected_version: int | None
    ) -> Receipt:
        """See `notes.update_note`."""
        return await notes.update_note(
            self.writer, principal, self._native, ref, body=body, is_pinned=is_pinned, expected_version=expected_version
        )

    async def delete_note(self, principal: Principal, ref: tuple[UUID, UUID]) -> Receipt:
        """See `notes.delete_note`."""
        return await notes.delete_note(self.writer, principal, self._native, ref)

    async def record_activities(
        self, principal: Principal, given: Sequence[tuple[UUID | BadUserInput | None, Any]]
    ) -> tuple[int, int, list[Problem]]:
        """See `activities.record_activities`; `given`: each input with the profile it was found to mean, or why it can mean none."""
        new = [NewActivity(owner, one.type, one.occurred_at, one.message_id, one.account, one.properties) for owner, one in given]
        configuration = self.bound.configurations.of(principal.workspace_key)
        return await record_activities(self.writer, principal, principal.source or self._native.key, new, configuration)


def _idempotency(key: str | None, command: str, given: Any) -> Idempotency | None:
    return None if key is None else Idempotency(key, [command, given])
