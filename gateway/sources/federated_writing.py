"""What is written to a system elsewhere, and the one person it is written about.

Owns whom a profile is there, and that nothing is written twice: a write is never retried, and one that was begun and did not end well may have
happened. Must not decide who may write. Called by `federated`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from gateway.errors import OutcomeUnknown, Problem, Rejected
from gateway.model.note import Note
from gateway.model.source import SourceKind
from gateway.sources.definition import Definition
from gateway.sources.federated_records import Unusable, checked_note, note_of
from gateway.sources.guard import Guard
from gateway.sources.keymap import KeyMap
from gateway.sources.remote import RemoteSource

__all__ = ["Writing"]


class Writing:
    """To one system."""

    def __init__(self, definition: Definition, remote: RemoteSource, keys: KeyMap, guard: Guard) -> None:
        self._definition = definition
        self._remote = remote
        self._keys = keys
        self._guard = guard

    async def write_trait(self, workspace: UUID, profile_id: UUID, trait: str, value: Any, idempotency_key: str) -> None:
        """See `federated.FederatedSource.write_trait`."""
        key = await self._key_of(workspace, profile_id, SourceKind.TRAITS)
        await self._guard.call(SourceKind.TRAITS, lambda: self._remote.write_trait(key, trait, value, idempotency_key), idempotent=False)

    async def add_note(self, workspace: UUID, profile_id: UUID, body: str, author: str, idempotency_key: str) -> Note:
        """See `federated.FederatedSource.add_note`."""
        key = await self._key_of(workspace, profile_id, SourceKind.NOTES)
        record = await self._guard.call(
            SourceKind.NOTES, lambda: self._remote.add_note(key, body, author, idempotency_key), idempotent=False
        )
        try:
            return note_of(checked_note(record), self._definition.source, profile_id)
        except Unusable:
            raise OutcomeUnknown(f"The source {self._guard.key} took the note and did not say what became of it.") from None

    async def _key_of(self, workspace: UUID, profile_id: UUID, kind: SourceKind) -> str:
        """The key the profile is written under: the first of those it is known by."""
        name = self._definition.source.display_name
        if kind not in self._remote.capabilities.writes:
            raise Rejected(Problem("READ_ONLY", f"{name} cannot be written to."))
        keys = (await self._keys.keys_of(workspace, self._definition.keyed_by, [profile_id]))[0]
        if not keys:
            raise Rejected(Problem("NOT_FOUND", f"{name} does not know this person: the profile has no {self._definition.keyed_by}."))
        return keys[0]
