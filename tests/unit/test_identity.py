"""Identity values: equal ones are written the same, different ones never."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.errors import BadUserInput
from gateway.identity import (
    EMAIL,
    MAX_IDENTIFIER,
    PHONE,
    RESERVED_TYPES,
    blocked,
    lookup_key,
    normalize,
    normalize_email,
    normalize_identifier,
    normalize_phone,
    normalize_type,
)
from gateway.model.profile import Channel

__all__: list[str] = []

KELVIN_SIGN = "\u212a"


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("  Ana@Example.COM\t", "ana@example.com"),
        (f"{KELVIN_SIGN}ELVIN@example.com", "kelvin@example.com"),
        ("ana@ｅxample.com", "ana@example.com"),
        ("ａｎａ＠example.com", "ana@example.com"),
        ("ana@example。com", "ana@example.com"),
        ("ﬁona@example.com", "fiona@example.com"),
        ("jose\u0301@example.com", "josé@example.com"),
        ("JOSÉ@example.com", "josé@example.com"),
        ("ana@mu\u0308nchen.de", "ana@xn--mnchen-3ya.de"),
        ("ana@MÜNCHEN.de", "ana@xn--mnchen-3ya.de"),
        ("ana@xn--mnchen-3ya.de", "ana@xn--mnchen-3ya.de"),
        ("Straße@example.com", "strasse@example.com"),
        ("ΟΔΥΣΣΕΥΣ@example.com", "οδυσσευσ@example.com"),
        ("οδυσσευς@example.com", "οδυσσευσ@example.com"),
        ("ana+shop@example.com", "ana+shop@example.com"),
        ("a.n.a@gmail.com", "a.n.a@gmail.com"),
    ],
)
def test_spellings_of_one_address_are_one(text: str, same_as: str) -> None:
    """Case, width, ligatures, composition and the form of the domain do not make another address; dots and tags do."""
    assert normalize_email(text) == same_as


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ıstanbul@example.com", "istanbul@example.com"),
        ("İstanbul@example.com", "istanbul@example.com"),
        ("ıstanbul@example.com", "İstanbul@example.com"),
        ("\u0430na@example.com", "ana@example.com"),
        ("ana@ex\u0430mple.com", "ana@example.com"),
        ("\u03bfmega@example.com", "omega@example.com"),
        ("jose@example.com", "josé@example.com"),
    ],
)
def test_look_alikes_are_not_one(one: str, other: str) -> None:
    """Turkish dotless and dotted i, Cyrillic and Greek letters and accents keep addresses apart."""
    assert normalize_email(one) != normalize_email(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ana",
        "ana@",
        "@example.com",
        "ana@example",
        "ana@localhost",
        "ana@[127.0.0.1]",
        "ana@example..com",
        ".ana@example.com",
        "a@b@example.com",
        '"a b"@example.com',
        "Ana <ana@example.com>",
        "ana@example.com,bob@example.com",
        "ana\x00@example.com",
        "an\u00ada@example.com",
        "ana\u200b@example.com",
        "ana\u202e@example.com",
        "ana@exam\nple.com",
        "\ud800@example.com",
        f"{'x' * 243}@example.com",
        f"{'ﷺ' * 14}@example.com",
        f"{'x' * 1_000_000}@example.com",
        f"ana@{'x' * 64}.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Text that is no address, hides something or is longer than 254 characters is BAD_USER_INPUT; the message repeats none of it."""
    with pytest.raises(BadUserInput) as caught:
        normalize_email(text)

    assert caught.value.message == "This is not an e-mail address, for example ana@example.com."


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+14155550100", "+14155550100"),
        ("  +1 (415) 555-0100 ", "+14155550100"),
        ("+1.415.555.0100", "+14155550100"),
        ("+1\u2011415\u2011555\u20110100", "+14155550100"),
        ("+1\u00a0415\u00a0555\u00a00100", "+14155550100"),
        ("＋１４１５５５５０１００", "+14155550100"),
        ("+١٤١٥٥٥٥٠١٠٠", "+14155550100"),
        ("+१४१५५५५०१००", "+14155550100"),
        ("\u202a+14155550100\u202c", "+14155550100"),
        ("+442079460018", "+442079460018"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+44 020 7946 0018", "+442079460018"),
        ("+39 06 698 12345", "+390669812345"),
        ("+54 11 15 2345 6789", "+5491123456789"),
        ("+49 000 30 123456", "+4930123456"),
    ],
)
def test_spellings_of_one_number_are_one(text: str, number: str) -> None:
    """Spaces, signs, other digits and a national prefix behind the country code do not make another number."""
    assert normalize_phone(text) == number


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("020 7946 0018", "GB", "+442079460018"),
        ("0044 20 7946 0018", "GB", "+442079460018"),
        ("(415) 555-0100", "US", "+14155550100"),
        ("011 44 20 7946 0018", "US", "+442079460018"),
        ("+442079460018", "US", "+442079460018"),
    ],
)
def test_a_region_lets_national_formats_in(text: str, region: str, number: str) -> None:
    """With a region its national and its dialling-out format mean the number they reach from there; a + needs no region."""
    assert normalize_phone(text, region) == number


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("", None),
        ("+", None),
        ("020 7946 0018", None),
        ("0044 20 7946 0018", None),
        ("020 7946 0018", "ZZ"),
        ("+0", None),
        ("+999 123 456 789", None),
        ("+1 415 555 010", None),
        ("+1 415 555 01000", None),
        ("+" + "4" * 39, None),
        ("+" + "4" * 40, None),
        ("4" * 1_000_000, "GB"),
        ("+1 415 555 CALL", None),
        ("tel:+14155550100", None),
        ("+14155550100 ext. 5", None),
        ("+14155550100x5", None),
        ("+14155550100#5", None),
        ("+14155550100,,5", None),
        ("+14155550100~5", None),
        ("+1415555\x000100", None),
        ("+1 415\n555 0100", None),
        ("+14155550100 +14155550101", None),
    ],
)
def test_what_is_no_number_is_refused(text: str, region: str | None) -> None:
    """National formats without a region, impossible lengths, letters, extensions and several numbers at once are BAD_USER_INPUT."""
    with pytest.raises(BadUserInput, match="phone number"):
        normalize_phone(text, region)


words = st.text(st.one_of(st.characters(categories=["L", "M", "N"]), st.sampled_from(f"İıſß{KELVIN_SIGN}ﬁǰΐᾳŉΣς")), min_size=1, max_size=12)


@given(local=words, domain=words, top=st.sampled_from(["com", "de", "рф"]))
def test_an_address_is_normalised_once(local: str, domain: str, top: str) -> None:
    """Normalising a normalised address changes nothing, so what was stored is found by what is looked up."""
    try:
        once = normalize_email(f"{local}@{domain}.{top}")
    except BadUserInput:
        assume(False)

    assert normalize_email(once) == once
    assert once.partition("@")[2].isascii()


@given(local=words)
def test_case_and_composition_never_matter(local: str) -> None:
    """An address in capitals, decomposed or composed is the same address, or is refused as well."""

    def written(text: str) -> str | None:
        try:
            return normalize_email(f"{text}@example.com")
        except BadUserInput:
            return None

    assert written(local) == written(unicodedata.normalize("NFD", local)) == written(unicodedata.normalize("NFC", local))
    assert written(local) == written(local.casefold())


@given(
    code=st.sampled_from(["1", "7", "33", "39", "44", "49", "54", "52", "81", "91", "358"]),
    rest=st.from_regex(r"[0-9]{4,11}", fullmatch=True),
)
def test_a_number_is_normalised_once(code: str, rest: str) -> None:
    """Normalising a normalised number changes nothing, in whatever region it is read."""
    try:
        once = normalize_phone(f"+{code} {rest}")
    except BadUserInput:
        assume(False)

    assert normalize_phone(once) == once
    assert normalize_phone(once, "DE") == once


@given(text=st.text(max_size=20), key=st.sampled_from(["account_id", "chat", "instagram", "custom:kiosk"]))
def test_any_other_value_is_normalised_once(text: str, key: str) -> None:
    """Normalising a normalised identifier or channel address changes nothing."""
    try:
        once = normalize(key, text)
    except BadUserInput:
        assume(False)

    assert normalize(key, once) == once


@pytest.mark.parametrize(
    "value",
    [
        *("0", "000", "0000-0000", "00000000-0000-0000-0000-000000000000", "-", "--", "-1"),
        *("null", "NULL", "nil", "None", "undefined", "unknown", "anonymous", "Anonymous", "n/a", "NA", "test", "true", "FALSE"),
        *("[object Object]", "  null  ", "ｎｕｌｌ", "𝐧𝐮𝐥𝐥", ""),
    ],
)
def test_placeholders_identify_nobody(value: str) -> None:
    """What broken integrations send for everybody is no identifier."""
    with pytest.raises(BadUserInput):
        normalize_identifier(value)


@pytest.mark.parametrize("value", ["10", "0A", "-2", "nullable", "anonymous-7", "test-1", "tester", "x"])
def test_real_values_are_not_placeholders(value: str) -> None:
    """A value that merely begins like a placeholder identifies somebody."""
    assert not blocked(value)
    assert normalize_identifier(value) == value


def test_identifiers_keep_their_case() -> None:
    """Width and surrounding space go, case stays: other systems' keys may differ in it alone."""
    assert normalize_identifier(" Ａb1 ") == "Ab1"
    assert normalize("account_id", "Ab") != normalize("account_id", "aB")


def test_chat_addresses_lose_their_case() -> None:
    """Names on chat channels and custom channels are compared without case."""
    assert normalize("instagram", "@Ana") == normalize("instagram", "@ANA") == "@ana"
    assert normalize("custom:kiosk", "Straße") == normalize("custom:kiosk", "STRASSE")


@pytest.mark.parametrize("value", ["x" * (MAX_IDENTIFIER + 1), "ﷺ" * 20, "a\x00b"])
def test_unfit_identifiers_are_refused(value: str) -> None:
    """An identifier is at most 256 characters long as it is stored, and has no NUL."""
    with pytest.raises(BadUserInput):
        normalize_identifier(value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("accountId", "account_id"),
        ("account-id", "account_id"),
        (" Account ID ", "account_id"),
        ("crm", "crm"),
        ("a1", "a1"),
        ("a" * 64, "a" * 64),
    ],
)
def test_types_are_snake_case(text: str, name: str) -> None:
    """Camel case, dashes and spaces are ways to write one type's name."""
    assert normalize_type(text) == name
    assert normalize_type(name) == name


@pytest.mark.parametrize(
    "text", ["", "1a", "_a", "é", "a" * 65, "a;b", "a\x00", *sorted(RESERVED_TYPES), "profileId", "EMAIL", "What's App"]
)
def test_unfit_types_are_refused(text: str) -> None:
    """Names of contact channels and search keys, and what is no name at all, cannot be identifier types."""
    with pytest.raises(BadUserInput):
        normalize_type(text)


def test_channels_share_lookup_keys() -> None:
    """One phone number is found by call, text and WhatsApp; every other channel has a key of its own."""
    assert {lookup_key(channel) for channel in (Channel.VOICE, Channel.SMS, Channel.WHATSAPP)} == {PHONE}
    assert lookup_key(Channel.EMAIL) == EMAIL
    assert lookup_key(Channel.CUSTOM, " Kiosk ") == "custom:kiosk"
    rest = [lookup_key(channel) for channel in Channel if lookup_key(channel) not in {PHONE, EMAIL}]
    assert len(set(rest)) == len(rest)


def test_lookup_and_write_agree() -> None:
    """The key says how a value is written: phones as phones, addresses as addresses."""
    assert normalize(PHONE, "020 7946 0018", "GB") == "+442079460018"
    assert normalize(EMAIL, "Ana@Example.com") == "ana@example.com"
    with pytest.raises(BadUserInput):
        normalize(PHONE, "ana@example.com")


@pytest.mark.parametrize("value", ["a\x00b", "a\ud800", "\u200b", "\u200d\u00a0", "a\nb"])
def test_an_identifier_is_made_of_visible_characters(value: str) -> None:
    """Control characters, half surrogate pairs and values that nobody can see are refused."""
    with pytest.raises(BadUserInput):
        normalize_identifier(value)
