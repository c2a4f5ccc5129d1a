"""The composition root: from settings to a running gateway.

Owns the order in which things are opened and closed, and nothing else. The only module of `gateway` that imports `resolvers`.
Called by `cli` (`serve`, `schema_text`) and by tests (`create_app`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from gateway.auth.development import DevelopmentKeys
from gateway.auth.gate import Gate
from gateway.auth.keyfile import load_keys
from gateway.auth.keys import KeyRing
from gateway.auth.principal import Principal
from gateway.auth.rate import RateLimiter
from gateway.auth.revocation import Revocations
from gateway.auth.session import Session, Sessions
from gateway.auth.tokens import TokenVerifier
from gateway.auth.workspaces import Workspaces
from gateway.commands.facade import Commands
from gateway.commands.jobs import JobRunner
from gateway.commands.retention import remove_old
from gateway.commands.unit import Writer
from gateway.configuration import Configurations
from gateway.engine.context import OperationContext, Services
from gateway.engine.executor import Engine
from gateway.errors import ConfigurationError, GatewayError
from gateway.live.bells import bell_for
from gateway.live.bus import Bus
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.live.presence import Presence
from gateway.live.sources import SourceWatch
from gateway.model.change import REVOCATIONS
from gateway.model.sealed import Sealer
from gateway.observe import configure_logging
from gateway.settings import Settings
from gateway.sources.native import NativeSource
from gateway.sources.registry import BUILT_IN, Registry, describer
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.migrate import migrate, require_migrated
from gateway.storage.queries import SQL
from gateway.transport.connections import Connections
from gateway.transport.export import Exports
from gateway.transport.history import History
from gateway.transport.http import GraphQLEndpoint, encode
from gateway.transport.ops import Check, ops_routes
from gateway.transport.server import Server
from gateway.transport.tracing import RequestId
from gateway.transport.tracking import Tracking
from gateway.transport.ws.connection import Wiring
from gateway.transport.ws.endpoint import GraphQLWebSocket
from gateway.vault import Vault
from resolvers import schema

__all__ = ["Runtime", "create_app", "open_runtime", "schema_text", "serve"]

log = structlog.get_logger()

schema_text = schema.schema_text
"""The SDL, as `schema.graphql` has it."""

_UPKEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """What is open while the gateway runs."""

    database: Database
    engine: Engine
    gate: Gate
    services: Services
    writer: Writer
    sessions: Sessions

    def context_for(self, principal: Principal, session: Session | None = None) -> OperationContext:
        """A fresh context; `session`: the socket it is for."""
        return OperationContext(principal, self.services, session)


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open everything in order; close it in reverse.

    Raises:
        ConfigurationError: the settings do not make a gateway; the message says what to do.
    """
    configurations = Configurations.load(settings.config)
    async with AsyncExitStack() as stack:
        if settings.database_url is not None:
            dsn = settings.database_url.get_secret_value()
        else:
            dsn = (await stack.enter_async_context(await EmbeddedPostgres.start(settings.data_dir))).dsn
        await _bring_up_to_date(dsn, settings)
        try:
            database = await Database.open(dsn, size=settings.pool_size, delivery_size=settings.delivery_pool_size)
        except GatewayError as error:
            raise ConfigurationError(f"{error.message} Check GATEWAY_DATABASE_URL.") from error
        stack.push_async_callback(database.close)
        verifier, secrets = _keys(settings)
        sealer = Sealer(secrets)
        cursors = StreamCursors(sealer, await database.incarnation())
        hub = Hub(database, Bus(bell_for(settings.bell, database)), cursors, settings.poll_interval)
        await hub.start()
        stack.push_async_callback(hub.stop)
        described = {source.key: source for source in BUILT_IN}
        native = NativeSource(database, BUILT_IN[0].key, describer(described))
        registry = Registry.build(native, described=described)
        writer = Writer(database, hub, configurations)
        vault = Vault(secrets)
        commands = Commands(writer, BUILT_IN[0], settings.default_region, configurations, vault)
        revocations = Revocations(database)
        sessions = Sessions(revocations.covers)
        revocations.listen(sessions.disconnect)
        stack.callback(hub.listen(REVOCATIONS, revocations.wake))
        gate = Gate(verifier, KeyRing(database, secrets), Workspaces(database), revocations)
        rates, presence, watch = RateLimiter(settings.operations_per_second), Presence(database, hub), SourceWatch(database, hub)
        for part in (revocations, presence, watch):
            await part.start()
            stack.push_async_callback(part.stop)
        services = Services(
            registry, hub, sealer, commands, settings.default_region, database, configurations, gate, rates, presence, watch, vault
        )
        runner = JobRunner(database, writer, commands.privacy.plans, commands.privacy.asked)
        for name, work in (("upkeep", _upkeep(database, configurations)), ("privacy", runner.run())):
            stack.push_async_callback(_stopped, asyncio.create_task(work, name=name))
        engine = Engine(schema.build_schema(), introspection=settings.dev)
        yield Runtime(database, engine, gate, services, writer, sessions)


def create_app(settings: Settings, runtime: Runtime | None = None) -> Starlette:
    """The ASGI application. Without a runtime its lifespan opens one from the settings."""
    connections = Connections()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            opened = runtime if runtime is not None else await stack.enter_async_context(open_runtime(settings))
            app.router.routes[:] = routes(opened)
            yield

    def routes(open_: Runtime) -> list[Route | WebSocketRoute]:
        endpoint = GraphQLEndpoint(open_.engine, open_.gate.authenticate, open_.context_for, open_.services.rates.take)
        sockets = GraphQLWebSocket(
            Wiring(
                engine=open_.engine,
                authenticate=lambda token: open_.gate.authenticate(None if token is None else f"Bearer {token}"),
                context_for=lambda session: open_.context_for(session.principal, session),
                encode=lambda value: encode(value).decode(),
                open_session=open_.sessions.open,
                admit=open_.services.rates.take,
            ),
            allowed_origins=settings.allowed_origins,
            connections=connections,
        )
        bound = open_.services.commands.bound
        tombstones = open_.services.commands.privacy.tombstones
        tracking = Tracking(open_.gate, open_.writer, settings.default_region, bound.configurations, bound.vault, tombstones)
        return [
            Route("/graphql", endpoint.handle, methods=["POST"]),
            WebSocketRoute("/graphql", sockets),
            *tracking.routes(),
            *Exports(open_.database, open_.services.sealer).routes(),
            *History(open_.gate, open_.database, open_.services.sealer, lambda: open_.services.hub.cursors.incarnation).routes(),
            *ops_routes(_checks(open_), lambda: connections.closing),
        ]

    app = Starlette(
        lifespan=lifespan,
        middleware=[
            Middleware(RequestId),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_methods=["POST"],
                allow_headers=["authorization", "content-type", "x-request-id"],
                max_age=600,
            ),
        ],
    )
    app.state.sockets = connections
    if runtime is not None:
        app.router.routes[:] = routes(runtime)
    return app


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT, then end within the configured time. `ready` is called with the base URL once requests are answered.

    Raises:
        ConfigurationError: the settings do not make a gateway.
    """
    configure_logging(settings.log_format, settings.log_level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[str], None] | None) -> None:
    async with open_runtime(settings) as runtime:
        app = create_app(settings, runtime)
        server = Server(app, app.state.sockets, settings, partial(_announce, ready))
        await server.serve()
        if not server.started:
            raise ConfigurationError(
                f"Cannot listen on {settings.host}:{settings.port}; is something else running there? Choose another port."
            )


def _announce(ready: Callable[[str], None] | None, url: str) -> None:
    log.info("serving", url=url)
    if ready is not None:
        ready(url)


async def _bring_up_to_date(dsn: str, settings: Settings) -> None:
    """In development, and for the embedded server, migrate; else refuse to run on another schema than this code's."""
    if settings.dev or settings.database_url is None:
        await migrate(dsn, lambda migration: log.info("migrating", migration=migration.name))
        return
    try:
        await require_migrated(dsn)
    except (OSError, TimeoutError) as error:
        raise ConfigurationError("The database cannot be reached; check GATEWAY_DATABASE_URL.") from error


def _keys(settings: Settings) -> tuple[TokenVerifier, list[bytes]]:
    secrets = [secret.get_secret_value().encode() for secret in settings.secret_keys]
    if settings.dev:
        keys = DevelopmentKeys.open(settings.data_dir)
        return keys.verifier(settings.jwt_audience), secrets or [keys.secret]
    if settings.jwt_keys is None or settings.jwt_issuer is None or not secrets:
        raise ConfigurationError("Set GATEWAY_JWT_KEYS, GATEWAY_JWT_ISSUER and GATEWAY_SECRET_KEYS, or use --dev on this machine only.")
    keyset = load_keys(settings.jwt_keys)
    verifier = TokenVerifier(settings.jwt_algorithm, keyset, settings.jwt_issuer, settings.jwt_audience, token_type=settings.jwt_type)
    return verifier, secrets


def _checks(runtime: Runtime) -> dict[str, Check]:
    async def database() -> str:
        await runtime.database.fetchval("SELECT 1", delivery=True)
        return "ok"

    async def bell() -> str:
        return "ok" if runtime.services.hub.bell_is_healthy else "polling"

    async def migrations() -> str:
        return "ok"  # checked before anything was opened; a running gateway does not migrate under itself

    return {"database": database, "migrations": migrations, "bell": bell}


async def _upkeep(database: Database, configurations: Configurations) -> None:
    """Make the partitions of the days and months to come, and remove what is old."""
    while True:
        with contextlib.suppress(GatewayError):
            await database.execute(SQL["ensure_partitions"], delivery=True)
        try:
            await remove_old(database, configurations, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001  # it is tried again, whatever it was
            log.warning("upkeep.failed", error=type(error).__name__)
        await asyncio.sleep(_UPKEEP_SECONDS)


async def _stopped(task: asyncio.Task[None]) -> None:
    """End a task and wait for its end: what it had open is rolled back before the pools close."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
