"""What must not enter: card numbers however they are written, and nothing that only looks like one."""

from __future__ import annotations

import random
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.commands.denied import DENIED, denied, denied_problem, refuse_denied
from gateway.errors import Rejected
from gateway.model.configuration import Configuration
from gateway.model.ids import make_id, uuid7

__all__: list[str] = []

CONFIGURATION = Configuration()
CARDS = {
    "visa": "4111111111111111",
    "visa 19": "4111111111111111110",
    "visa 13": "4222222222222",
    "mastercard": "5555555555554444",
    "mastercard 2": "2223003122003222",
    "amex": "378282246310005",
    "discover": "6011111111111117",
    "diners": "30569309025904",
    "jcb": "3530111333300000",
    "unionpay": "6200000000000005",
    "maestro": "6759649826438453",
    "mir": "2200000000000004",
}


def with_check_digit(head: str) -> str:
    """The digits with the one behind them that Luhn asks for."""
    return next(f"{head}{digit}" for digit in range(10) if _luhn(f"{head}{digit}"))


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


@pytest.mark.parametrize("number", CARDS.values(), ids=CARDS)
def test_cap_141_cards_of_every_network_are_found(number: str) -> None:
    """A card number is found alone, in a sentence, in groups, in other digits, in JSON and as a number."""
    number = number if _luhn(number) else with_check_digit(number[:-1])
    grouped = re.sub(r"(.{4})(?=.)", r"\1 ", number)
    written: list[Any] = [
        number,
        f"card: {number}.",
        f"({number})",
        f"pays with {number}, 12/27",
        grouped,
        grouped.replace(" ", "-"),
        grouped.replace(" ", "\u2013"),
        grouped.replace(" ", "\u00a0"),
        " ".join(number),
        number[:6] + "\u200b" + number[6:],
        "".join(chr(0x0660 + int(digit)) for digit in number),
        "".join(chr(0xFF10 + int(digit)) for digit in number),
        int(number),
        {"payment": {"card": number}},
        {number: "card"},
        ["x", [{"y": [None, True, number]}]],
    ]
    if len(number) <= 15:
        written.append(float(number))

    for value in written:
        message = denied(CONFIGURATION, value)
        assert message is not None, value
        assert number not in message


def test_cards_beside_other_numbers() -> None:
    """A card number is found before and behind other digits, where it is grouped as in print."""
    for text in ("12/27 4111 1111 1111 1111 123", "4111-1111-1111-1111 123", "2026 4111111111111111 99", "3782 822463 10005 1234"):
        assert denied(CONFIGURATION, text) is not None, text


PLAIN: list[Any] = [
    "+14155550100",
    "+4915112345678",
    "+378282246310005",  # fifteen digits behind a plus are a phone number
    "tel. +44 20 7946 0958 or +44 20 7946 0959",
    "0049 151 12345678",
    "415 555 0100 415 555 0101",
    "4111111111111112",  # no check digit
    "1234567890123452",  # no network
    "9999999999999995",
    "411111111111",  # too short
    "41111111111111111111111",  # too long
    "DE89 3704 0044 0532 0130 00",
    "GB29 NWBK 6016 1331 9268 19",
    "4006381333931",  # an article number
    "490154203237518",  # a telephone's serial number
    "2026-03-01T12:00:00.000Z",
    "2026-03-01 2026-03-02",
    "1772366400000",
    1772366400000,
    4111111111111112,
    12.5,
    True,
    None,
    "",
    [],
    {},
    "item4111111111111111",
    "4111  1111  1111  1111x",
    "4111 a 1111 b 1111 c 1111",
]


@pytest.mark.parametrize("value", PLAIN)
def test_what_only_looks_like_a_card_passes(value: Any) -> None:
    """Phones, accounts, article numbers, dates and sums are no cards."""
    assert denied(CONFIGURATION, value) is None


def test_ids_of_the_gateway_pass() -> None:
    """No id the gateway gives out is taken for a card."""
    chance = random.Random(7)
    for _ in range(3000):
        key = UUID(int=chance.getrandbits(128), version=4)
        digits = UUID(hex="".join(chance.choices("0123456789", k=32)))
        for value in (make_id("prf", key), make_id("note", key, digits), str(key), f"act_{digits.hex}.native.{key.hex}"):
            assert denied(CONFIGURATION, value) is None, value
    assert all(denied(CONFIGURATION, str(one)) is None for one in (uuid7(), uuid4()))


def test_random_numbers_are_found_exactly_when_they_are_cards() -> None:
    """With the check digit a number of a network is one; with any other last digit it is none."""
    chance = random.Random(11)
    for _ in range(300):
        prefix, length = chance.choice([("4", 16), ("51", 16), ("2720", 16), ("34", 15), ("6011", 16), ("3589", 16), ("36", 14)])
        number = with_check_digit(prefix + "".join(chance.choices("0123456789", k=length - len(prefix) - 1)))
        other = number[:-1] + str((int(number[-1]) + chance.randint(1, 9)) % 10)
        assert denied(CONFIGURATION, number) is not None, number
        assert denied(CONFIGURATION, other) is None, other


def test_an_operators_patterns() -> None:
    """A pattern of the operator's is looked for in every text and key; the refusal names its number, not what it found."""
    configuration = Configuration(deny_patterns=(re.compile("never"), re.compile(r"\bICD-\d+")))

    assert denied(configuration, {"a": ["diagnosis ICD-10"]}) == denied(configuration, {"ICD-10": 1})
    assert "number 2" in (denied(configuration, "ICD-10") or "")
    assert "ICD" not in (denied(configuration, "ICD-10") or "")
    assert denied(configuration, "icd-10") is None


def test_cards_can_be_allowed() -> None:
    """An operator who takes the rule away has it away; patterns still hold."""
    configuration = Configuration(deny=frozenset(), deny_patterns=(re.compile("x"),))

    assert denied(configuration, CARDS["visa"]) is None
    assert denied(configuration, "x") is not None


def test_the_refusal() -> None:
    """A command is refused with the one code, at the field's path."""
    with pytest.raises(Rejected) as refused:
        refuse_denied(CONFIGURATION, CARDS["visa"], "input", "body")
    (problem,) = refused.value.problems

    assert (problem.code, problem.path) == (DENIED, ("input", "body"))
    assert denied_problem(CONFIGURATION, "fine", "input") is None
    refuse_denied(CONFIGURATION, None, "input", "body")


def test_long_texts_take_no_time() -> None:
    """A text made to be slow is not: thousands of digit groups, none of them a card."""
    for text in ("1 " * 16_000, "4111 " * 6000 + "x", "4" * 32_000, "1-" * 16_000 + "a", "4111111111111112 " * 1900):
        assert denied(CONFIGURATION, text) in {None, denied(CONFIGURATION, CARDS["visa"])}
