"""The numbers a document is held against, and what is done with one that is over.

Owns the limits, their codes and their messages. Must not measure anything: `engine.analysis` and `engine.cost` do, `engine.documents` compares.
Made by `app` from the settings; the defaults are those of docs/http.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.auth.principal import Principal, Role
from gateway.errors import LimitExceeded
from gateway.settings import Settings

__all__ = ["CODES", "WARNABLE", "DocumentLimits", "over"]

CODES: Final = ("LIMIT_TOKENS", "LIMIT_DEPTH", "LIMIT_FIELDS", "LIMIT_ALIASES", "LIMIT_DIRECTIVES", "LIMIT_PAGE_SIZE", "LIMIT_COST")
"""Every code with which a document or its variables are refused for their size."""
WARNABLE: Final = frozenset(CODES) - {"LIMIT_TOKENS"}
"""Those that an operator may have told and not enforced. What is not read to its end cannot be measured."""

_SAID: Final = {
    "LIMIT_DEPTH": "The document nests {found} levels of fields; {limit} are answered.",
    "LIMIT_FIELDS": "The document asks for too many {what}: {found} with its fragments written out; {limit} are answered.",
    "LIMIT_ALIASES": "The document has {found} aliases with its fragments written out; {limit} are answered.",
    "LIMIT_DIRECTIVES": "The document has {found} directives with its fragments written out; {limit} are answered.",
    "LIMIT_PAGE_SIZE": "A page has at most {limit} items; use its cursor for the next one.",
    "LIMIT_COST": "The operation may cost {found}; {limit} are answered. Ask for smaller pages, or for less in one operation.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """The most that is answered. `fields`, `fragments`, `aliases` and `directives` are counted with every fragment written out where it is used.

    `warn_only`: codes that are counted and logged and not refused, up to `slack` times their number: an attack is none the smaller for a roll-out.
    """

    source_length: int = 32 * 1024
    """Characters."""
    comments: int = 100
    tokens: int = 2_000
    depth: int = 10
    """Levels of fields; `{ viewer { actor { id } } }` has three."""
    root_fields: int = 20
    fields: int = 1_000
    """Of one operation; a document's operations together may have five times as many."""
    fragments: int = 1_000
    """Uses of fragments, inline ones included; likewise."""
    aliases: int = 30
    directives: int = 50
    errors: int = 20
    """That are told of one document."""
    cost: int = 1_000
    """Of one operation of a person."""
    partner_cost: int = 5_000
    """Of one operation of a partner or a service."""
    warn_only: frozenset[str] = frozenset()
    slack: int = 10

    @classmethod
    def of(cls, settings: Settings) -> DocumentLimits:
        """Those that an operator has set."""
        return cls(
            depth=settings.depth_limit,
            aliases=settings.alias_limit,
            cost=settings.cost_limit,
            partner_cost=settings.partner_cost_limit,
            warn_only=frozenset(settings.limits_warn),
        )

    def cost_for(self, principal: Principal) -> int:
        """The most that one operation of this principal may cost."""
        role = principal.role
        return self.partner_cost if role is Role.PARTNER or role is Role.SERVICE else self.cost


def over(code: str, limit: int, found: int, **more: str) -> LimitExceeded:
    """The refusal of something that is over a limit; the numbers are in its extensions too."""
    named = {name: value for name, value in more.items() if name != "what"}
    return LimitExceeded(
        code.removeprefix("LIMIT_"), _SAID[code].format(limit=limit, found=found, **more), limit=limit, found=found, **named
    )
