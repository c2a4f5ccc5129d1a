"""A memory with an end, in time and in size."""

from __future__ import annotations

from gateway.auth.expiring import ExpiringMap


class Clock:
    """Time that passes when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_entries_end() -> None:
    """An entry lives for its time to the moment, and is gone from the map when it is next asked for."""
    clock = Clock()
    entries = ExpiringMap[str, int](10, 5.0, clock)
    entries.put("a", 1)

    clock.now = 4.9
    assert entries.get("a") == 1
    clock.now = 5.0
    assert entries.get("a") is None
    assert len(entries) == 0


def test_the_oldest_leaves() -> None:
    """A full map forgets what was put first; putting again makes an entry young."""
    entries = ExpiringMap[str, int](2, 5.0, Clock())
    entries.put("a", 1)
    entries.put("b", 2)
    entries.put("a", 3)
    entries.put("c", 4)

    assert (entries.get("a"), entries.get("b"), entries.get("c")) == (3, None, 4)


def test_never_larger() -> None:
    """However many keys arrive, the map holds as many as it was told."""
    entries = ExpiringMap[int, int](100, 5.0)
    for key in range(1000):
        entries.put(key, key)

    assert len(entries) == 100
    assert entries.get(900) == 900


def test_drop() -> None:
    """A dropped key is unknown; dropping an unknown one is no error."""
    entries = ExpiringMap[str, int](2, 5.0)
    entries.put("a", 1)
    entries.drop("a")
    entries.drop("a")

    assert entries.get("a") is None
