"""`profile-gateway topics import`: the workspace's catalogue of interests from a CSV file.

Owns the file's shape (UTF-8, a header with the columns `topic` and `category`) and what is told of it. A line that cannot be taken is named and
left out; the others are stored in portions, so importing the same file again changes nothing. Works beside a running gateway.
"""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.errors import ConfigurationError

__all__ = ["TopicFile", "app", "import_topics", "portions", "read_topics"]

_AT_ONCE: Final = 2000
"""Topics of one statement."""
_LONGEST: Final = 128
_NAMED: Final = 20
"""Bad lines that are named one by one."""

app = typer.Typer(help="The catalogue of interests.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The catalogue of interests."""


@dataclass(slots=True)
class TopicFile:
    """What a file holds: category by topic (of a topic that stands there twice the last counts), and what is wrong with which line."""

    topics: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)


@app.command("import")
def import_topics(
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns topic and category.", metavar="FILE.csv", show_default=False)],
    *,
    workspace: Annotated[str, typer.Option(help="Key of the workspace; made if there is none.")] = "demo",
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the gateway.", show_default=".gateway")] = None,
) -> None:
    """Import topics; those that are there get the file's category. Lines that cannot be taken are named and left out."""
    from gateway.cli.runtime import open_database, read_settings

    found = read_topics(file)
    settings = read_settings(data_dir=data_dir)

    async def run() -> tuple[int, int]:
        from gateway.auth.workspaces import Workspaces
        from gateway.storage.database import columns
        from gateway.storage.queries import SQL

        async with open_database(settings, data_dir_given=data_dir is not None) as (database, _):
            workspace_id = await Workspaces(database).ensure(workspace, workspace)
            new = changed = 0
            with typer.progressbar(length=len(found.topics), label="Importing topics", file=sys.stderr) as bar:
                for portion in portions(list(found.topics.items())):
                    rows = await database.fetch(SQL["import_interest_topics"], workspace_id, *columns(portion))
                    fresh = sum(row["is_new"] for row in rows)
                    new, changed = new + fresh, changed + len(rows) - fresh
                    bar.update(len(portion))
            return new, changed

    new, changed = asyncio.run(run())
    typer.echo(f"{len(found.topics)} topics in {workspace}: {new} new, {changed} in another category than before.")
    if found.problems:
        for line, problem in found.problems[:_NAMED]:
            typer.secho(f"Line {line}: {problem}", fg=typer.colors.RED, err=True)
        if len(found.problems) > _NAMED:
            typer.secho(f"… and {len(found.problems) - _NAMED} more.", fg=typer.colors.RED, err=True)
        typer.secho(f"{len(found.problems)} lines were left out.", fg=typer.colors.RED, err=True)
        raise typer.Exit(1)


def read_topics(path: Path) -> TopicFile:
    """What the file holds.

    Raises:
        ConfigurationError: it cannot be read, is not UTF-8, or has no such columns.
    """
    found = TopicFile()
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
            if not {"topic", "category"} <= names.keys():
                raise ConfigurationError(f"{path} has no columns topic and category in its first line.")
            for row in reader:
                topic, category = ((row[names[name]] or "").strip() for name in ("topic", "category"))
                if not any((topic, category)):
                    continue
                problem = _problem(topic, category)
                if problem is None:
                    found.topics[topic] = category
                else:
                    found.problems.append((reader.line_num, problem))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8.") from error
    except csv.Error as error:
        raise ConfigurationError(f"{path} is not CSV: {error}.") from error
    return found


def _problem(topic: str, category: str) -> str | None:
    for name, value in (("topic", topic), ("category", category)):
        if not value:
            return f"the {name} is missing."
        if len(value.encode()) > _LONGEST:
            return f"the {name} is longer than {_LONGEST} bytes."
        if "\x00" in value:
            return f"the {name} contains a NUL character."
    return None


def portions(topics: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """The topics as many as one statement stores well within its time."""
    for start in range(0, len(topics), _AT_ONCE):
        yield topics[start : start + _AT_ONCE]
