"""JMESPath, compiled when the gateway starts and harmless when it runs.

Owns what an operator may write (the language, four functions more, and a length) and the promise that reading a value never raises, whatever an
upstream answered. Must not know records: that is `mapping`. Called by `mapping`, the adapters, and whoever reads a body of foreign shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import jmespath
from jmespath import exceptions, functions, visitor

from gateway.errors import ConfigurationError

__all__ = ["LONGEST_EXPRESSION", "Expression"]

LONGEST_EXPRESSION: Final = 2_000
"""Characters; what is longer belongs into a view on the other side."""


class _Functions(functions.Functions):
    """The language's own functions, and those that keys and names need: systems differ in case and blanks, and join first and last names."""

    @functions.signature({"types": ["string"]})  # type: ignore[untyped-decorator, unused-ignore]
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @functions.signature({"types": ["string"]})  # type: ignore[untyped-decorator, unused-ignore]
    def _func_upper(self, text: str) -> str:
        return text.upper()

    @functions.signature({"types": ["string"]})  # type: ignore[untyped-decorator, unused-ignore]
    def _func_trim(self, text: str) -> str:
        return text.strip()

    @functions.signature({"types": ["string"]}, {"types": ["string"]})  # type: ignore[untyped-decorator, unused-ignore]
    def _func_split(self, separator: str, text: str) -> list[str]:
        return text.split(separator)


_OPTIONS: Final = visitor.Options(custom_functions=_Functions())


class Expression:
    """One compiled expression; called with a JSON value, it answers what the expression finds there, or None. Never raises then.

    Raises:
        ConfigurationError: it is no expression, or names a function that is not there; the message begins with `where`.
    """

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        if len(text) > LONGEST_EXPRESSION:
            raise ConfigurationError(f"{where}: an expression has at most {LONGEST_EXPRESSION} characters")
        try:
            self._compiled = jmespath.compile(text)
        except exceptions.ParseError as error:
            position = f" at column {error.lex_position + 1}" if isinstance(error.lex_position, int) else ""
            raise ConfigurationError(f"{where}: {text!r} is not a JMESPath expression: wrong{position}") from error
        except (ValueError, RecursionError) as error:  # an empty one, a character that is none, parentheses without end
            raise ConfigurationError(f"{where}: {text!r} is not a JMESPath expression") from error
        for name, count in _calls(self._compiled.parsed):
            known = _Functions.FUNCTION_TABLE.get(name)
            if known is None:
                raise ConfigurationError(f"{where}: {text!r} calls {name}(), which is no function of JMESPath")
            takes = known["signature"]
            if count < len(takes) or (count > len(takes) and not takes[-1].get("variadic")):
                raise ConfigurationError(f"{where}: {text!r} calls {name}() with {count} arguments; it takes {len(takes)}")

    def __call__(self, value: Any) -> Any:
        """What it finds, or None: also when a function meets a value of a type that it cannot take."""
        try:
            return self._compiled.search(value, _OPTIONS)
        except Exception:  # noqa: BLE001  # the language's library raises what Python does: TypeError, OverflowError, RecursionError
            return None

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def _calls(node: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Each function that is called, with its number of arguments."""
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping) and "type" in one:
            if one["type"] == "function_expression":
                yield one["value"], len(one["children"])
            if one["type"] != "literal":
                waiting += one.get("children", ())
