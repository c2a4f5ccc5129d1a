"""Identity values: how a phone number, an e-mail address or any other identifier is written so that equal ones compare equal.

Owns normalisation, the values that identify nobody, and the lookup key a channel shares with others. One door for writes and look-ups, so
the two always agree. Must not touch storage. Called by commands, transport.tracking and resolvers.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from gateway.errors import BadUserInput
from gateway.model.attribute import AttributeDefinition, AttributeType
from gateway.model.profile import Channel

__all__ = [
    "ATTRIBUTE",
    "EMAIL",
    "MAX_IDENTIFIER",
    "PHONE",
    "RESERVED_TYPES",
    "blocked",
    "lookup_key",
    "normalize",
    "normalize_email",
    "normalize_identifier",
    "normalize_phone",
    "normalize_type",
    "searchable",
]

PHONE: Final = "phone"
EMAIL: Final = "email"
ATTRIBUTE: Final = "attribute:"
"""Before the key of an attribute that is a search key: its look-up key, apart from an identifier's of the same name."""
RESERVED_TYPES: Final = frozenset({PHONE, EMAIL, "name", "profile_id", *(channel.value.lower() for channel in Channel)})
"""Names an identifier type cannot have: they mean contact points or search keys."""

MAX_IDENTIFIER = 256
"""Characters of an identifier's value at most."""

_MAX_EMAIL = 320
"""Characters of an address as typed: 64 and 255 around the @ (RFC 3696, errata 1690)."""

_PHONE_CHANNELS = frozenset({Channel.VOICE, Channel.SMS, Channel.WHATSAPP})
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BLOCKED = re.compile(r"[0-]*|-1|null|nil|none|undefined|unknown|anonymous|n/?a|test|true|false|\[object object\]", re.IGNORECASE)
"""Values that broken integrations send for everybody; as identifiers they would make one person of all of them."""


def normalize_phone(text: str, region: str | None = None) -> str:
    """Strict E.164, e.g. `+14155550100`.

    `region` (ISO 3166) lets numbers in national format in. Arabic and other digits are understood, extensions and letters are refused.

    Raises:
        BadUserInput: it is not a phone number, or one without a country and no region to assume.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if len(text) > 40 or any(character.isalpha() for character in text):  # noqa: PLR2004
        raise BadUserInput("A phone number has digits only, for example +14155550100.")
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise BadUserInput("This is not a phone number in international format, for example +14155550100.") from None
    if number.extension or not phonenumbers.is_possible_number(number):
        raise BadUserInput("This is not a possible phone number; it needs a country code and no extension, for example +14155550100.")
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # one reading drops one national prefix: +49 (0)(0)… comes out different when it is read again, which would make two numbers of one
    return written if written == text else normalize_phone(written)


def normalize_email(text: str) -> str:
    """NFKC, casefolded, the domain in IDNA ASCII: full-width letters and the Kelvin sign are what they look like, Cyrillic stays Cyrillic.

    Raises:
        BadUserInput: it is not an e-mail address.
    """
    if len(text) > _MAX_EMAIL:  # before anything that takes longer the longer the text is
        raise BadUserInput("This is not an e-mail address, for example ana@example.com.")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).strip().casefold())
    try:
        address = validate_email(folded, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise BadUserInput("This is not an e-mail address, for example ana@example.com.") from None
    return f"{address.local_part}@{address.ascii_domain}"


def normalize_type(text: str) -> str:
    """An identifier's type: snake_case, not one of the reserved names.

    Raises:
        BadUserInput: it is neither.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+", "_", text.strip()).lower()
    if not _TYPE.fullmatch(name):
        raise BadUserInput("An identifier type is made of letters, digits and underscores, for example account_id.")
    if name in RESERVED_TYPES:
        raise BadUserInput(f"{name} is not an identifier type; phones, e-mails and chat addresses are contact points.")
    return name


def normalize_identifier(text: str) -> str:
    """NFKC and trimmed; case is kept, since other systems' keys may differ in it alone.

    Raises:
        BadUserInput: it is empty, too long, or a value that identifies nobody.
    """
    value = unicodedata.normalize("NFKC", text).strip()
    if not value or len(value) > MAX_IDENTIFIER:
        raise BadUserInput(f"An identifier has between 1 and {MAX_IDENTIFIER} characters.")
    kinds = {unicodedata.category(character) for character in value}
    if kinds & {"Cc", "Cs"}:
        raise BadUserInput("An identifier has no control characters.")
    if blocked(value) or kinds <= {"Cf", "Zs"}:
        raise BadUserInput("This value identifies nobody: placeholders such as 0, null or anonymous are not stored.")
    return value


def blocked(value: str) -> bool:
    """Whether a value is a placeholder that identifies nobody."""
    return _BLOCKED.fullmatch(value.strip()) is not None


def lookup_key(channel: Channel, custom: str | None = None) -> str:
    """The key under which a channel's addresses are found: calls, texts and WhatsApp share `phone`."""
    if channel in _PHONE_CHANNELS:
        return PHONE
    if channel is Channel.EMAIL:
        return EMAIL
    return f"custom:{custom.strip().lower()}" if channel is Channel.CUSTOM and custom else channel.value.lower()


def normalize(key: str, text: str, region: str | None = None) -> str:
    """A value as it is stored and looked up under a key.

    Raises:
        BadUserInput: the value cannot be one of this key.
    """
    if key == PHONE:
        return normalize_phone(text, region)
    if key == EMAIL:
        return normalize_email(text)
    value = normalize_identifier(text)
    return value.casefold() if key in RESERVED_TYPES or key.startswith("custom:") else value


def searchable(definition: AttributeDefinition, value: Any, region: str | None = None) -> tuple[str, ...]:
    """By which texts an attribute's value is found: as its type normalizes it, without regard to case; each of a list; nothing of what is too long
    or is no single value.
    """
    if isinstance(value, list):
        return tuple(dict.fromkeys(text for one in value if not isinstance(one, list) for text in searchable(definition, one, region)))
    try:
        text = _searched(definition.type, value, region)
    except (BadUserInput, InvalidOperation):
        return ()
    if not text or len(text) > MAX_IDENTIFIER or any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        return ()
    return (text,)


def _searched(kind: AttributeType, value: Any, region: str | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not isfinite(value):
        return None
    if not isinstance(value, str | int | float):
        return None
    if kind is AttributeType.PHONE:
        return normalize_phone(str(value), region)
    if kind is AttributeType.EMAIL:
        return normalize_email(str(value))
    if kind in {AttributeType.NUMBER, AttributeType.MONEY} or not isinstance(value, str):
        number = Decimal(str(value).strip())
        if not number.is_finite() or abs(number.adjusted()) > MAX_IDENTIFIER:
            return None
        return format(number.normalize() if number else Decimal(0), "f")
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
