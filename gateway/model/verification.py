"""Verification: what comes of comparing a caller's answer with what is on file, and in constant time.

Owns the results and the comparison. Pure. Called by commands.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

__all__ = ["SLOTS", "Revealed", "VerifyResult", "matches"]

SLOTS: Final = 64
"""Comparisons that are always made, and values that are compared at most: how long it takes tells nothing of how many there are."""


class VerifyResult(Enum):
    """What a verification came to."""

    MATCH = "MATCH"
    NO_MATCH = "NO_MATCH"
    NOT_ON_FILE = "NOT_ON_FILE"
    LOCKED = "LOCKED"


@dataclass(frozen=True, slots=True)
class Revealed:
    """A value in clear, and until when it may stay on a screen."""

    value: str
    expires_at: datetime


def matches(given: str, on_file: Sequence[str]) -> bool:
    """Whether the digest of an answer is one of these digests (of one length, in ASCII); every slot is compared, whatever was found before."""
    found = False
    for slot in range(SLOTS):
        there = slot < len(on_file)
        same = hmac.compare_digest(given, on_file[slot] if there else given[::-1])
        found |= same and there
    return found
