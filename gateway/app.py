"""The composition root: from settings to a running gateway.

Owns the order in which things are opened and closed, and nothing else. The only module of `gateway` that imports `resolvers`.
Called by `cli` (`serve`, `schema_text`) and by tests (`create_app`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
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
from gateway.commands.arrivals import Arrivals
from gateway.commands.facade import Commands
from gateway.commands.jobs import JobRunner
from gateway.commands.retention import remove_old
from gateway.commands.unit import Writer
from gateway.configuration import Configurations
from gateway.engine.context import OperationContext, Services
from gateway.engine.executor import Engine
from gateway.errors import ConfigurationError, GatewayError, Overloaded
from gateway.live.backlog import FeedWatch
from gateway.live.bells import bell_for
from gateway.live.bus import Bus
from gateway.live.healing import Healing
from gateway.live.hub import Hub
from gateway.live.polling import Polling
from gateway.live.position import StreamCursors
from gateway.live.presence import Presence
from gateway.live.retirement import retire_changes
from gateway.live.sources import SourceWatch
from gateway.model.change import REVOCATIONS
from gateway.model.sealed import Sealer
from gateway.observe import configure_logging
from gateway.settings import Settings
from gateway.sources.configuration import SourcesFile
from gateway.sources.definition import Definition
from gateway.sources.federated import FederatedSource
from gateway.sources.native import NativeSource
from gateway.sources.opening import open_sources
from gateway.sources.registry import BUILT_IN, Registry, describer
from gateway.storage.database import Database
from gateway.storage.direct import require_direct
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.failures import server_errors
from gateway.storage.migrate import migrate, require_migrated
from gateway.storage.queries import SQL
from gateway.transport.admission import Admission, AdmissionLimits
from gateway.transport.connections import Connections
from gateway.transport.export import Exports
from gateway.transport.heap import collect_less
from gateway.transport.history import History
from gateway.transport.hosts import AllowedHosts
from gateway.transport.http import GraphQLEndpoint, encode
from gateway.transport.http import Wiring as HTTPWiring
from gateway.transport.listeners import Post, bind
from gateway.transport.ops import Check, ops_routes
from gateway.transport.server import Server
from gateway.transport.shortcut import Application
from gateway.transport.tracing import RequestId
from gateway.transport.tracking import Tracking
from gateway.transport.webhooks import Webhooks
from gateway.transport.ws.endpoint import GraphQLWebSocket
from gateway.transport.ws.handover import Handover
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.wiring import Wiring
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
    federated: Sequence[FederatedSource] = ()
    """The sources that live elsewhere and are asked."""
    definitions: Sequence[Definition] = ()
    """What the file says of them, and of disabled ones."""

    def context_for(self, principal: Principal, session: Session | None = None) -> OperationContext:
        """A fresh context; `session`: the socket it is for."""
        return OperationContext(principal, self.services, session)


@asynccontextmanager
async def open_runtime(settings: Settings, *, migrated: bool = False) -> AsyncIterator[Runtime]:
    """Open everything in order; close it in reverse. `migrated`: somebody else sees to the schema; look whether it is ours, and change nothing.

    Raises:
        ConfigurationError: the settings do not make a gateway; the message says what to do.
    """
    configurations = Configurations.load(settings.config)
    file = SourcesFile(settings.sources, configurations)
    definitions = [one.definition for one in file.required()]
    engine = Engine.of(settings, schema.build_schema(), schema.attributes_for)
    async with AsyncExitStack() as stack:
        if settings.database_url is not None:
            dsn = settings.database_url.get_secret_value()
        else:
            dsn = (await stack.enter_async_context(await EmbeddedPostgres.start(settings.data_dir))).dsn
        await _bring_up_to_date(dsn, settings, migrated=migrated)
        try:
            database = await Database.open(dsn, size=settings.pool_size, delivery_size=settings.delivery_pool_size)
        except GatewayError as error:
            raise ConfigurationError(error.message) from error
        stack.push_async_callback(database.close)
        await _warn_of_risks(database)
        verifier, secrets = _keys(settings)
        sealer = Sealer(secrets)
        hub = Hub(database, Bus(bell_for(settings.bell, database)), StreamCursors(sealer), settings.poll_interval)
        await hub.start()
        stack.push_async_callback(hub.stop)
        described = {source.key: source for source in BUILT_IN}
        native = NativeSource(database, BUILT_IN[0].key, describer(described))
        federated = await stack.enter_async_context(open_sources(file, database))
        disabled = [one for one in definitions if one.is_disabled]
        registry = Registry.build(native, [*federated, *disabled], described)
        writer = Writer(database, hub, configurations)
        vault = Vault(secrets)
        commands = Commands(writer, BUILT_IN[0], settings.default_region, configurations, vault, federated)
        revocations = Revocations(database)
        sessions = Sessions(revocations.covers)
        revocations.listen(sessions.disconnect)
        stack.callback(hub.listen(REVOCATIONS, revocations.wake))
        gate = Gate(verifier, KeyRing(database, secrets), Workspaces(database), revocations)
        rates, presence, watch = RateLimiter.of(settings), Presence(database, hub), SourceWatch(database, hub)
        elsewhere = Healing(database, hub, federated), Polling(database, hub, federated, Workspaces(database))
        for part in (revocations, presence, watch, *elsewhere):
            await part.start()
            stack.push_async_callback(part.stop)
        services = Services(
            registry, hub, sealer, commands, settings.default_region, database, configurations, gate, rates, presence, watch, vault
        )
        runner = JobRunner(database, writer, commands.privacy.plans, commands.privacy.asked)
        upkeep = _upkeep(database, configurations, settings.change_log_days)
        arrivals = Arrivals(database, commands.bound, commands.privacy.tombstones, commands.adoption, definitions)
        tasks = {"upkeep": upkeep, "privacy": runner.run(), "feed-watch": FeedWatch(database).run(), "arrivals": arrivals.run()}
        for name, work in tasks.items():
            stack.push_async_callback(_stopped, asyncio.create_task(work, name=name))
        await engine.compile_trusted(services, {key for one in definitions for key in one.workspaces or ()})
        yield Runtime(database, engine, gate, services, writer, sessions, federated, definitions)


def create_app(settings: Settings, runtime: Runtime | None = None, *, socket_limits: Limits | None = None) -> Starlette:
    """The ASGI application. Without a runtime its lifespan opens one from the settings. `socket_limits`: of one WebSocket."""
    connections = Connections()
    admission = Admission(
        AdmissionLimits(
            sockets=settings.sockets,
            sockets_per_workspace=settings.sockets_per_workspace,
            sockets_per_subject=settings.sockets_per_subject,
            upgrades_per_second=settings.upgrades_per_second,
        )
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            opened = runtime if runtime is not None else await stack.enter_async_context(open_runtime(settings))
            app.router.routes[:] = routes(opened)
            yield

    def routes(open_: Runtime) -> list[Route | WebSocketRoute]:
        endpoint = GraphQLEndpoint(
            HTTPWiring(
                engine=open_.engine,
                authenticate=open_.gate.authenticate,
                context_for=open_.context_for,
                open_session=open_.sessions.open,
                admit=open_.services.rates.take,
                spend=open_.services.rates.spend,
                take_seat=admission.open,
                connections=connections,
            )
        )
        app.direct["/graphql"] = endpoint
        sockets = GraphQLWebSocket(
            Wiring(
                engine=open_.engine,
                authenticate=lambda token: open_.gate.authenticate(None if token is None else f"Bearer {token}"),
                context_for=lambda session: open_.context_for(session.principal, session),
                encode=lambda value: encode(value).decode(),
                open_session=open_.sessions.open,
                admit=open_.services.rates.take,
                spend=open_.services.rates.spend,
                limits=socket_limits if socket_limits is not None else Limits(),
            ),
            allowed_origins=settings.allowed_origins,
            connections=connections,
            admission=admission,
        )
        bound = open_.services.commands.bound
        tombstones = open_.services.commands.privacy.tombstones
        tracking = Tracking(open_.gate, open_.writer, settings.default_region, bound.configurations, bound.vault, tombstones)
        arrivals = Arrivals(open_.database, bound, tombstones, open_.services.commands.adoption, open_.definitions)
        return [
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", sockets),
            *tracking.routes(),
            *Webhooks(open_.definitions, arrivals, Workspaces(open_.database)).routes(),
            *Exports(open_.database, open_.services.sealer).routes(),
            *History(open_.gate, open_.database, open_.services.sealer).routes(),
            *ops_routes(_checks(open_), lambda: connections.closing),
        ]

    app = Application(
        hosts=settings.allowed_hosts,
        lifespan=lifespan,
        middleware=[
            Middleware(Handover),
            Middleware(RequestId),
            Middleware(AllowedHosts, settings.allowed_hosts),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_methods=["GET", "POST"],
                allow_headers=[
                    *("authorization", "content-type", "last-event-id", "x-request-id"),
                    *("apollo-require-preflight", "x-apollo-operation-name"),
                ],
                expose_headers=["retry-after", "x-request-id"],
                max_age=600,
            ),
        ],
    )
    app.state.sockets = connections
    app.state.admission = admission
    if runtime is not None:
        app.router.routes[:] = routes(runtime)
    return app


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None, post: Post | None = None) -> None:
    """Run until SIGTERM or SIGINT, then end within the configured time. `ready` is called with the base URL once requests are answered.

    `post`: where this process stands among several workers; it then changes no database, and tells its supervisor instead of `ready`.

    Raises:
        ConfigurationError: the settings do not make a gateway.
    """
    configure_logging(settings.log_format, settings.log_level, worker=post.number if post is not None else None)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, ready, post))


async def _serve(settings: Settings, ready: Callable[[str], None] | None, post: Post | None) -> None:
    sockets = list(post.sockets) if post is not None else bind(settings.host, settings.port)
    async with AsyncExitStack() as stack:
        for one in sockets:
            stack.callback(one.close)  # also when nothing is opened behind them
        runtime = await stack.enter_async_context(open_runtime(settings, migrated=post is not None))
        app = create_app(settings, runtime)
        server = Server(app, app.state.sockets, settings, partial(_announce, ready, post), post=post)
        stack.callback(collect_less())
        await server.serve(sockets)
        if not server.started:
            raise ConfigurationError(
                f"Cannot listen on {settings.host}:{settings.port}; is something else running there? Choose another port."
            )


def _announce(ready: Callable[[str], None] | None, post: Post | None, url: str) -> None:
    if post is not None:
        log.info("worker.ready", url=url)
        return
    log.info("serving", url=url)
    if ready is not None:
        ready(url)


async def _bring_up_to_date(dsn: str, settings: Settings, *, migrated: bool) -> None:
    """In development, and for the embedded server, migrate; else refuse to run on another schema than this code's."""
    try:
        with server_errors():
            if not migrated and (settings.dev or settings.database_url is None):
                await migrate(dsn, lambda migration: log.info("migrating", migration=migration.name))
                return
            await require_direct(dsn)
            await require_migrated(dsn)
    except Overloaded as error:
        raise ConfigurationError(error.message) from error


async def _warn_of_risks(database: Database) -> None:
    risks = (await database.standing()).risks
    if risks:
        log.warning("database.durability_at_risk", settings=list(risks))


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
        return "ok" if (await runtime.database.standing()).is_writable else "read-only"

    async def durability() -> str:
        try:
            return "at risk" if (await runtime.database.standing()).risks else "ok"
        except GatewayError:
            return "unknown"  # whether it is there is the other check's word

    async def bell() -> str:
        return "ok" if runtime.services.hub.bell_is_healthy else "polling"

    async def migrations() -> str:
        return "ok"  # checked before anything was opened; a running gateway does not migrate under itself

    return {"database": database, "durability": durability, "migrations": migrations, "bell": bell}


async def _upkeep(database: Database, configurations: Configurations, change_log_days: int) -> None:
    """Make the partitions of the days and months to come, and remove what is old."""

    async def make() -> None:
        await database.execute(SQL["ensure_partitions"], delivery=True)

    async def remove() -> None:
        await remove_old(database, configurations, datetime.now(UTC))

    async def retire() -> None:
        await retire_changes(database, change_log_days)

    while True:
        for work in (make, remove, retire):
            try:
                await work()
            except Exception as error:  # noqa: BLE001  # it is tried again, whatever it was
                log.warning("upkeep.failed", work=work.__name__, error=type(error).__name__)
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
