"""Pages of lists that come whole or by id: traits by key, notes by id, search results by profile id.

Owns what their cursors hold. Called by `resolvers.types.profile` and `resolvers.search`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from gateway.errors import CursorInvalid
from gateway.loaders.bundle import TraitAnswer
from gateway.model.note import Note, NotePage
from gateway.model.page import Connection, PageArgs
from gateway.model.sealed import Sealer
from gateway.sources.contract import NoteWindow
from resolvers.inputs.timeline import TraitFilter
from resolvers.types.trait import ShownTrait, TraitView

__all__ = ["note_page", "open_uuid", "seal_uuid", "trait_page"]


def trait_page(
    sealer: Sealer, workspace: UUID, page: PageArgs, chosen: TraitFilter | None, view: TraitView
) -> Callable[[TraitAnswer], Connection[ShownTrait]]:
    """A function from a profile's (or a company's) traits to the page of them as the viewer may see it; the cursor is the key."""
    purpose = b"traits" + workspace.bytes
    after = sealer.open(purpose, page.after).decode() if page.after is not None else ""
    search = chosen.search.casefold() if chosen and chosen.search else None

    def wanted(trait: ShownTrait) -> bool:
        return (
            trait.key > after
            and (
                chosen is None
                or (
                    (chosen.keys is None or trait.key in chosen.keys)
                    and (chosen.kinds is None or trait.kind in chosen.kinds)
                    and (chosen.categories is None or (trait.category or "Other") in chosen.categories)
                    and (chosen.sources is None or trait.provenance.source.id in chosen.sources)
                )
            )
            and (search is None or search in trait.key.casefold() or search in trait.display_name.casefold())
        )

    seal = sealer.sealing(purpose)

    def cursor_of(trait: ShownTrait) -> str:
        return seal(trait.key.encode())

    shows_all = chosen is None and not after

    def show(answer: TraitAnswer) -> Connection[ShownTrait]:
        if shows_all:  # only what is on the page is made ready for the viewer
            shown = [view(trait) for trait in answer.traits[: page.limit]]
            return Connection(shown, cursor_of, len(answer.traits) > page.limit, sources=answer.reports)
        found = [trait for trait in map(view, answer.traits) if wanted(trait)]
        return Connection(found[: page.limit], cursor_of, len(found) > page.limit, bool(after), sources=answer.reports)

    return show


def note_page(sealer: Sealer, workspace: UUID, page: PageArgs) -> tuple[NoteWindow, Callable[[UUID, Sequence[Note]], NotePage]]:
    """The window to read, and a function from what was read to the page; the cursor is the note's place: whether it is pinned, and its id."""
    purpose = b"notes" + workspace.bytes
    before = _open_place(sealer, purpose, page.after)

    def cursor_of(note: Note) -> str:
        return sealer.seal(purpose, bytes([note.is_pinned]) + note.note_id.bytes)

    def show(profile_id: UUID, notes: Sequence[Note]) -> NotePage:
        return NotePage(notes[: page.limit], cursor_of, len(notes) > page.limit, before is not None, profile_id=profile_id)

    return NoteWindow(page.limit + 1, before), show


def _open_place(sealer: Sealer, purpose: bytes, text: str | None) -> tuple[bool, UUID] | None:
    if text is None:
        return None
    payload = sealer.open(purpose, text)
    if len(payload) != 17:  # noqa: PLR2004  # a flag, and the bytes of a UUID
        raise CursorInvalid
    return bool(payload[0]), UUID(bytes=payload[1:])


def seal_uuid(sealer: Sealer, purpose: bytes, value: UUID) -> str:
    """A cursor that is a UUID."""
    return sealer.seal(purpose, value.bytes)


def open_uuid(sealer: Sealer, purpose: bytes, text: str | None) -> UUID | None:
    """The UUID in a cursor; CursorInvalid when it is none of this purpose."""
    if text is None:
        return None
    payload = sealer.open(purpose, text)
    if len(payload) != 16:  # noqa: PLR2004  # bytes of a UUID
        raise CursorInvalid
    return UUID(bytes=payload)
