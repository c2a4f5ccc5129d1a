"""What an operator says of a source: who it is, whom it knows by which key, and how patiently it is asked.

Owns the shape and the defaults of those decisions, and what an adapter is made of. Made by `gateway.sources.configuration` from the file
GATEWAY_SOURCES; read by `federated`, `guard` and the adapters.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from gateway.errors import ConfigurationError
from gateway.model.source import Source, SourceState
from gateway.sources.remote import RemoteSource

__all__ = ["Adapter", "Definition", "GuardPolicy", "Secret", "WebhookPolicy"]


class Secret(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A secret that is kept elsewhere than in the file: `{ env = "CRM_TOKEN" }` or `{ file = "/run/secrets/crm" }`. Never shown."""

    env: str | None = None
    file: str | None = None

    def reveal(self) -> str:
        """The secret itself, read now.

        Raises:
            ConfigurationError: it is not there, is empty, or both places or none are named.
        """
        if (self.env is None) is (self.file is None):
            raise ConfigurationError('a secret is { env = "NAME" } or { file = "path" }, one of the two')
        if self.env is not None:
            value = os.environ.get(self.env, "")
        else:
            assert self.file is not None
            try:
                value = Path(self.file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"the secret's file {self.file} cannot be read") from error
        if not value:
            raise ConfigurationError(f"the secret {self.env or self.file} is empty; set it before the gateway starts")
        return value


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """How a source is asked. Seconds, unless said otherwise.

    `deadline`: of one call, its retry and its place in the queue included. `concurrency`, `queue`: calls at once, and calls that wait for one of
    those places. `retries`: of a read that failed and may be asked again. `failures`: calls that fail in a row open the circuit, for `rest`
    at first and up to `longest_rest`. `fresh`: an answer may be that old (0: only calls that overlap share one). `stale`: while the source
    fails, an answer of so long ago is shown and said to be old (0: none is). `kept`: answers kept for both.
    """

    deadline: float = 2.0
    concurrency: int = 16
    queue: int = 64
    retries: int = 1
    failures: int = 5
    rest: float = 2.0
    longest_rest: float = 30.0
    fresh: float = 0.0
    stale: float = 0.0
    kept: int = 10_000


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """How the source tells of changes: `secrets` sign (Standard Webhooks, `whsec_…`; several while one is replaced), `per_second` bounds a burst.

    `unknown`: what becomes of an event about a person whom the gateway does not know: `wait` until it does, or `create` the person.
    """

    secrets: tuple[Secret, ...]
    per_second: float = 50.0
    unknown: Literal["wait", "create"] = "wait"
    mapping: dict[str, str] = field(default_factory=dict)
    """JMESPath expressions over the body, for systems that have a shape of their own: id, type, key, workspace, at, version, item, removed,
    changed."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One configured source.

    `keyed_by`: the identifier type by which it knows people, or `email`, `phone`, or `profile_id` (the gateway's own). `workspaces`: the only ones
    it is there for (None: all). `unknown`: `create` makes a profile of a person whom only this source finds. `poll`: seconds between two looks
    at profiles that somebody watches (None: none). `options`: the adapter's own table.
    """

    source: Source
    adapter: str
    keyed_by: str
    workspaces: frozenset[str] | None = None
    policy: GuardPolicy = GuardPolicy()
    unknown: Literal["ignore", "create"] = "ignore"
    webhook: WebhookPolicy | None = None
    poll: float | None = None
    options: Any = None

    @property
    def key(self) -> str:
        """The source's key."""
        return self.source.key

    @property
    def is_disabled(self) -> bool:
        """Whether it is only shown, and never asked."""
        return self.source.state is SourceState.DISABLED


@dataclass(frozen=True, slots=True)
class Adapter:
    """A kind of source that can be configured; what an entry point of the group `profile_gateway.sources` names.

    `options`: the shape of its own table, a msgspec Struct with `forbid_unknown_fields`. `make`: a source from its definition (whose `options` has
    that shape); it raises `ConfigurationError` with the key that is wrong, and connects to nothing yet.
    """

    options: type[msgspec.Struct]
    make: Callable[[Definition], RemoteSource]
