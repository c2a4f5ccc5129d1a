"""The comparison of an answer with what is on file."""

from __future__ import annotations

import hmac

import pytest

from gateway.model.verification import SLOTS, matches

__all__: list[str] = []

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("on_file", "found"),
    [([], False), ([A], True), ([B], False), ([B, B, A], True), ([A, B], True), ([B] * (SLOTS - 1) + [A], True)],
)
def test_every_slot_is_compared(monkeypatch: pytest.MonkeyPatch, on_file: list[str], found: bool) -> None:
    """A match anywhere counts, and the library's comparison runs as often whatever is on file and wherever the match is."""
    compared: list[str] = []
    compare = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(other)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)

    assert matches(A, on_file) is found
    assert len(compared) == SLOTS


def test_a_palindrome_matches_nothing() -> None:
    """The filling of empty slots is never a match, even where it equals the answer."""
    assert matches("abba", []) is False
