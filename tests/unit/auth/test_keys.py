"""The shape of API keys, without a database."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.keys import LONGEST_LIFE, KeyKind, ParsedKey, create, parse, secret_hash
from gateway.errors import BadUserInput

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PEPPER = b"p" * 48


@pytest.mark.parametrize("kind", KeyKind)
def test_round_trip(kind: KeyKind) -> None:
    """A new key has the published shape, parses into its parts, and its row has the hash and not the secret."""
    text, row = create(kind, "demo", PEPPER, now=NOW)
    parsed = parse(text)

    assert re.fullmatch(rf"pgw_{kind}_[0-9A-Za-z]{{12}}_[0-9A-Za-z]{{43}}_[0-9A-Za-z]{{6}}", text)
    assert parsed is not None
    assert (parsed.kind, parsed.id) == (kind, row.id)
    assert row.secret_hash == secret_hash(parsed.secret, PEPPER)
    assert parsed.secret not in repr(row)
    assert (row.created_at, row.expires_at) == (NOW, NOW + LONGEST_LIFE)


def test_defaults() -> None:
    """A write key ingests as its source; a partner key reads profiles and history and records activities."""
    _, write = create(KeyKind.WRITE, "demo", PEPPER, now=NOW, source="web-shop")
    _, partner = create(KeyKind.PARTNER, "demo", PEPPER, now=NOW, source="web-shop")

    assert (set(write.scopes), write.source) == ({"ingest:write"}, "web-shop")
    assert (set(partner.scopes), partner.source) == ({"profile:read", "history:read", "history:export", "activity:write"}, None)


def test_keys_differ() -> None:
    """No two keys share an id or a secret."""
    parsed = [parse(create(KeyKind.WRITE, "demo", PEPPER, now=NOW)[0]) for _ in range(100)]

    assert len({key.id for key in parsed if key}) == 100
    assert len({key.secret for key in parsed if key}) == 100


def test_hash_depends_on_the_pepper() -> None:
    """The hash is keyed: another server secret gives another hash, and it is no plain digest of the secret."""
    assert secret_hash("s", b"a" * 32) != secret_hash("s", b"b" * 32)
    assert secret_hash("s", PEPPER) not in {sha256(b"s").digest(), hmac.digest(PEPPER, b"s", "sha256")}
    assert len(secret_hash("s", PEPPER)) == 32


@pytest.mark.parametrize("lifetime", [timedelta(), timedelta(seconds=-1), timedelta(days=365, microseconds=1)])
def test_lifetime(lifetime: timedelta) -> None:
    """A key has an end, within a year."""
    with pytest.raises(BadUserInput, match="365 days"):
        create(KeyKind.WRITE, "demo", PEPPER, now=NOW, lifetime=lifetime)


@pytest.mark.parametrize("source", ["", "Web", "web shop", "-web", "a" * 33, "native", "web\n", "web.shop", "wéb"])
def test_source(source: str) -> None:
    """A source that a timeline item's id could not carry, or that is the gateway's own, is refused."""
    with pytest.raises(BadUserInput, match="source"):
        create(KeyKind.WRITE, "demo", PEPPER, now=NOW, source=source)


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        (KeyKind.WRITE, ["profile:read"]),
        (KeyKind.WRITE, []),
        (KeyKind.PARTNER, ["admin"]),
        (KeyKind.PARTNER, ["profile:read", "ingest:write"]),
        (KeyKind.PARTNER, ["profile:write"]),
        (KeyKind.PARTNER, ["nonsense"]),
    ],
)
def test_scopes(kind: KeyKind, scopes: list[str]) -> None:
    """A key cannot be given scopes that are not for its kind, nor none at all."""
    with pytest.raises(BadUserInput, match="scopes"):
        create(kind, "demo", PEPPER, now=NOW, scopes=scopes)


@pytest.mark.parametrize(
    "text",
    ["", "x", "pgw_", "pgw_write_", "pgw_write___", "\x00", "é" * 80, "pgw_admin_" + "a" * 12, "x" * 1_000_000, "pgw_write_" * 100_000],
    ids=lambda text: repr(text)[:20],
)
def test_other_texts(text: str) -> None:
    """Any text that is no key, a megabyte of it included, is none."""
    assert parse(text) is None


@given(st.text(max_size=100))
def test_any_text(text: str) -> None:
    """No text is an error."""
    assert parse(text) is None


SOME_KEY, _ = create(KeyKind.PARTNER, "demo", PEPPER, now=NOW)
"""One for all examples: what they draw depends on it."""


@given(data=st.data())
def test_any_change(data: st.DataObject) -> None:
    """The check finds every changed character, so a typing mistake costs no query."""
    text = SOME_KEY
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("09AZaz_- \n\x00").filter(lambda other: other != text[place]))

    assert parse(text[:place] + letter + text[place + 1 :]) is None


def test_surroundings() -> None:
    """Nothing may stand around a key: no space, no line end."""
    text, _ = create(KeyKind.WRITE, "demo", PEPPER, now=NOW)

    assert isinstance(parse(text), ParsedKey)
    assert [parse(other) for other in (f" {text}", f"{text} ", f"{text}\n", f"{text}{text}")] == [None] * 4
