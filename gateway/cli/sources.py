"""`profile-gateway sources`: how the sources stand, and faults for the demo's simulated ones.

Owns the two commands: `list` asks the running gateway as a client would, with a token for development; `fault` asks the demo's systems. Must not
call a source itself: that is `doctor`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.serve import DEVELOPMENT_WORKSPACE
from gateway.errors import BadUserInput, ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.settings import Settings

__all__ = ["app", "fault", "listed", "seconds_of", "share_of"]

app = typer.Typer(help="The systems elsewhere that the gateway asks.", no_args_is_help=True)

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s)")
_SHARE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_LONGEST: Final = 600.0
_PATIENCE: Final = 10.0
_QUERY: Final = "{ sources { key displayName kinds priority state lastSuccessAt latencyMs writable } }"
_COLOURS: Final = {"OK": "green", "STALE": "yellow"}

DataDir = Annotated[Path | None, typer.Option(help="Data directory of the gateway.", show_default=".gateway")]


@app.callback()
def _group() -> None:
    """The systems elsewhere that the gateway asks."""


@app.command("list")
def listed(
    *,
    url: Annotated[str | None, typer.Option(help="Where the gateway listens.", show_default="http://127.0.0.1:8080")] = None,
    token: Annotated[str | None, typer.Option(help="A bearer token.", envvar="PROFILE_GATEWAY_TOKEN", show_default="one for --dev")] = None,
    workspace: Annotated[str, typer.Option(help="Key of the workspace, for the token that is made.")] = DEVELOPMENT_WORKSPACE[0],
    data_dir: DataDir = None,
) -> None:
    """Show how each source stands, as the running gateway sees it."""
    from rich.console import Console

    from gateway.cli.runtime import read_settings

    settings = read_settings(data_dir=data_dir)
    address = url or f"http://{settings.host}:{settings.port}"
    found = _ask(address.rstrip("/"), token or _development_token(workspace, settings))
    Console(highlight=False, soft_wrap=True).print(_table(found))


@app.command("fault")
def fault(
    system: Annotated[str | None, typer.Argument(help="Key of the system; without it, all are shown.", show_default=False)] = None,
    *,
    latency: Annotated[str | None, typer.Option(help="Answer so late: 300ms, 3s.", show_default=False)] = None,
    errors: Annotated[str | None, typer.Option(help="Fail so often: 50%.", show_default=False)] = None,
    hang: Annotated[bool, typer.Option("--hang", help="Do not answer at all.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Be out of order.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Be as usual again; without a system: all of them.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make one of the running demo's systems slow, failing, hanging or dead, and well again."""
    from gateway.cli.runtime import read_settings
    from gateway.cli.sample.systems.behaviour import Behaviour
    from gateway.cli.sample.systems.control import Remote

    given = [latency is not None or errors is not None, hang, off, clear]
    if sum(given) > 1:
        raise BadUserInput("Choose one: --latency and --errors, --hang, --off or --clear.")
    if system is None and any(given[:3]):
        raise BadUserInput("Name the system, for example: profile-gateway sources fault orders --latency 3s.")
    wait = seconds_of(latency) if latency is not None else 0.0
    wanted = Behaviour(latency=(wait, wait), errors=share_of(errors) if errors is not None else 0.0, hang=hang, off=off)
    remote = Remote(read_settings(data_dir=data_dir).data_dir)
    if system is not None and any(given):
        shown = [remote.clear(system) if clear else remote.put(system, wanted)]
    else:
        shown = [remote.clear(one["key"]) if clear else one for one in remote.systems() if system in {None, one["key"]}]
    if not shown:
        raise BadUserInput(f"The demo has no system {system}; it has {', '.join(one['key'] for one in remote.systems())}.")
    for one in shown:
        typer.echo(f"{one['key']:<10} {one['behaviour']}{' (by hand; --clear ends it)' if one['faulty'] else ''}")


def seconds_of(text: str) -> float:
    """Seconds of `300ms` or `3s`.

    Raises:
        BadUserInput: it is no such span, or longer than ten minutes.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or (seconds := float(found[1]) / (1000 if found[2] == "ms" else 1)) > _LONGEST:
        raise BadUserInput(f"--latency: {text} is no time up to ten minutes; write 300ms or 3s.")
    return seconds


def share_of(text: str) -> float:
    """A share from 0 to 1 of `50%`.

    Raises:
        BadUserInput: it is no such share.
    """
    found = _SHARE.fullmatch(text.strip())
    if found is None or (share := float(found[1]) / 100) > 1:
        raise BadUserInput(f"--errors: {text} is no share; write 50%.")
    return share


def _development_token(workspace: str, settings: Settings) -> str:
    from datetime import timedelta

    from gateway.auth.development import DevelopmentKeys
    from gateway.auth.principal import Role

    if not (settings.data_dir / "dev-keys.json").exists():
        raise ConfigurationError(f"{settings.data_dir} is no data directory of a gateway with --dev: name it, or give a --token.")
    signer = DevelopmentKeys.open(settings.data_dir).signer(settings.jwt_audience)
    return signer.sign(workspace, "sources-list", Role.ADMIN, lifetime=timedelta(minutes=5))


def _ask(url: str, token: str) -> list[dict[str, Any]]:
    import httpx2

    try:
        answer = httpx2.post(f"{url}/graphql", json={"query": _QUERY}, headers={"authorization": f"Bearer {token}"}, timeout=_PATIENCE)
        decoded = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"No gateway answers at {url}: name its address with --url.") from error
    sources = (decoded.get("data") or {}).get("sources") if isinstance(decoded, dict) else None
    if not isinstance(sources, list):
        raise ConfigurationError(f"The gateway at {url} does not take this token.")
    return sources


def _table(sources: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table("Source", "Name", "Provides", "State", "Last answer", box=None, pad_edge=False)
    for one in sources:
        colour = _COLOURS.get(one["state"], "red")
        latency = "-" if one["latencyMs"] is None else f"{one['latencyMs']:.0f} ms"
        provides = " ".join(one["kinds"]) + (" (writable)" if one["writable"] else "")
        table.add_row(one["key"], one["displayName"], provides, f"[{colour}]{one['state']}[/]", latency)
    return table
