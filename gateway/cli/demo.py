"""`profile-gateway demo`: the gateway with a small believable workspace and live events, on this machine only.

Owns what a newcomer sees first: data, addresses, credentials and two commands to paste. Must not do anything that `serve --dev`, `keys`
and the tracking API could not do for the same person later. A second start finds the data of the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.serve import DEVELOPMENT_WORKSPACE

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.storage.database import Database

__all__ = ["demo", "prepare"]

_KEY_LIFETIME: Final = timedelta(days=7)
"""A write key is made at each start, since none can be shown twice."""
_TOKEN_LIFETIME: Final = timedelta(hours=12)
_CONFIG: Final = Path(__file__).parent / "sample" / "demo.toml"
"""What the made-up shop configured; GATEWAY_CONFIG takes its place."""
_QUERY: Final = """query Screen($email: EmailAddress!) {
  profile(by: {email: $email}) {
    id displayName lifecycle mainCompany { name } streamCursor
    contactPoints { channel value }
    traits(filter: {keys: ["plan", "title", "churn_likelihood"]}) {
      nodes { displayName displayValue provenance { source { displayName } } conflicts { value lostBecause } }
    }
    notes(first: 2) { nodes { body author { displayName } } }
    attributes { definition { displayName } displayValue }
    interests(first: 3) { nodes { topic score } }
    mergeProposals { rule profiles { displayName } }
    timeline(last: 3) { nodes { title occurredAt } }
  }
}"""
_PARTS: Final = """query Parts($email: EmailAddress!) {
  profile(by: {email: $email}) {
    displayName
    traits(filter: {keys: ["plan", "account_manager", "lifetime_value", "favourite_category"]}) {
      nodes { displayName displayValue provenance { source { displayName } } }
    }
    timeline(last: 8) { nodes { title occurredAt source { displayName } } sources { source { key } state asOf message } }
    sources { source { key } state asOf message }
  }
}"""
_ELSEWHERE: Final = "a CRM, a shop's orders, a slow support desk, web analytics that are away 15 s of 75"
_DESK: Final = """{
  viewer { actor { displayName } streamCursor
    contacts { state match channel address profile { displayName } candidates { score matchedOn { key displayValue } profile { displayName } } } }
}"""


def demo(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on, of this machine.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.", show_default="8080")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where everything is kept; delete it to start afresh.", show_default=".gateway")
    ] = None,
    no_ticker: Annotated[bool, typer.Option("--no-ticker", help="No live events.")] = False,
    no_sources: Annotated[bool, typer.Option("--no-sources", help="No simulated systems elsewhere.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop by itself after so long.", show_default="never")] = None,
) -> None:
    """Run the gateway with a demo workspace and live events until Ctrl-C."""
    from gateway.app import serve
    from gateway.cli.rehearsal import Rehearsal
    from gateway.cli.runtime import held_postgres, read_settings, refuse_exposure
    from gateway.cli.sample.residents import user_ids
    from gateway.cli.sample.systems.simulation import Simulation
    from gateway.cli.ticker import Ticker

    settings = read_settings(dev=True, host=host, port=port, data_dir=data_dir)
    if settings.config is None:
        settings = settings.model_copy(update={"config": _CONFIG})
    if "log_level" not in settings.model_fields_set:
        settings = settings.model_copy(update={"log_level": "warning"})  # what is printed here shall not scroll away
    refuse_exposure(settings)
    with held_postgres(settings) as held, contextlib.ExitStack() as running:
        write_key = asyncio.run(prepare(held))
        placed, simulated = held, not no_sources and held.sources is None
        if simulated:
            assert held.database_url is not None
            simulation = Simulation(held.data_dir, held.database_url.get_secret_value())
            running.callback(simulation.stop)
            placed = held.model_copy(update={"sources": simulation.start()})

        def ready(base_url: str) -> None:
            _welcome(placed, base_url, write_key, simulated=simulated)
            if not no_ticker:
                ticker = Ticker(base_url, write_key, user_ids())
                rehearsal = Rehearsal(base_url, write_key, _players(placed))
                for player in (ticker, rehearsal):
                    running.callback(player.stop)
                    player.start()
            if seconds is not None:
                running.enter_context(_alarm(seconds))

        with contextlib.suppress(KeyboardInterrupt):
            serve(placed, ready=ready)
    typer.echo("Stopped.")


async def prepare(settings: Settings) -> str:
    """Make sure that the demo workspace and its people are there; a new write key for it."""
    from gateway.auth.keys import KeyKind, KeyRing
    from gateway.auth.workspaces import Workspaces
    from gateway.cli.runtime import Place, key_secrets, open_database

    async with open_database(settings) as (database, place):
        await _populate(database)
        await Workspaces(database).ensure(*DEVELOPMENT_WORKSPACE)
        ring = KeyRing(database, key_secrets(settings, Place(place.dsn, ours=True)))
        return await ring.create(DEVELOPMENT_WORKSPACE[0], KeyKind.WRITE, lifetime=_KEY_LIFETIME)


async def _populate(database: Database) -> None:
    from gateway.auth.workspaces import Workspaces
    from gateway.cli.sample.residents import KNOWN_USER_ID, company_rows, resident_rows
    from gateway.cli.sample.story import topics
    from gateway.cli.topics import portions
    from gateway.storage.database import columns, connect, our_errors
    from gateway.storage.queries import SQL

    workspace = await Workspaces(database).ensure(*DEVELOPMENT_WORKSPACE)
    if await database.fetch(SQL["profile_ids_by_lookup"], workspace, ["user_id"], [KNOWN_USER_ID]):
        return
    until = datetime.now(UTC)
    companies = company_rows(until)
    stored = await database.fetch(SQL["upsert_companies"], workspace, *columns(companies))
    ids = {row["natural_key"]: row["id"] for row in stored}
    for portion in portions(list(topics())):
        await database.fetch(SQL["import_interest_topics"], workspace, *columns(portion))
    await database.execute(SQL["ensure_partitions"])
    connection = await connect(database.dsn)
    try:
        with our_errors():
            await resident_rows(workspace, [ids[row[1]] for row in companies], until).copy_to(connection)
    finally:
        await connection.close()


def _players(settings: Settings) -> dict[str, str]:
    """Tokens of those whom the demo plays."""
    from gateway.auth.development import DevelopmentKeys
    from gateway.auth.principal import Role
    from gateway.cli.sample.vocabulary import AGENTS

    signer = DevelopmentKeys.open(settings.data_dir).signer(settings.jwt_audience)
    who = {"routing": (Role.ADMIN, "routing", "Routing system"), "agent": (Role.AGENT, *AGENTS[0][:2])}
    return {
        name: signer.sign(DEVELOPMENT_WORKSPACE[0], subject, role, name=shown, lifetime=_TOKEN_LIFETIME)
        for name, (role, subject, shown) in who.items()
    }


def _welcome(settings: Settings, base_url: str, write_key: str, *, simulated: bool) -> None:
    """Everything a newcomer needs, in the order of need; no line is broken, whatever the width, so that commands can be pasted."""
    from rich.console import Console

    from gateway.auth.development import DevelopmentKeys
    from gateway.auth.principal import Role
    from gateway.cli.sample.residents import KNOWN_EMAIL, KNOWN_USER_ID
    from gateway.cli.sample.vocabulary import AGENTS

    console = Console(highlight=False, soft_wrap=True)
    signer = DevelopmentKeys.open(settings.data_dir).signer(settings.jwt_audience)
    workspace = DEVELOPMENT_WORKSPACE[0]

    def token(role: Role, who: tuple[str, str, str]) -> str:
        return signer.sign(workspace, who[0], role, name=who[1], lifetime=_TOKEN_LIFETIME)

    agent = token(Role.AGENT, AGENTS[0])
    body, parts = (json.dumps({"query": " ".join(query.split()), "variables": {"email": KNOWN_EMAIL}}) for query in (_QUERY, _PARTS))
    # the shell's clock makes each pasting another event
    tracked = (
        '{"messageId": "\'$(date +%s)\'", "userId": "' + KNOWN_USER_ID + '", "event": "Order Completed", "properties": {"total": 49.9}}'
    )
    json_type = "--header 'content-type: application/json'"

    console.print(f"\n[bold green]Profile Gateway is running[/] on {settings.data_dir}; Ctrl-C stops it.\n")
    for label, address in (
        ("GraphQL", f"{base_url}/graphql"),
        ("WebSocket", f"{base_url.replace('http', 'ws', 1)}/graphql"),
        ("Tracking API", f"{base_url}/v1/batch"),
        ("Metrics", f"{base_url}/metrics"),
        ("Health", f"{base_url}/healthz {base_url}/readyz"),
    ):
        console.print(f"[bold]{label:<14}[/]{address}")
    console.print("\n[bold]Credentials[/] for the workspace demo (tokens live 12 hours, the key 7 days)")
    supervisor, admin = (token(role, AGENTS[-1]) for role in (Role.SUPERVISOR, Role.ADMIN))  # privacy requests take an administrator
    for label, secret in (("agent", agent), ("supervisor", supervisor), ("admin", admin), ("write key", write_key)):
        console.print(f"[bold]{label:<14}[/]", end="")
        console.print(secret, markup=False)
    console.print("\n[bold]Ask for a customer[/]")
    console.print(f"curl -s {base_url}/graphql {json_type} --header 'authorization: Bearer {agent}' --data '{body}'", markup=False)
    console.print("\n[bold]See the agent's desk[/]: a call or a chat comes in every few seconds; contactEvents pushes each step")
    desk = json.dumps({"query": " ".join(_DESK.split())})
    console.print(f"curl -s {base_url}/graphql {json_type} --header 'authorization: Bearer {agent}' --data '{desk}'", markup=False)
    console.print("\n[bold]Send an event[/] as the customer's website would; whoever subscribed to timelineEvents sees it at once")
    console.print(f"curl -s {base_url}/v1/track --user '{write_key}:' {json_type} --data '{tracked}'", markup=False)
    if simulated:
        console.print(f"\n[bold]See what each system elsewhere said[/]: {_ELSEWHERE} ({settings.data_dir}/sources.toml)")
        console.print(f"curl -s {base_url}/graphql {json_type} --header 'authorization: Bearer {agent}' --data '{parts}'", markup=False)
        console.print("\n[bold]Break one of them[/] in another terminal, ask again, and mend it with --clear")
        console.print(f"profile-gateway sources fault orders --latency 3s --data-dir {settings.data_dir}", markup=False)
    console.print()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Ask this process to end after so long, as an operator would."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
