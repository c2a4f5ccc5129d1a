"""What verifying and revealing answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import strawberry

from gateway.model import verification as model
from resolvers.payloads import InputProblem
from resolvers.types.enums import VerifyResult
from resolvers.types.node import UserError

__all__ = ["RevealPayload", "RevealResult", "VerifyPayload", "VerifyingResult"]


@dataclass(frozen=True, slots=True)
class VerifyingResult:
    """Value of `VerifyPayload`."""

    result: model.VerifyResult | None
    user_errors: Sequence[InputProblem]


@dataclass(frozen=True, slots=True)
class RevealResult:
    """Value of `RevealPayload`."""

    value: str | None
    expires_at: datetime | None
    user_errors: Sequence[InputProblem]


@strawberry.type(description="Answer of a verification; it never holds a value.")
class VerifyPayload:
    result: VerifyResult | None = strawberry.field(description="What came of it; null when the question itself was refused.")
    user_errors: list[UserError] = strawberry.field(description="What was refused; such an answer does not count as a wrong one.")


@strawberry.type(description="A value in clear.")
class RevealPayload:
    value: str | None = strawberry.field(description="The value as it was typed.")
    expires_at: datetime | None = strawberry.field(description="When a screen must have masked it again.")
    user_errors: list[UserError] = strawberry.field(description="What was refused; empty when the value is there.")
