"""The table of documents that ask for too much, or for nothing that can be meant, with the code that each is refused with.

`row` is the number in docs/faults.md. Used by the tests beside this file, which send them over HTTP and WebSocket and count what refusing costs.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.documents import WELL, chain

__all__ = ["CASES", "INVALID", "OVERLAPS", "VIEWER", "Case", "fields"]

INVALID = "GRAPHQL_VALIDATION_FAILED"


@dataclass(frozen=True)
class Case:
    """A document that is refused with this code."""

    row: int
    name: str
    text: str
    code: str

    def __str__(self) -> str:
        return self.name


def fields(count: int, template: str = "a%: scopes") -> str:
    """The template so often, with a number where % stands."""
    return " ".join(template.replace("%", str(number)) for number in range(count))


def cycle(length: int) -> str:
    """Fragments of which each spreads the next, the last one the first."""
    return " ".join(f"fragment f{number} on Viewer {{ ...f{(number + 1) % length} }}" for number in range(length))


def nested(levels: int) -> str:
    """A person's company's member's company's …; four levels of braces each time."""
    return "{ profile(by: {id: 1}) { " + "mainCompany { members(first: 1) { nodes { " * levels + "id" + " } } }" * levels + " } }"


VIEWER = "{ viewer { %s } }"
CASES = [
    *(
        Case(18, f"bomb of {length}", "{ viewer { ...f0 } } " + chain(length, "% %", "scopes"), "LIMIT_FIELDS")
        for length in (22, 60, 150, 195)
    ),
    Case(18, "bomb of objects", "{ viewer { ...f0 } } " + chain(60, "actor { id } % % %", "scopes"), "LIMIT_FIELDS"),
    Case(
        19,
        "bomb of aliases",
        "{ ...f0 } " + chain(40, "a%: viewer { scopes } % %", "viewer { scopes }", "Query").replace("a...", "a"),
        "LIMIT_FIELDS",
    ),
    Case(20, "itself", VIEWER % "...f0" + cycle(1), INVALID),
    Case(20, "two", VIEWER % "...f0" + cycle(2), INVALID),
    Case(20, "chain of 200", VIEWER % "...f0" + cycle(200), INVALID),
    Case(20, "unused circle", WELL + cycle(3), INVALID),
    Case(
        20,
        "each spreads each",
        VIEWER % "...f0" + "".join(f" fragment f{n} on Viewer {{ {fields(28, '...f%')} }}" for n in range(28)),
        "LIMIT_FIELDS",
    ),
    Case(21, "undefined", VIEWER % "...F", INVALID),
    Case(21, "unused", WELL + " fragment F on Viewer { scopes }", INVALID),
    Case(21, "twice", VIEWER % "...F" + " fragment F on Viewer { scopes } fragment F on Viewer { scopes }", INVALID),
    Case(21, "of no type", VIEWER % "...F" + " fragment F on Nothing { scopes }", INVALID),
    Case(21, "of another type", VIEWER % "...F" + " fragment F on Note { body }", INVALID),
    Case(22, "5000 aliases", VIEWER % fields(5000, "a%:id"), "LIMIT_TOKENS"),
    Case(22, "600 aliases", VIEWER % fields(600), "LIMIT_ALIASES"),
    Case(22, "the same field 10000 times", VIEWER % ("id " * 10_000), "LIMIT_TOKENS"),
    Case(22, "the same field 1900 times", VIEWER % ("scopes " * 1900), "LIMIT_FIELDS"),
    Case(22, "the root 300 times", "{ " + "viewer { scopes } " * 300 + "}", "LIMIT_FIELDS"),
    Case(22, "300 aliases of the root", "{ " + fields(300, "a%: viewer { scopes }") + " }", "LIMIT_FIELDS"),
    Case(23, "2000 on one field", VIEWER % ("scopes " + "@include(if: true) " * 2000), "LIMIT_TOKENS"),
    Case(23, "250 on one field", VIEWER % ("scopes " + "@include(if: true) " * 250), "LIMIT_DIRECTIVES"),
    Case(23, "one on each of 200 fields", VIEWER % ("scopes @skip(if: false) " * 200), "LIMIT_DIRECTIVES"),
    Case(23, "900 that are unknown", VIEWER % ("scopes " + "@nothing " * 900), "LIMIT_DIRECTIVES"),
    Case(23, "600 unknown fields of one input", f"{{ profile(by: {{{fields(600, 'k%: 1')}}}) {{ id }} }}", INVALID),
    Case(23, "mistakes around a long list", f"{{ profile(by: {{{fields(20, 'k%: 1')} id: [{'1 ' * 1880}]}}) {{ id }} }}", INVALID),
    Case(24, "12 levels", nested(4), "LIMIT_DEPTH"),
    Case(24, "150 levels", nested(50), "LIMIT_DEPTH"),
    Case(24, "300 levels", nested(100), "LIMIT_DEPTH"),
    Case(24, "2000 levels", "{ a " * 2000 + "}" * 2000, "LIMIT_DEPTH"),
    Case(24, "900 levels", "{ a " * 900 + "}" * 200, "LIMIT_DEPTH"),
    Case(24, "100 levels of fragments", "{ viewer { ...f0 } } " + chain(100, "layout { attributes { % } }", "id"), "LIMIT_DEPTH"),
    Case(25, "schema", "{ __schema { types { fields { type { ofType { ofType { name } } } } } } }", INVALID),
    Case(25, "schema by a fragment", "{ ...f } fragment f on Query { __schema { queryType { name } } }", INVALID),
    Case(25, "schema by another name", "{ viewer: __schema { queryType { name } } }", INVALID),
    Case(25, "type", '{ __type(name: "Profile") { name } }', INVALID),
    Case(25, "schema in a subscription", "subscription { __schema { queryType { name } } }", INVALID),
    Case(25, "field almost right", "{ viewr { scopes } }", INVALID),
    Case(25, "argument almost right", '{ profile(byy: {id: "1"}) { id } }', INVALID),
    Case(25, "type almost right", VIEWER % "... on Viewr { scopes }", INVALID),
    Case(25, "enum almost right", '{ profile(by: {id: "1"}) { timeline(order: ASCC) { edges { cursor } } } }', INVALID),
    Case(25, "input almost right", '{ profile(by: {idd: "1"}) { id } }', INVALID),
    Case(26, "40 kB of comment", "#" + "x" * 40_000 + "\n" + WELL, "LIMIT_TOKENS"),
    Case(26, "comments", "#\n" * 1000 + WELL, "LIMIT_TOKENS"),
    Case(26, "40 kB of commas", "," * 40_000 + WELL, "LIMIT_TOKENS"),
    Case(26, "40 kB of name", VIEWER % ("x" * 40_000), "LIMIT_TOKENS"),
    Case(26, "30 kB of name", VIEWER % ("x" * 30_000), INVALID),
    Case(26, "40 kB of block string", '{ profile(by: {id: """' + "x" * 40_000 + '"""}) { id } }', "LIMIT_TOKENS"),
    Case(27, "16 k tokens", VIEWER % fields(5300, "a:b"), "LIMIT_TOKENS"),
    Case(31, "two without names", "{ viewer { scopes } } { viewer { features } }", INVALID),
    Case(31, "one without a name", "{ viewer { scopes } } query A { viewer { features } }", INVALID),
    Case(31, "two of one name", "query A { viewer { scopes } } query A { viewer { features } }", INVALID),
    Case(31, "none", "fragment f on Viewer { scopes }", INVALID),
    Case(31, "a schema", "type Query { a: Int } " + WELL, INVALID),
    Case(32, "two roots", 'subscription { a: profileEvents(profileId: "1") { __typename } b: contactEvents { __typename } }', INVALID),
    Case(
        32,
        "two roots by a fragment",
        'subscription { ...f } fragment f on Subscription { profileEvents(profileId: "1") { __typename } contactEvents { __typename } }',
        INVALID,
    ),
    Case(32, "nothing but its name", "subscription { __typename }", INVALID),
    Case(32, "include on its root", "subscription { contactEvents @include(if: true) { __typename } }", INVALID),
    Case(32, "skip by a variable", "subscription ($no: Boolean! = false) { contactEvents @skip(if: $no) { __typename } }", INVALID),
    Case(32, "skip on a fragment", "subscription { ... @skip(if: false) { contactEvents { __typename } } }", INVALID),
    Case(33, "defer", VIEWER % "... @defer { scopes }", INVALID),
    Case(33, "defer by name", VIEWER % '...f @defer(label: "a")' + " fragment f on Viewer { scopes }", INVALID),
    Case(33, "stream", VIEWER % "scopes @stream(initialCount: 1)", INVALID),
    Case(33, "stream of what is one of several types", "subscription { contactEvents { __typename @stream } }", INVALID),
    Case(33, "stream of a field that is not there", "{ nothing @stream { id } viewer { nothing @stream(label: 1) } }", INVALID),
    Case(33, "defer of a root", "mutation { ... @defer { refreshSession(token: 1) { scopes } } }", INVALID),
    Case(33, "defer in a subscription", "subscription { contactEvents { ... @defer { __typename } } }", INVALID),
]

OVERLAPS = {
    "one root": "{ " + "viewer { actor { id } } " * 280 + "}",
    "below one root": VIEWER % ("layout { name } " * 480),
    "deep": "{ " + "profile(by: {id: 1}) { mainCompany { members { nodes { id } } } } " * 90 + "}",
    "leaves": VIEWER % ("scopes " * 1900),
    "fragments": VIEWER % "...f0" + " " + chain(140, "actor { id } %", "scopes"),
    "side by side": VIEWER % fields(130, "...f%") + " " + fields(130, "fragment f% on Viewer { actor { id } }"),
    "types": "{ node(id: 1) { " + "... on Profile { id version } ... on Note { id version } " * 120 + "} }",
    "arguments": "{ " + 'profile(by: {id: "a"}) { id } ' * 150 + "}",
}
"""Name → a valid document whose fields must be compared with each other."""
