"""What an operator can set: twelve-factor settings, read once, never changed.

Owns names, defaults, bounds and their meaning (the README's table is tested against this file). Must not open anything.
Called by `app` and `cli`; everything below is handed the values it needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Settings"]

_WARNABLE: Final = frozenset({"LIMIT_DEPTH", "LIMIT_FIELDS", "LIMIT_ALIASES", "LIMIT_DIRECTIVES", "LIMIT_PAGE_SIZE", "LIMIT_COST"})
_CLIENTS: Final = ("agent", "partner", "service")
_MODES: Final = ("off", "allow", "warn", "require")
_BUS: Final = re.compile(r"postgres|memory|(valkeys?|rediss?|nats|tls)://[^\s/]+(/\S*)?")


class Settings(BaseSettings):
    """Each setting is the environment variable `GATEWAY_<NAME>`, or a file `gateway_<name>` in the directory `GATEWAY_SECRETS_DIR`."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True)

    database_url: SecretStr | None = Field(
        None, description="Postgres to use (15 or newer). Empty: the embedded one, in the data directory."
    )
    data_dir: Path = Field(Path(".gateway"), description="Where the embedded Postgres and the development keys live.")
    config: Path | None = Field(None, description="TOML file with what an operator decides per workspace (docs/configuration.md).")
    sources: Path | None = Field(None, description="TOML file with the sources that live elsewhere (docs/sources.md).")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that answer behind the one port.")
    bus: SecretStr | None = Field(
        None,
        description="How processes wake each other: postgres (LISTEN/NOTIFY), the URL of a Valkey or Redis (valkey://…) or of a NATS server "
        "(nats://…), or memory for exactly one process. Empty: postgres.",
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Comma-separated secrets of 32 bytes or more for cursors and API keys; the first signs, all verify."
    )
    jwt_algorithm: Literal["RS256", "ES256", "EdDSA"] = Field("ES256", description="The one signature algorithm tokens may use.")
    jwt_keys: Path | None = Field(None, description="File with the public keys that sign tokens: a JWK set, a JWK or a PEM.")
    jwt_issuer: str | None = Field(None, description="Exact `iss` of accepted tokens.")
    jwt_type: str = Field("at+jwt", description="Exact `typ` of accepted tokens; some issuers write JWT.")
    jwt_audience: str = Field("profile-gateway", description="Exact `aud` of accepted tokens.")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated browser origins that may open WebSockets and read answers; same-origin always may."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated names clients may call this server by, *.example.com for all below; empty: any."
    )
    default_region: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="Region (ISO 3166) for phone numbers typed without +; empty: such numbers are refused."
    )
    pool_size: int = Field(10, ge=2, le=200, description="Postgres connections for requests.")
    delivery_pool_size: int = Field(4, ge=1, le=50, description="Postgres connections kept for live delivery and health checks.")
    poll_interval: float = Field(1.0, ge=0.05, le=60, description="Seconds between polls for changes; works also when no bell rings.")
    rate_limit: float | None = Field(
        None,
        ge=0,
        description="Operations per second of one subject in one process, three times as many at once; 0: no limit. "
        "Empty: 20, with --dev none.",
    )
    partner_rate_limit: float | None = Field(None, ge=0, description="The same of a partner or a service. Empty: 10, with --dev none.")
    cost_per_minute: int | None = Field(
        None,
        ge=0,
        description="What the operations of one subject may cost in a minute, in one process; 0: no limit. Empty: 5000, with --dev none.",
    )
    partner_cost_per_hour: int | None = Field(
        None, ge=0, description="What those of a partner or a service may cost in an hour. Empty: 50000, with --dev none."
    )
    cost_limit: int = Field(1000, ge=1, description="What one operation may cost (docs/http.md).")
    partner_cost_limit: int = Field(5000, ge=1, description="The same of a partner or a service.")
    depth_limit: int = Field(10, ge=1, le=100, description="Levels of fields in a document.")
    alias_limit: int = Field(30, ge=0, le=1000, description="Aliases in a document, its fragments written out.")
    limits_warn: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated limits of documents (LIMIT_DEPTH, LIMIT_COST, …) that are logged and not enforced up to ten times their number.",
    )
    sockets: int = Field(4000, ge=1, description="Open WebSockets and event streams of one process.")
    sockets_per_workspace: int = Field(500, ge=1, description="The same, of one workspace in one process.")
    sockets_per_subject: int = Field(10, ge=1, description="The same, of one subject in one process.")
    upgrades_per_second: int = Field(100, ge=1, description="New WebSockets that one process takes per second.")
    change_log_days: int = Field(7, ge=1, le=3650, description="Days that changes are kept for clients that come back.")
    documents: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Comma-separated files with trusted documents: manifests of Apollo or Relay, .graphql files or directories of them "
        "(docs/documents.md).",
    )
    documents_mode: str = Field(
        "allow",
        description="Who must send trusted documents: off, allow, warn or require, for all or by kind of client (agent=allow,partner=require).",
    )
    executor: Literal["compiled", "reference"] = Field(
        "compiled", description="What executes operations: plans compiled for them (docs/engine.md), or graphql-core for everything."
    )
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, JSON elsewhere.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log level shown.")
    drain_seconds: float = Field(
        20.0,
        ge=0,
        le=300,
        description="Seconds over which open sockets are closed after SIGTERM, so that clients do not all come back at once.",
    )
    shutdown_seconds: float = Field(5.0, ge=1, le=300, description="Seconds that open work then still gets to end.")
    dev: bool = Field(default=False, description="Development mode: keys made in the data directory, introspection on, loopback only.")

    @property
    def bell(self) -> str:
        """The bus, whether it was set or not."""
        return "postgres" if self.bus is None else self.bus.get_secret_value()

    @property
    def operations_per_second(self) -> float:
        """The rate limit of one subject; 0: none."""
        return self._or(self.rate_limit, 20.0)

    @property
    def partner_operations_per_second(self) -> float:
        """The rate limit of one partner or service; 0: none."""
        return self._or(self.partner_rate_limit, 10.0)

    @property
    def spending(self) -> tuple[float, float]:
        """What operations may cost: of a person in a minute, of a partner or service in an hour; 0: no limit."""
        return self._or(self.cost_per_minute, 5_000.0), self._or(self.partner_cost_per_hour, 50_000.0)

    def _or(self, value: float | None, default: float) -> float:
        return value if value is not None else 0.0 if self.dev else default

    @property
    def documents_modes(self) -> Mapping[str, str]:
        """The mode of each kind of client that trusted documents are for: `agent` (supervisors and administrators too), `partner`, `service`."""
        return _modes(self.documents_mode)

    @field_validator("documents_mode")
    @classmethod
    def _known_modes(cls, value: str, info: ValidationInfo) -> str:
        if "require" in _modes(value).values() and not info.data.get("documents"):
            raise ValueError("to require trusted documents, say in GATEWAY_DOCUMENTS which they are")
        return value

    @field_validator("limits_warn")
    @classmethod
    def _known_limits(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not _WARNABLE.issuperset(value):
            raise ValueError(f"write names of {', '.join(sorted(_WARNABLE))}")
        return value

    @field_validator("secret_keys", "allowed_origins", "allowed_hosts", "limits_warn", "documents", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("secret_keys")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value().encode()) < 32 for secret in value):  # noqa: PLR2004
            raise ValueError("each secret needs at least 32 bytes; make one with: openssl rand -base64 48")
        return value

    @field_validator("bus")
    @classmethod
    def _known_bus(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        if not _BUS.fullmatch(value.get_secret_value()):
            raise ValueError("write postgres, memory, valkey://host:6379, redis://host:6379 or nats://host:4222")
        if value.get_secret_value() == "memory" and info.data.get("workers", 1) > 1:
            raise ValueError("several workers do not hear each other over memory; use postgres, valkey:// or nats://")
        return value


def _modes(value: str) -> Mapping[str, str]:
    """`warn`, or `agent=allow,partner=require`; raises `ValueError`. What is not named is allowed."""
    if value in _MODES:
        return dict.fromkeys(_CLIENTS, value)
    pairs = [part.strip().partition("=")[::2] for part in value.split(",")]
    found = {kind.strip(): mode.strip() for kind, mode in pairs}
    if len(found) < len(pairs) or not found.keys() <= set(_CLIENTS) or not set(_MODES).issuperset(found.values()):
        raise ValueError(f"write one of {', '.join(_MODES)}, or some of {', '.join(f'{kind}=…' for kind in _CLIENTS)} with commas between")
    return {kind: found.get(kind, "allow") for kind in _CLIENTS}
