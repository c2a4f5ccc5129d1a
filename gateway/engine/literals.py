"""The rule of the specification that values are of their types (5.6), for values of any length.

Owns where it stops: graphql-core writes a whole literal out for each mistake in it (which no client is shown), so that twenty mistakes in one of
1 900 words take it a tenth of a second. The mistakes are graphql-core's own. Called by `engine.documents`.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from graphql import GraphQLError, GraphQLInputType, ValueNode, ValuesOfCorrectTypeRule
from graphql.utilities.validate_input_value import validate_input_literal

__all__ = ["ValuesOfCorrectType"]

_WRITTEN: Final = 2_000
"""Characters that may be written out for one literal before the rest of its mistakes is left out; the first one always is told."""


class _Enough(Exception):
    """One more mistake would be one too many."""


class ValuesOfCorrectType(ValuesOfCorrectTypeRule):
    """graphql-core's rule, which tells fewer mistakes of a literal the longer it is."""

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> Any:
        """Look at one literal, and not at those in it."""
        if input_type is not None:
            length = 0 if node.loc is None else node.loc.end - node.loc.start
            written = 0

            def on_error(error: GraphQLError, _path: list[str | int]) -> None:
                nonlocal written
                self.report_error(error)
                written += length
                if written > _WRITTEN:
                    raise _Enough

            with contextlib.suppress(_Enough):
                validate_input_literal(node, input_type, on_error, None, None, self.context.hide_suggestions)
        return self.SKIP
