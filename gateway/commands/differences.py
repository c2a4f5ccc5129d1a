"""What a command changed of a profile, as fields of the audit.

Owns the comparison of contact points and identifiers before and after, and the mask each value is shown under. Values are the normalized ones; of a
SENSITIVE identifier nothing is kept. Pure. Called by `profiles`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from gateway.identity import EMAIL, PHONE, lookup_key
from gateway.model.audit import FieldChange
from gateway.model.configuration import Configuration
from gateway.model.profile import Channel

__all__ = ["Row", "reach_differences"]

_CONTACT_POINT = "C"


class Row(Protocol):
    """A row of `contacts_by_profile`."""

    def __getitem__(self, name: str, /) -> Any: ...


def reach_differences(configuration: Configuration, before: Sequence[Row], after: Sequence[Row]) -> list[FieldChange]:
    """What became of contact points and identifiers: gone, changed, new."""
    was = {(row["kind"], row["id"]): row for row in before}
    now = {(row["kind"], row["id"]): row for row in after}
    return [
        change
        for key in dict.fromkeys((*was, *now))
        for change in (_point if key[0] == _CONTACT_POINT else _identifier)(configuration, was.get(key), now.get(key))
    ]


def _point(_: Configuration, old: Row | None, new: Row | None) -> Iterator[FieldChange]:
    row = new or old
    assert row is not None
    key = lookup_key(Channel(row["type"]), row["custom_channel"])
    mask = key if key in {PHONE, EMAIL} else "text"
    if old is None or new is None or old["normalized"] != new["normalized"]:
        yield FieldChange("contactPoints", old and old["normalized"], new and new["normalized"], mask)
        return
    if old["label"] != new["label"]:
        yield FieldChange("contactPoints.label", old["label"], new["label"])
    if new["is_primary"] and not old["is_primary"]:
        yield FieldChange("contactPoints.isPrimary", None, new["normalized"], mask)


def _identifier(configuration: Configuration, old: Row | None, new: Row | None) -> Iterator[FieldChange]:
    row = new or old
    assert row is not None
    if old is not None and new is not None:
        return  # an identifier never changes, it comes and goes
    name = f"identifiers.{row['type']}"
    if row["type"] in configuration.sensitive:
        yield FieldChange(name, None, None, "sensitive")
    else:
        yield FieldChange(name, old and old["normalized"], new and new["normalized"], "text")
