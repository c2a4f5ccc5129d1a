"""Presenting errors: a stable code, our own words, and never an exception's text or a client's value."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import structlog
from graphql import GraphQLError, GraphQLSyntaxError, Source, build_schema, graphql_sync
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.masking import present, present_failure
from gateway.errors import (
    BadUserInput,
    CursorInvalid,
    Forbidden,
    GatewayError,
    IdempotencyKeyReused,
    Overloaded,
    SourceTimeout,
)
from gateway.observe import ERRORS, REGISTRY

__all__: list[str] = []


def located(cause: Exception) -> GraphQLError:
    """An error as the executor makes it of what a resolver raised."""
    return GraphQLError(str(cause), path=["a", 0, "b"], original_error=cause)


@pytest.mark.parametrize(
    ("cause", "extensions"),
    [
        (BadUserInput("No.", argument="first"), {"code": "BAD_USER_INPUT", "argument": "first"}),
        (CursorInvalid(), {"code": "CURSOR_INVALID"}),
        (IdempotencyKeyReused(), {"code": "IDEMPOTENCY_KEY_REUSED"}),
        (Forbidden("No.", scope="note:read"), {"code": "FORBIDDEN", "scope": "note:read"}),
        (SourceTimeout("crm"), {"code": "SOURCE_TIMEOUT", "source": "crm"}),
        (Overloaded(), {"code": "OVERLOADED"}),
    ],
)
def test_our_errors_speak_for_themselves(cause: GatewayError, extensions: dict[str, Any]) -> None:
    """An error of ours keeps its message, its code and what it says beside it, with the path of the field."""
    shown = present(located(cause), "execute")

    assert shown == {"message": cause.message, "path": ["a", 0, "b"], "extensions": extensions}


@pytest.mark.parametrize("wrap", [1, 2, 3])
def test_our_errors_behind_graphql_s(wrap: int) -> None:
    """However often GraphQL wraps an error on the way, ours behind it is told."""
    error = located(BadUserInput("No."))
    for _ in range(wrap):
        error = GraphQLError("Variable '$a' has invalid value: x", original_error=error)

    assert present(error, "execute")["message"] == "No."


@pytest.mark.parametrize("cause", [RuntimeError("secret"), KeyError("secret"), AssertionError("secret"), GatewayError("secret")])
def test_bugs_are_an_id(cause: Exception) -> None:
    """Anything else is INTERNAL with an id under which the log has the exception; a client reads nothing of it."""
    with structlog.testing.capture_logs() as logs:
        shown = present(located(cause), "execute")
    extensions = shown["extensions"]

    assert (extensions["code"], len(extensions["errorId"])) == ("INTERNAL", 32)
    assert [(entry["event"], entry["error_id"], entry["exc_info"]) for entry in logs] == [("error.internal", extensions["errorId"], cause)]
    if not isinstance(cause, GatewayError):
        assert "secret" not in str(shown)


def test_bugs_without_an_exception() -> None:
    """An error of graphql-core's own in the middle of an answer is a bug too, and has an id."""
    with structlog.testing.capture_logs() as logs:
        shown = present(GraphQLError("Int cannot represent non-integer value: 'secret'", path=["a"]), "execute")

    assert shown["extensions"]["code"] == "INTERNAL"
    assert [entry["error_id"] for entry in logs] == [shown["extensions"]["errorId"]]
    assert "secret" not in str(shown)


def test_a_null_where_none_may_be() -> None:
    """A resolver that gives null for a field that cannot be null is a bug of ours, told as one."""
    schema = build_schema("type Query { a: String! }")
    (error,) = graphql_sync(schema, "{ a }", {"a": None}).errors or []

    assert present(error, "execute")["extensions"]["code"] == "INTERNAL"


def test_outside_any_field() -> None:
    """What breaks while a stream waits is presented like anything else, without a path."""
    ours, other = present_failure(CursorInvalid()), present_failure(RuntimeError("secret"))

    assert ours == {"message": CursorInvalid().message, "extensions": {"code": "CURSOR_INVALID"}}
    assert (set(other), other["extensions"]["code"]) == ({"message", "extensions"}, "INTERNAL")


@pytest.mark.parametrize(
    ("message", "argument"),
    [
        ("Variable '$first' has invalid value: Int cannot represent non-integer value: 'secret'", "first"),
        ("Variable '$input' has invalid value at .contactPoints[0].channel: Value 'secret' does not exist in 'Channel' enum.",
         "input.contactPoints[0].channel"),
        ("Variable '$f' has invalid value at .kinds[1]: Enum 'Kind' cannot represent non-string value: {'secret': 1}.", "f.kinds[1]"),
        ("Variable '$by' has invalid value: Expected value of type 'Ref' not to include unknown field 'secret@x', found: {'secret@x': 1}.", "by"),
        ("Variable '$by' has invalid value: Expected value of type 'Ref' to be an object, found: \"secret\".", "by"),
        ("Variable '$id' has invalid value: ID cannot represent value: {'secret': 'Variable has invalid value at .x: '}", "id"),
    ],
)  # fmt: skip
def test_variables(message: str, argument: str) -> None:
    """A variable's error names the variable and the place in it, and not the value."""
    shown = present(GraphQLError(message), "execute")

    assert shown["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}
    assert "secret" not in shown["message"]


def test_our_words_about_a_variable() -> None:
    """What a scalar of ours says about a variable's value comes with the variable's name."""
    error = GraphQLError(
        "Variable '$f' has invalid value at .from: secret", original_error=GraphQLError("x", original_error=BadUserInput("No."))
    )

    assert present(error, "execute") == {"message": "No.", "extensions": {"code": "BAD_USER_INPUT", "argument": "f.from"}}


def test_unknown_fields_are_named_when_they_can_be_names() -> None:
    """A misspelt field is named, so that a developer finds it; a value in its place is not."""
    text = "Variable '$by' has invalid value: Expected value of type 'Ref' not to include unknown field '{}', found: {{}}."

    assert "'emial'" in present(GraphQLError(text.format("emial")), "execute")["message"]
    for value in ("ana@example.com", "+442079460958", "x" * 65, "Ana Lovelace", ""):
        assert present(GraphQLError(text.format(value)), "execute")["message"].endswith("not to include an unknown field.")


def test_syntax_errors() -> None:
    """A syntax error is shown with its place and without the strings it stumbled over."""
    error = GraphQLSyntaxError(Source("{ a }"), 2, "Expected Name, found String 'secret'.")

    assert present(error, "parse") == {
        "message": "Syntax Error: Expected Name, found String.",
        "locations": [{"line": 1, "column": 3}],
        "extensions": {"code": "GRAPHQL_PARSE_FAILED"},
    }


@pytest.mark.parametrize(
    "words", ["x", "Value ", "x cannot represent ", "found ", ", Found: ", "unknown field '", "Enum 'x' cannot ", "Variable '$"]
)
def test_long_messages_are_presented_at_once(words: str) -> None:
    """A megabyte of graphql-core's own words, as a client may send them, is presented in no time and never shown."""
    started = time.perf_counter()
    for error in (
        GraphQLError(f"Cannot query field '{words * (2**20 // len(words))}' on type 'Query'."),
        GraphQLError(f"Variable '$a' has invalid value: Value '{words * (2**20 // len(words))}' does not exist in 'Kind' enum."),
    ):
        assert len(present(error, "validate")["message"]) <= 500

    assert time.perf_counter() - started < 0.5
    assert present(error, "execute")["message"] == "Variable '$a' has invalid value: This value does not exist in the enum Kind."


def test_messages_are_cut() -> None:
    """No message is longer than 500 characters."""
    assert len(present(GraphQLError("x" * 10_000), "validate")["message"]) == 500
    assert len(present(located(BadUserInput("x" * 10_000)), "execute")["message"]) == 500


def test_errors_are_counted_by_code() -> None:
    """Each presented error counts once under its code."""

    def counted() -> float:
        return REGISTRY.get_sample_value(f"{_name(ERRORS)}_total", {"code": "CURSOR_INVALID"}) or 0.0

    before = counted()
    present(located(CursorInvalid()), "execute")

    assert counted() == before + 1


def _name(counter: Any) -> str:
    return str(next(iter(counter.describe())).name)


SCHEMA = build_schema("""
    enum Kind { ONE TWO }
    input Point { kind: Kind! value: String! at: Point }
    input Ref @oneOf { id: ID name: String }
    type Query { find(point: Point, points: [Point!], ref: Ref, first: Int, kind: Kind, yes: Boolean, size: Float, id: ID): String }
""")
VARIABLES = "query ($point: Point, $points: [Point!], $ref: Ref, $first: Int, $kind: Kind, $yes: Boolean, $size: Float, $id: ID) "
VARIABLES += "{ find(point: $point, points: $points, ref: $ref, first: $first, kind: $kind, yes: $yes, size: $size, id: $id) }"
SECRET = "s3cr3t value"

SECRETS = st.recursive(
    st.just(SECRET),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2)
        | st.dictionaries(st.sampled_from(["kind", "value", "at", "id", "name", SECRET]), inner, min_size=1, max_size=3)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(["point", "points", "ref", "first", "kind", "yes", "size"]), SECRETS, min_size=1))
@settings(max_examples=200, deadline=None)
def test_no_shape_of_a_value_is_echoed(variables: dict[str, Any]) -> None:
    """Whatever is wrong with whatever variable, however nested, no error has the value in it and every error names its variable."""
    result = graphql_sync(SCHEMA, VARIABLES, variable_values=variables)
    for error in result.errors or ():
        shown = present(error, "execute")
        assert SECRET not in str(shown)
        assert shown["extensions"]["code"] == "BAD_USER_INPUT"
        assert re.split(r"[.\[]", shown["extensions"]["argument"])[0] in variables
