"""Names as a telephone book has them: under which entries a name stands, what a search looks at, how far two spellings are apart.

Owns those rules, so that every source finds the same people in the same order. Texts are folded (`model.folding`), words are what blanks part.
Pure. Called by sources and by the look-up of contacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final
from uuid import UUID

from gateway.model.folding import folded, like_pattern

__all__ = [
    "NameHit",
    "Place",
    "allowed",
    "distance",
    "entries",
    "fits",
    "is_first",
    "parts",
    "score",
    "span",
    "spellings",
    "whole",
    "words_of",
]

_MOST_WORDS: Final = 8
_LONGEST_ENTRY: Final = 600
_LAST: Final = chr(0x10FFFF)
"""Behind every character of a name."""
_WORTH: Final = 0.5
"""What the beginning of a word is worth at least, and a similar spelling less than."""
_WHOLE: Final = 0.9
"""What whole words are worth: less than an exact value, since many have the same name."""
_SHORT: Final = 3
_MEDIUM: Final = 7
_MOST_SPELLINGS: Final = 100


@dataclass(frozen=True, slots=True)
class NameHit:
    """A profile whose name was found: `score` as in a search, `place` to go on behind (text of the source that gave it)."""

    profile_id: UUID
    score: float
    place: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of names ended: which of the words asked for led the way, the entry, and the profile."""

    leader: int
    entry: str
    profile_id: UUID

    def text(self) -> str:
        """As `NameHit.place` has it."""
        return f"{self.leader}\x00{self.entry}\x00{self.profile_id.hex}"

    @classmethod
    def read(cls, text: str) -> Place:
        """The place that `text` made."""
        leader, entry, profile_id = text.split("\x00")
        return cls(int(leader), entry, UUID(hex=profile_id))


def words_of(text: str) -> list[str]:
    """The folded words of a name, as many as count."""
    return folded(text).split()[:_MOST_WORDS]


def entries(words: Sequence[str]) -> list[str]:
    """A name's entries, each once: every word of it, the words behind it, then those before it."""
    given = list(words[:_MOST_WORDS])
    turned = (" ".join([*given[n:], *given[:n]])[:_LONGEST_ENTRY] for n in range(len(given)))
    return list(dict.fromkeys(turned))


def span(beginning: str) -> tuple[str, str]:
    """From where to where (excluded) entries begin like this."""
    return beginning, beginning + _LAST


def whole(beginning: str) -> tuple[str, str]:
    """From where to where (excluded) entries begin with exactly these words: a blank sorts before whatever a word can go on with."""
    return beginning, beginning + "!"


def is_first(entry: str, beginning: str) -> bool:
    """Whether no other entry of the same name begins like this and comes before: a name is shown once, however many of its words match."""
    return all(other >= entry for other in entries(entry.split(" ")) if other.startswith(beginning))


def score(words: Sequence[str], entry: str) -> float:
    """From 0.5 for beginnings up to 0.9 for whole words: how much of the words that matched was asked for."""
    there = entry.split(" ")
    shares = [len(word) / min((len(one) for one in there if one.startswith(word)), default=len(word)) for word in words]
    return _WORTH + (_WHOLE - _WORTH) * sum(shares) / len(shares)


def fits(asked: Sequence[str], name: Sequence[str]) -> float:
    """The score of a name for a search: 0 when it does not fit, below 0.5 when only its spelling is near."""
    if not asked or not name:
        return 0.0
    if all(any(one.startswith(word) for one in name) for word in asked):
        return score(asked, " ".join(name))
    near = [min((distance(word, one), -len(one)) for one in name) for word in asked]
    if any(apart > allowed(word) for (apart, _), word in zip(near, asked, strict=True)):
        return 0.0
    return _WORTH * sum(1 - apart / max(len(word), -length) for (apart, length), word in zip(near, asked, strict=True)) / len(asked)


def parts(word: str) -> list[str]:
    """Patterns for `LIKE` of which a word spelt alike has at least one: all but two neighbours, or a trigram of a long word."""
    if len(word) < _SHORT:
        return []
    if len(word) < _MEDIUM:
        return sorted({f"{like_pattern(word[:n])}%{like_pattern(word[n + 2 :])}" for n in range(len(word) - 1)})
    trigrams = {f"%{like_pattern(word[n : n + 3])}%" for n in range(len(word) - 2)}
    return sorted({*trigrams, f"{like_pattern(word[:2])}%", f"%{like_pattern(word[-2:])}"})


def allowed(word: str) -> int:
    """How many slips of the pen a word may have: none, one from three letters on, two from seven."""
    return (len(word) >= _SHORT) + (len(word) >= _MEDIUM)


def distance(one: str, other: str) -> int:
    """How many slips of the pen apart two words are: letters left out, put in, changed, or two neighbours swapped."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            best = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                best = min(best, before[column - 2] + 1)
            line.append(best)
        before, last = last, line
    return last[-1]


def spellings(asked: Sequence[str], known: Sequence[Sequence[str]]) -> list[tuple[str, float]]:
    """Beginnings of entries that the words asked for may have meant, the best first, with their scores, below 0.5.

    `known`: per word asked for, words that names have.
    """
    most = max(1, int(_MOST_SPELLINGS ** (1 / max(2, len(asked)))))
    choices = []
    for word, candidates in zip(asked, known, strict=True):
        near = sorted((apart, one) for one in {*candidates} if (apart := distance(word, one)) <= allowed(word))
        choices.append([(1 - apart / max(len(word), len(one)), one) for apart, one in near[:most]])
    found: dict[str, float] = {}
    for combination in product(*choices):
        worth = _WORTH * sum(share for share, _ in combination) / len(combination)
        for entry in entries([word for _, word in combination]):
            found[entry] = max(found.get(entry, 0.0), worth)
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SPELLINGS]
