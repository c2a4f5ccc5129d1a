"""Sealed text."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CursorInvalid
from gateway.model.sealed import Sealer

__all__: list[str] = []

OLD, NEW, OTHER = (letter * 32 for letter in (b"o", b"n", b"x"))
SEALER = Sealer([NEW])
LONG_TEXT = 100_000

payloads = st.binary(max_size=60)
purposes = st.binary(max_size=40)


def raw(text: str) -> bytes:
    """The bytes of sealed text."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@given(purpose=purposes, payload=payloads)
def test_what_was_sealed_opens(purpose: bytes, payload: bytes) -> None:
    """Any payload comes back under its purpose, from text that needs no escaping in a URL."""
    text = SEALER.seal(purpose, payload)

    assert SEALER.open(purpose, text) == payload
    assert text.replace("-", "").replace("_", "").isalnum()
    assert text.isascii()


@given(payload=payloads)
def test_no_bit_can_change(payload: bytes) -> None:
    """Turning any one bit of the sealed bytes round makes them invalid."""
    sealed = raw(SEALER.seal(b"timeline", payload))

    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CursorInvalid):
            SEALER.open(b"timeline", urlsafe_b64encode(changed).rstrip(b"=").decode())


@given(payload=payloads, data=st.data())
def test_no_character_can_change(payload: bytes, data: st.DataObject) -> None:
    """One position has one text: another character anywhere, spare bits included, makes it invalid."""
    text = SEALER.seal(b"timeline", payload)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[place]))

    with pytest.raises(CursorInvalid):
        SEALER.open(b"timeline", text[:place] + other + text[place + 1 :])


@given(payload=payloads, data=st.data())
def test_nothing_can_be_added_or_cut(payload: bytes, data: st.DataObject) -> None:
    """A cursor with characters put in (padding, line ends and signs Base64 would overlook included) or taken out is invalid."""
    text = SEALER.seal(b"timeline", payload)
    place = data.draw(st.integers(0, len(text)))
    added = data.draw(st.sampled_from(["=", "==", "\n", " ", "!", "+", "/", "A", "é", "\x00"]))

    with pytest.raises(CursorInvalid):
        SEALER.open(b"timeline", text[:place] + added + text[place:])
    with pytest.raises(CursorInvalid):
        SEALER.open(b"timeline", text[: place and place - 1])


@given(purpose=purposes, other=purposes, payload=payloads)
def test_another_purpose_does_not_open(purpose: bytes, other: bytes, payload: bytes) -> None:
    """What was sealed for one purpose is invalid for every other."""
    if purpose != other:
        with pytest.raises(CursorInvalid):
            SEALER.open(other, SEALER.seal(purpose, payload))


@given(common=purposes, moved=st.binary(min_size=1, max_size=20), payload=payloads)
def test_no_byte_moves_between_payload_and_purpose(common: bytes, moved: bytes, payload: bytes) -> None:
    """A client cannot pass the front of one purpose off as the end of another's payload."""
    sealed = raw(SEALER.seal(moved + common, payload))
    forged = sealed[:-9] + moved + sealed[-9:]

    with pytest.raises(CursorInvalid):
        SEALER.open(common, urlsafe_b64encode(forged).rstrip(b"=").decode())


def test_keys_rotate() -> None:
    """With a new key in front, cursors of the old key still open and new ones are the new key's; without the old key its cursors end."""
    before, during, after = Sealer([OLD]), Sealer([NEW, OLD]), Sealer([NEW])
    early = before.seal(b"timeline", b"early")
    late = during.seal(b"timeline", b"late")

    assert during.open(b"timeline", early) == b"early"
    assert after.open(b"timeline", late) == b"late"
    with pytest.raises(CursorInvalid):
        after.open(b"timeline", early)
    with pytest.raises(CursorInvalid):
        before.open(b"timeline", late)


def test_another_server_does_not_open() -> None:
    """Text of a server with other secrets is invalid, even when it claims the key's id."""
    foreign = raw(Sealer([OTHER]).seal(b"timeline", b"a"))
    claimed = foreign[:1] + raw(SEALER.seal(b"timeline", b"a"))[1:3] + foreign[3:]

    for forged in (foreign, claimed):
        with pytest.raises(CursorInvalid):
            SEALER.open(b"timeline", urlsafe_b64encode(forged).rstrip(b"=").decode())


@given(text=st.text())
def test_any_text_is_an_answer(text: str) -> None:
    """Whatever a client sends, surrogates included, the only failure is CURSOR_INVALID."""
    with pytest.raises(CursorInvalid):
        SEALER.open(b"timeline", text)


def test_a_huge_cursor_is_invalid() -> None:
    """Length is no way around: a long text is invalid like a short one."""
    with pytest.raises(CursorInvalid):
        SEALER.open(b"timeline", "A" * LONG_TEXT)
