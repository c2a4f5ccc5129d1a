"""`profile-gateway doctor`: what works, what does not, and what to do about it; also without a running gateway.

Owns the table for a person, the JSON for a machine, and the exit code: 1 when anything is wrong. The looks are `examination`'s.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.serve import DEVELOPMENT_WORKSPACE
from gateway.errors import BadUserInput

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.cli.examination import Finding, SourceFinding

__all__ = ["doctor"]


def doctor(
    *,
    source: Annotated[str | None, typer.Option(help="Ask this source alone.", show_default=False)] = None,
    key: Annotated[str | None, typer.Option(help="Ask about the person whom the sources know by this key.", show_default=False)] = None,
    profile: Annotated[str | None, typer.Option(help="Ask about this profile (prf_…), by its own keys.", show_default=False)] = None,
    workspace: Annotated[str, typer.Option(help="The workspace of that profile.")] = DEVELOPMENT_WORKSPACE[0],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the gateway.", show_default=".gateway")] = None,
) -> None:
    """Check the configuration, the database and the bus, and ask each source: what it answers, how fast, and what is wrong."""
    from gateway.cli.examination import Patient, examine
    from gateway.cli.runtime import read_settings
    from gateway.model.ids import parse_id
    from gateway.observe import configure_logging

    if key is not None and profile is not None:
        raise BadUserInput("Name the person by --key or by --profile.")
    patient = Patient(key, None if profile is None else parse_id(profile, "prf", "--profile")[0], workspace)
    configure_logging("auto", "error")  # what is wrong stands in the table
    with _progress() as progress:
        findings, sources = asyncio.run(examine(read_settings(data_dir=data_dir), patient, progress, only=source))
    if as_json:
        typer.echo(json.dumps(_document(findings, sources), indent=2, ensure_ascii=False))
    else:
        _print(findings, sources, asked=key is not None or profile is not None)
    if not _is_well(findings, sources):
        raise typer.Exit(1)


def _is_well(findings: Sequence[Finding], sources: Sequence[SourceFinding]) -> bool:
    return all(one.is_well is not False for one in findings) and not any(one.problems for one in sources)


def _document(findings: Sequence[Finding], sources: Sequence[SourceFinding]) -> dict[str, Any]:
    return {
        "ok": _is_well(findings, sources),
        "checks": [{"name": one.name, "ok": one.is_well, "said": one.said, "advice": one.advice} for one in findings],
        "sources": [
            {
                "key": one.key,
                "name": one.name,
                "adapter": one.adapter,
                "kinds": [kind.value for kind in one.kinds],
                "state": one.state.value,
                "latencyMs": one.milliseconds,
                "said": one.said,
                "answers": [
                    {
                        "kind": asked.kind.value,
                        "said": asked.said,
                        "count": asked.count,
                        "latencyMs": asked.milliseconds,
                        "error": asked.error,
                    }
                    for asked in one.answers
                ],
                "problems": one.problems,
                "warnings": one.warnings,
            }
            for one in sources
        ],
    }


def _print(findings: Sequence[Finding], sources: Sequence[SourceFinding], *, asked: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        colour, word = {True: ("green", "ok"), False: ("red", "wrong"), None: ("yellow", "skipped")}[finding.is_well]
        console.print(f"{finding.name:<13} [{colour}]{word:<7}[/] {escape(finding.said)}")
        if finding.advice:
            console.print(f"{'':<21} → {escape(finding.advice)}")
    if sources:
        console.print()
        console.print(_table(sources))
        if not asked:
            console.print("\nTo see what each answers about a person: --key KEY, or --profile ID.")
    for source in sources:
        for colour, words in (("red", source.problems), ("yellow", source.warnings)):
            for one in words:
                console.print(f"\n[{colour}]{source.key}[/]: {escape(one)}", end="")
    if any(source.problems or source.warnings for source in sources):
        console.print()


def _table(sources: Sequence[SourceFinding]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("Source", "Adapter", "State", "Latency", "Provides", "Answered", box=None, pad_edge=False)
    colours = {"OK": "green", "DISABLED": "yellow"}
    for one in sources:
        latency = "-" if one.milliseconds is None else f"{one.milliseconds:.0f} ms"
        answered = ", ".join([one.said, *(f"{asked.kind.value}: {asked.said}" for asked in one.answers)])
        state = f"[{colours.get(one.state.value, 'red')}]{one.state.value}[/]"
        table.add_row(one.key, one.adapter, state, latency, " ".join(kind.value for kind in one.kinds), escape(answered.strip(", ")))
    return table


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is being looked at: one changing line on a terminal, a line each elsewhere; both on standard error."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("Looking") as status:
            yield lambda what: status.update(f"{what} …")
        return
    yield lambda what: typer.echo(f"{what} …", err=True)
