"""What an operation asks of profiles anywhere in its document, so that sources need not send the rest.

Owns the shape of that, and of what a single field needs; `engine.selection` adds the one up from the other. Read by `loaders.bundle`, which passes it
to the sources, and by `Profile.sources`. It narrows what is sent, never what may be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["EVERYTHING", "NEEDS", "Needs", "Wanted"]

NEEDS: Final = "needs"
"""Where a schema's field holds its `Needs`, in its extensions."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a field of a profile takes from sources.

    `fields`: of the profile itself. `traits`: facts; `keys` is the path to the argument that names the only ones it shows, e.g.
    ("filter", "keys"); empty: it may show any. `parts`: whether it takes anything else, e.g. notes. `reports`: it tells how the sources did.
    """

    fields: frozenset[str] = frozenset()
    traits: bool = False
    keys: tuple[str, ...] = ()
    parts: bool = False
    reports: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of all profiles of an operation together. `fields` and `traits`: the only ones (None: any); `reports`: how sources did is asked.

    `anything`: sources are asked for something of a profile that is shown.
    """

    fields: frozenset[str] | None = None
    traits: frozenset[str] | None = None
    reports: bool = True
    anything: bool = True

    @property
    def any_fields(self) -> bool:
        """Whether fields of the profile are asked for."""
        return self.fields is None or bool(self.fields)

    @property
    def any_traits(self) -> bool:
        """Whether traits are asked for."""
        return self.traits is None or bool(self.traits)


EVERYTHING: Final = Wanted()
"""Of whoever does not say."""
