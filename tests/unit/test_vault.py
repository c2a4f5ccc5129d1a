"""The vault: what is sealed opens at its own place only, equal values have equal blind hashes, and secrets rotate."""

from __future__ import annotations

from uuid import UUID

import pytest

from gateway.vault import Vault, VaultError

__all__: list[str] = []

HERE, THERE = UUID(int=1), UUID(int=2)
OLD, NEW = b"o" * 32, b"n" * 32


def test_what_is_sealed_opens_at_its_place_only() -> None:
    """Another workspace, another place or a changed byte: it does not open."""
    vault = Vault([NEW])
    sealed = vault.seal(HERE, "trait:ssn", "078-05-1120")

    assert vault.open(HERE, "trait:ssn", sealed) == "078-05-1120"
    for workspace, place, text in (
        (THERE, "trait:ssn", sealed),
        (HERE, "trait:tax", sealed),
        (HERE, "trait:ssn", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (HERE, "trait:ssn", b""),
    ):
        with pytest.raises(VaultError):
            vault.open(workspace, place, text)


def test_sealing_twice_looks_different() -> None:
    """Equal texts have different ciphertexts: nobody can tell that two people share a value."""
    vault = Vault([NEW])

    assert vault.seal(HERE, "a", "same") != vault.seal(HERE, "a", "same")


def test_blind_hashes_compare_equal_within_a_workspace_and_key() -> None:
    """The same value is found again; in another workspace or under another key it is another hash."""
    vault = Vault([NEW])

    assert vault.blind(HERE, "ssn", "1") == vault.blind(HERE, "ssn", "1")
    assert (
        len({vault.blind(HERE, "ssn", "1"), vault.blind(THERE, "ssn", "1"), vault.blind(HERE, "tax", "1"), vault.blind(HERE, "ssn", "2")})
        == 4
    )


def test_secrets_rotate() -> None:
    """With a new secret in front, what the old one sealed still opens and is still found; without the old one it does not open."""
    old, both, new = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
    sealed = old.seal(HERE, "a", "x")

    assert both.open(HERE, "a", sealed) == "x"
    assert old.blind(HERE, "ssn", "1") in both.blinds(HERE, "ssn", "1")
    with pytest.raises(VaultError):
        new.open(HERE, "a", sealed)
