"""What a viewer may do with a profile, as a screen needs to know it before it shows a button."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ProfilePermissions"]


@dataclass(frozen=True, slots=True)
class ProfilePermissions:
    """True: the command would not be refused for lack of rights (it may still fail for another reason)."""

    update: bool
    merge: bool
    add_note: bool
    reveal_sensitive: bool
    erase: bool
