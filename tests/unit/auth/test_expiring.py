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
    entries = ExpiringMap[str, int](3, 5.0, Clock())
    for number, key in enumerate("abacd"):
        entries.put(key, number)

    assert [entries.get(key) for key in "abcd"] == [2, None, 3, 4]


def test_never_larger() -> None:
    """However many keys arrive, the map holds as many as it was told."""
    entries = ExpiringMap[int, int](100, 5.0)
    for key in range(1000):
        entries.put(key, key)

    assert len(entries) == 100
    assert entries.get(900) == 900
