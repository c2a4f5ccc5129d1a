"""The loaders of live contacts: by id, by agent, by profile, and what belongs to them.

Owns which reads of one operation meet in one statement. Must not decide who may see a contact (`auth.policy` does). Made by
`Loaders.of(ContactLoaders)` for each operation and each live event; called by resolvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gateway.loaders.batch import Loader
from gateway.model.change import Position
from gateway.model.contact import Association, Candidate, Contact, ContactState
from gateway.records import contacts as records
from gateway.records.contacts import ContactWindow
from gateway.storage.database import Database

__all__ = ["ContactLoaders"]


class ContactLoaders:
    """Bound to one workspace; lives for one operation or one live event."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        self._database = database
        self._workspace = workspace
        self._windows: dict[ContactWindow, Loader[UUID, Sequence[Contact]]] = {}
        self._desks: dict[frozenset[ContactState], Loader[str, Sequence[Contact]]] = {}
        self._granted: dict[str, Loader[UUID, bool]] = {}
        self.contact: Loader[UUID, Contact | None] = Loader(self._load_contacts)
        self.candidates: Loader[UUID, Sequence[Candidate]] = Loader(self._load_candidates)
        """Of a contact, the best first."""
        self.associations: Loader[UUID, Sequence[Association]] = Loader(self._load_associations)
        """Of a contact, newest first: the current one, if there is one, is the first."""
        self.desk: Loader[str, Position] = Loader(self._load_desks)
        """Where the stream of an agent's desk (by subject) stood when it was first asked for; it exists from then on."""

    def of_profiles(self, window: ContactWindow) -> Loader[UUID, Sequence[Contact]]:
        """The loader of one page of contacts per profile, newest first."""
        loader = self._windows.get(window)
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[Sequence[Contact]]:
                found = await records.contacts_by_profile(self._database, self._workspace, ids, window)
                return [found.get(key, ()) for key in ids]

            loader = self._windows[window] = Loader(load)
        return loader

    def of_agents(self, states: frozenset[ContactState]) -> Loader[str, Sequence[Contact]]:
        """The loader of each agent's newest contacts in these states, newest first."""
        loader = self._desks.get(states)
        if loader is None:

            async def load(subjects: Sequence[str]) -> Sequence[Sequence[Contact]]:
                found = await records.contacts_by_agent(self._database, self._workspace, subjects, states)
                return [found.get(key, ()) for key in subjects]

            loader = self._desks[states] = Loader(load)
        return loader

    def granted_to(self, subject: str) -> Loader[UUID, bool]:
        """Whether an open contact of this agent lets it read a profile: as a candidate, or as the association."""
        loader = self._granted.get(subject)
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[bool]:
                found = await records.granted_profiles(self._database, self._workspace, subject, ids)
                return [key in found for key in ids]

            loader = self._granted[subject] = Loader(load)
        return loader

    async def _load_contacts(self, ids: Sequence[UUID]) -> Sequence[Contact | None]:
        found = await records.contacts_by_id(self._database, self._workspace, ids)
        return [found.get(key) for key in ids]

    async def _load_candidates(self, ids: Sequence[UUID]) -> Sequence[Sequence[Candidate]]:
        found = await records.candidates_by_contact(self._database, self._workspace, ids)
        return [found.get(key, ()) for key in ids]

    async def _load_associations(self, ids: Sequence[UUID]) -> Sequence[Sequence[Association]]:
        found = await records.associations_by_contact(self._database, self._workspace, ids)
        return [found.get(key, ()) for key in ids]

    async def _load_desks(self, subjects: Sequence[str]) -> Sequence[Position]:
        return [await records.ensure_desk(self._database, self._workspace, subject) for subject in subjects]
