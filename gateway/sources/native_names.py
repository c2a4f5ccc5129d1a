"""Names in the native tables: what begins like the words asked for, page by page, and what is spelt nearly like them.

Owns which spans of the telephone book (`name_entry`) are read; the book's rules are `model.naming`'s. Whatever is asked, the work is bounded:
a page reads as many entries as it shows, unless several common words must all be there. Called by `native`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from gateway.model.folding import like_pattern
from gateway.model.naming import NameHit, Place, is_first, parts, score, span, spellings, whole, words_of
from gateway.sources.native_timeline import Fetch
from gateway.storage.database import columns

__all__ = ["NativeNames"]

_LOWEST: Final = UUID(int=0)
_COUNTED: Final = 2000
"""Entries from which on a word is as common as any."""
_LOOKED_THROUGH: Final = 50_000
"""Entries of one page at most, when several words must all be there."""
_MOST_SIMILAR_WORDS: Final = 200
_MOST_ASKED: Final = 4
"""Words of a search whose spelling is guessed."""


class NativeNames:
    """The telephone book. `fetch`: rows of a named statement."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def beginning(self, workspace: UUID, words: Sequence[str], after: str | None, limit: int) -> list[NameHit]:
        """See `contract.IdentitySource.search_names`."""
        asked = words_of(" ".join(words))
        if not asked:
            return []
        leader = await self._rarest(workspace, asked) if after is None else Place.read(after).leader
        beginning, end = span(asked[leader])
        place = Place(leader, beginning, _LOWEST) if after is None else Place.read(after)
        others = [f"% {like_pattern(word)}%" for n, word in enumerate(asked) if n != place.leader]
        found: list[NameHit] = []
        while True:
            wanted = limit - len(found)
            behind = place.entry, place.profile_id
            rows = await self._fetch("names_beginning", workspace, *behind, end, others, wanted, _LOOKED_THROUGH)
            for entry, profile_id in rows:
                place = Place(place.leader, entry, profile_id)
                if is_first(entry, beginning):
                    found.append(NameHit(profile_id, score(asked, entry), place.text()))
            if len(rows) < wanted or len(found) == limit:
                return found

    async def similar(self, workspace: UUID, words: Sequence[str], limit: int) -> list[NameHit]:
        """See `contract.IdentitySource.similar_names`."""
        asked = words_of(" ".join(words))
        patterns = [(n, part) for n, word in enumerate(asked, 1) for part in parts(word)]
        if not asked or len(asked) > _MOST_ASKED:
            return []
        known: list[list[str]] = [[word] for word in asked]
        if patterns:
            for row in await self._fetch("words_like", workspace, asked, *columns(patterns), _MOST_SIMILAR_WORDS):
                known[row["n"] - 1].append(row["word"])
        meant = spellings(asked, known)
        found: dict[UUID, NameHit] = {}
        if meant:
            for row in await self._fetch("names_within", workspace, *columns([whole(beginning) for beginning, _ in meant]), limit):
                found.setdefault(row["profile_id"], NameHit(row["profile_id"], meant[row["n"] - 1][1], ""))
        return sorted(found.values(), key=lambda hit: (-hit.score, hit.profile_id))[:limit]

    async def _rarest(self, workspace: UUID, asked: Sequence[str]) -> int:
        """Which of the words begins the fewest entries: its span is the one to walk."""
        if len(asked) == 1:
            return 0
        rows = await self._fetch("name_counts", workspace, *columns([span(word) for word in asked]), _COUNTED)
        counts = {row["n"] - 1: row["entries"] for row in rows}
        return min(range(len(asked)), key=lambda n: (counts[n], -len(asked[n])))
