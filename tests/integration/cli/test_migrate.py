"""`migrate`, and what other commands say of a database that lacks migrations."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.migrate import load

__all__: list[str] = []


@pytest.fixture(name="empty")
def _empty(postgres: EmbeddedPostgres) -> str:
    """The server's own database, which no test migrates."""
    return postgres.dsn


def test_migrating_tells_each_step_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """On a fresh directory each migration is named; the second time there is nothing to do."""
    data_dir = str(tmp_path_factory.mktemp("fresh"))
    first = CliRunner().invoke(app, ["migrate", "--data-dir", data_dir])
    second = CliRunner().invoke(app, ["migrate", "--data-dir", data_dir])

    assert [line for line in first.stdout.splitlines() if line.startswith("Applying ")] == [
        f"Applying {migration.name} …" for migration in load()
    ]
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert second.stdout.startswith("Up to date")


def test_a_migrated_database_by_url(dsn: str) -> None:
    """GATEWAY_DATABASE_URL leads to the database."""
    result = CliRunner().invoke(app, ["migrate"], env={"GATEWAY_DATABASE_URL": dsn})

    assert result.exit_code == 0
    assert result.stdout.startswith("Up to date")


def test_no_command_migrates_behind_the_operators_back(empty: str) -> None:
    """A database by URL that lacks migrations is left alone, and the command to run is named."""
    result = CliRunner().invoke(app, ["seed", "--profiles", "1"], env={"GATEWAY_DATABASE_URL": empty})

    assert result.exit_code == 2
    assert "profile-gateway migrate" in result.stderr


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", 1, "cannot be reached"),
        ("mysql://u:hunter2@127.0.0.1/x", 2, "postgresql://"),
        ("hunter2", 2, "postgresql://"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, code: int, words: str) -> None:
    """What is wrong is said in one line, without the password."""
    result = CliRunner().invoke(app, ["migrate"], env={"GATEWAY_DATABASE_URL": url})

    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "hunter2" not in result.stderr


def test_a_server_that_turns_us_away_is_quoted(dsn: str) -> None:
    """Postgres's own refusal is passed on: a database that is not there."""
    result = CliRunner().invoke(app, ["migrate"], env={"GATEWAY_DATABASE_URL": dsn.replace("///t_", "///no_such_")})

    assert result.exit_code == 2
    assert "does not exist" in result.stderr
