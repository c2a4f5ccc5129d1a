"""Documents that nobody would write: whatever is in them, `Documents.prepare` gives an operation or errors of known codes, and raises nothing.

Hypothesis chooses a size, what the document is full of, and a seed; the text is made from those, for drawing thousands of tokens one by one would
take longer than reading them.
"""

from __future__ import annotations

from random import Random

from graphql import build_schema, parse, validate
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.engine.documents import Documents, Prepared
from gateway.engine.limits import CODES
from gateway.engine.request import Request

__all__: list[str] = []

SCHEMA = build_schema("""
    directive @twice(a: String) repeatable on FIELD | QUERY | FRAGMENT_SPREAD | INLINE_FRAGMENT | FRAGMENT_DEFINITION
    interface Node { id: ID! }
    interface Named implements Node { id: ID! name: String size(unit: String): Int }
    union Thing = Person | Place
    input Like { name: String not: Like in: [Like!] }
    type Query { node(id: ID): Node things(first: Int, like: Like): [Thing!]! person(id: ID, first: Int, ids: [ID!]): Person named: Named }
    type Person implements Node & Named {
        id: ID! name: String size(unit: String): Int friend: Person friends(first: Int = 20, last: Int): People home: Place }
    type Place implements Node & Named { id: ID! name: String size(unit: String): Int people: [Person!]! friend: Place home: [Place] }
    type People { edges: [Edge!]! nodes: [Person] } type Edge { node: Person cursor: String! }
    type Mutation { rename(id: ID!, name: String!): Person }
    type Subscription { renamed(id: ID!): Person other: Thing }
""")
TYPES = ("Query", "Node", "Named", "Thing", "Person", "Place", "People", "Edge", "Subscription", "Mutation", "Nothing", "Like", "ID")
OBJECTS = {
    "Query": {"node": "Node", "things": "Thing", "person": "Person", "named": "Named"},
    "Person": {"friend": "Person", "friends": "People", "home": "Place"},
    "Place": {"people": "Person", "friend": "Place", "home": "Place"},
    "People": {"edges": "Edge", "nodes": "Person"},
    "Edge": {"node": "Person"},
    "Mutation": {"rename": "Person"},
    "Subscription": {"renamed": "Person", "other": "Thing"},
}
LEAVES = {
    **dict.fromkeys(("Person", "Place", "Named"), ("id", "name", "size", "__typename")),
    "Node": ("id", "__typename"),
    "Edge": ("cursor", "__typename"),
}
ODD = ("id", "friends", "nothing", "unknown", "__schema", "__type", "typename", "nodes")
VALUES = (
    "1",
    "-0",
    "1e400",
    "99999999999999999999",
    '"a"',
    '"""b"""',
    "$v0",
    "$v1",
    "$nothing",
    "ENUM",
    "null",
    "true",
    "[]",
    "[[$v0]]",
    "{}",
    "{name: $v0}",
)
DIRECTIVES = (
    "@skip(if: true)",
    "@include(if: $v0)",
    "@twice",
    '@twice(a: "a")',
    "@defer",
    "@stream(initialCount: 1)",
    "@nothing(a: $v1)",
    "@skip",
)
NOISE = ("}", "{", '"', "\x00", "🙂", "\ud800", ",", "...", "\ufeff", "!", '"""', "on")
FLAVOURS = ("fragments", "circles", "aliases", "directives", "depth", "arguments", "long", "comments", "names", "operations", "noise")
KNOWN = {*CODES, "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}
MOST = 32 * 1024


class Writer:
    """Writes one document."""

    def __init__(self, seed: int, size: int, flavours: frozenset[str]) -> None:
        self.random = Random(seed)
        self.flavours = flavours
        self.left = size
        """Selections that are still to be written."""
        self.wanted = set[int]()
        """Fragments that were spread."""
        self.fragments = self.random.choice((2, 30, 200)) if flavours & {"fragments", "circles"} else 2

    def has(self, flavour: str, often: float = 0.3) -> bool:
        """Whether there is some of it now."""
        return self.random.random() < (often if flavour in self.flavours else 0.02)

    def document(self) -> str:
        """The text."""
        count = self.random.choice((2, 2, 5, 60)) if "operations" in self.flavours else 1
        parts = [self.operation(number, named=count > 1 or self.has("names")) for number in range(count)]
        written = set[int]()
        while more := self.wanted - written if len(written) < 300 else set():
            for number in sorted(more):
                parts.append(self.fragment(number))
                written.add(number)
        if self.has("names"):
            self.random.shuffle(parts)
            parts = parts[1:] or parts
        text = " ".join(parts)
        if "noise" in self.flavours:
            for _ in range(self.random.randint(1, 4)):
                place = self.random.randrange(len(text) + 1)
                text = text[:place] + self.random.choice(NOISE) + text[place:]
        return text[:MOST]

    def operation(self, number: int, *, named: bool) -> str:
        """One operation."""
        root = self.random.choice(("Query", "Query", "Query", "Mutation", "Subscription"))
        name = f"Q{number if self.random.random() < 0.97 else 0}" if named else ""
        text = f"{self.directives()} {self.selection(0, root)}"
        variables = [
            declared for used, declared in (("$v0", "$v0: Boolean = true"), ("$v1", "$v1: ID")) if used in text or self.has("names")
        ]
        return f"{root.lower()} {name}{'(' + ', '.join(variables) + ')' if variables else ''} {text}"

    def fragment(self, number: int) -> str:
        """One fragment; it spreads later ones, or any when circles are wanted."""
        self.left = max(self.left, 2)
        kind = self.random.choice(TYPES) if self.has("names", 0.1) else "Person"
        return f"fragment f{number} on {kind} {self.directives()} {self.selection(0, 'Person', number)}"

    def selection(self, level: int, kind: str, within: int = -1) -> str:
        """A selection set on this type."""
        deep = 250 if "depth" in self.flavours else 4
        parts = []
        spreads = (0.5 if self.flavours & {"fragments", "circles"} else 0.05) if kind == "Person" else 0
        for _ in range(1 if kind == "Subscription" else self.random.choice((1, 2, 3, 30 if self.left > 40 else 1))):
            self.left -= 1
            below = OBJECTS.get(kind, {})
            if self.random.random() < spreads:
                parts.append(self.spread(within) + self.directives())
            elif self.has("fragments", 0.1):
                on = self.random.choice(TYPES) if self.has("names") else kind
                parts.append(f"... {self.random.choice(('', 'on ' + on))} {self.directives()} {self.selection(level + 1, kind, within)}")
            elif (
                below
                and level < deep
                and (not level or kind not in LEAVES or (self.left > 0 and self.has("depth", 0.9)) or self.left % 5 == 1)
            ):
                name = self.random.choice([*below])
                parts.append(f"{self.field(name)} {self.selection(level + 1, below[name], within)}")
            else:
                parts.append(self.field(self.random.choice(ODD if self.has("names", 0.05) else LEAVES.get(kind, ("__typename",)))))
            if self.has("comments"):
                parts.append("# comment\n" * self.random.choice((1, 1, 1, 1, 60)))
        return "{ " + " ".join(parts) + " }"

    def spread(self, within: int) -> str:
        """A spread of a fragment."""
        first = 0 if self.has("circles", 0.2) else within + 1
        target = first if self.random.random() < 0.7 else self.random.randint(first, self.fragments + 1)
        if target >= self.fragments and not self.has("names"):
            return "id "
        if target < self.fragments:
            self.wanted.add(target)
        return f"...f{target} " * self.random.choice((1, 2, 2, 3))

    def field(self, name: str) -> str:
        """A field without what is below it."""
        alias = f"{self.random.choice(('a', 'b', f'c{abs(self.left)}'))}: " if self.has("aliases", 0.7) else ""
        arguments = ""
        if self.has("arguments"):
            given = self.random.choices(("id", "first", "last", "like", "ids", "unit", "nothing"), k=self.random.choice((1, 1, 2)))
            arguments = "(" + ", ".join(f"{one}: {self.value()}" for one in given) + ")"
        return f"{alias}{name}{arguments} {self.directives()}"

    def value(self) -> str:
        """A literal."""
        if self.has("long", 0.1):
            length = self.random.choice((300, 5_000, 30_000))
            return self.random.choice(
                ('"%s"' % ("x" * length), "9" * length, "[" * (length // 40) + "]" * (length // 40), "[" + "1 " * (length // 8) + "]")
            )
        return self.random.choice(VALUES)

    def directives(self) -> str:
        """None, some or many."""
        if not self.has("directives"):
            return ""
        return " ".join(self.random.choices(DIRECTIVES, k=self.random.choice((1, 1, 1, 2, 60))))


nasty = st.builds(
    Writer, st.integers(0, 2**32), st.sampled_from((3, 20, 60, 200)), st.frozensets(st.sampled_from(FLAVOURS), min_size=1, max_size=5)
).map(Writer.document)


def judged(prepared: Prepared) -> set[str]:
    """The codes of the errors, which are as errors are."""
    assert (prepared.errors is None) == (prepared.document is not None)
    assert prepared.operation_type in {"query", "mutation", "subscription"}
    assert prepared.cost >= 0
    errors = prepared.errors or []
    assert len(errors) <= 20
    for error in errors:
        assert set(error) <= {"message", "locations", "extensions"}
        assert 0 < len(error["message"]) <= 500
        assert "xxxxxxxx" not in error["message"]
        assert "99999999" not in error["message"]
    codes = {error["extensions"]["code"] for error in errors}
    assert codes <= KNOWN, errors
    return codes


@given(
    nasty, st.sampled_from((None, "Q0", "Q7", "")), st.sampled_from((None, {}, {"v0": False}, {"v0": {"a": [1]}, "v1": 10**30, "x": None}))
)
def test_nothing_a_document_says_is_an_exception(text: str, name: str | None, variables: dict[str, object] | None) -> None:
    """It is prepared or refused with known codes, and asked for again with the same end."""
    documents = Documents(SCHEMA, introspection=False)
    first = judged(documents.prepare(Request(text, variables, name)))

    assert judged(documents.prepare(Request(text, variables, name))) == first
    assert judged(Documents(SCHEMA, introspection=True).prepare(Request(text, variables, name))) <= KNOWN


@given(nasty.filter(lambda text: len(text) < 3_000))
@example("{ person { ... on Named { a: name } ... on Node { a: id } } }")
@example("{ node { ... on Person { friend { id } } ... on Place { friend { id: name } } } }")
@example("{ node { ... on Person { home { id } } ... on Place { home { id } } } }")
@example('{ named { ... on Person { size(unit: "a") } ... on Place { size(unit: "b") } } }')
@example('{ named { size(unit: "a") ... on Place { size(unit: "b") } } }')
@example("{ person { friend { a: name } friend { a: size } } }")
@example("{ person { friend { ...f0 } friend { a: size } } } fragment f0 on Person { a: id }")
def test_what_is_valid_is_what_graphql_core_says(text: str) -> None:
    """What is within the limits is refused as not valid when, and only when, the specification's own rules refuse it."""
    prepared = Documents(SCHEMA, introspection=True).prepare(Request(text))
    codes = judged(prepared)
    if codes <= {"GRAPHQL_VALIDATION_FAILED"} and "@stream" not in text:  # which its rules trip over where a union is asked for it
        mistakes = validate(SCHEMA, parse(text))
        said = [error["message"] for error in prepared.errors or []]
        if not any("aborted" in message or "operationName" in message for message in [*said, *(one.message for one in mistakes)]):
            assert bool(mistakes) == bool(said), (mistakes, said)


def test_the_writer_writes_all_kinds() -> None:
    """Among some hundreds of documents each kind of end is seen, so that none of the above is about documents that are all refused for one reason."""
    seen: set[str] = set()
    for seed in range(150):
        chosen = Random(seed)
        flavours = frozenset(chosen.sample(FLAVOURS, chosen.randrange(4)))
        text = Writer(seed, chosen.choice((3, 20, 60, 200)), flavours).document()
        seen |= judged(Documents(SCHEMA, introspection=False).prepare(Request(text))) or {"prepared"}

    assert seen >= {"prepared", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", *CODES} - {"LIMIT_PAGE_SIZE", "LIMIT_COST"}
