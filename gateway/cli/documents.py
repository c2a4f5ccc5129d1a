"""`profile-gateway documents check`: whether manifests of trusted documents can be used with this gateway.

Owns what is printed of them. No database is needed, and nothing is executed: each document is held against the schema and against the limits that
the settings say. For the build of a client, before its manifest is deployed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.engine.trusted import StoredDocument

__all__ = ["app", "check"]

app = typer.Typer(help="Trusted documents: what clients may send by an id.", no_args_is_help=True)

_FAILURE = 1

Row = tuple[str, str, str]


@app.callback()
def _group() -> None:
    """Trusted documents: what clients may send by an id."""


@app.command("check")
def check(
    files: Annotated[
        list[Path],
        typer.Argument(help="Manifests of Apollo or Relay, .graphql files, directories of them.", metavar="FILE…", show_default=False),
    ],
) -> None:
    """Show the documents of manifests, what each may cost, and what is wrong with them; exit code 1 if anything is."""
    from gateway.engine.manifests import read_manifests

    documents, problems = read_manifests(files)
    rows, more = _examined(documents)
    if rows:
        typer.echo("\n".join(_table([("Id", "Operation", "Cost"), *rows])))
    for problem in (*problems, *more):
        typer.secho(problem, fg=typer.colors.RED, err=True)
    if problems or more:
        raise typer.Exit(_FAILURE)
    typer.echo(f"{len(documents)} {'document' if len(documents) == 1 else 'documents'}, all well.")


def _examined(documents: Sequence[StoredDocument]) -> tuple[list[Row], list[str]]:
    """A row for each document (id, operation, cost), and the problems."""
    from gateway.cli.runtime import read_settings
    from gateway.engine.documents import Documents
    from gateway.engine.limits import DocumentLimits
    from gateway.engine.request import Request
    from resolvers.schema import build_schema

    limits = DocumentLimits.of(read_settings())
    reader = Documents(build_schema(), introspection=False, limits=limits)
    rows: list[Row] = []
    problems: list[str] = []
    for one in documents:
        prepared = reader.prepare(Request(one.text))
        most = max(limits.cost, limits.partner_cost)
        wrong = [_told(error) for error in prepared.errors or ()]
        if not wrong and prepared.cost > most:
            wrong = [f"the operation may cost {prepared.cost}; {most} are answered (LIMIT_COST)."]
        problems += [f"{one.file}: {one.id}: {problem}" for problem in wrong]
        kind = "-" if wrong else prepared.operation_type
        rows.append((one.id, f"{kind} {one.operation or '-'}", "-" if wrong else str(prepared.cost)))
    return rows, problems


def _told(error: dict[str, Any]) -> str:
    where = "".join(f"line {one['line']}, column {one['column']}: " for one in error.get("locations", ())[:1])
    return f"{where}{error['message']} ({error['extensions']['code']})"


def _table(rows: Sequence[Row]) -> list[str]:
    """Lines; an id is never cut, for it is what one looks for."""
    ids, operations, costs = (max(len(row[column]) for row in rows) for column in range(3))
    return [f"{row[0]:<{ids}}  {row[1]:<{operations}}  {row[2]:>{costs}}" for row in rows]
