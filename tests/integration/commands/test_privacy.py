"""Privacy jobs: in order, one at a time, never half-done whoever dies, and nobody slips through while they run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gateway.commands.dependencies import Dependencies
from gateway.commands.jobs import MOST_ATTEMPTS
from gateway.commands.privacy import PrivacyCommands
from gateway.commands.steps import Done
from gateway.commands.unit import Writer
from gateway.configuration import Configurations
from gateway.errors import Forbidden, Rejected
from gateway.model.configuration import Configuration
from gateway.model.ids import uuid7
from gateway.model.privacy import PrivacyAction
from gateway.storage.database import connect

from .conftest import START, Office

__all__: list[str] = []

ERASE, EXPORT, ANONYMISE = PrivacyAction.ERASE, PrivacyAction.EXPORT, PrivacyAction.ANONYMISE


class Killed(BaseException):
    """The end of the process, as far as a step can see."""


async def busy_person(office: Office, key: str) -> UUID:
    """Somebody with something in every table an erasure empties by itself."""
    profile = await office.person(email=f"{key}@example.com", key=key)
    await office.note(profile, "Prefers e-mail.")
    await office.happened(profile, *({"total": number, "text": "words"} for number in range(3)))
    return profile


async def left_of(office: Office, profile: UUID) -> dict[str, int]:
    """Rows that still belong to a profile."""
    tables = ("contact_point", "identifier", "lookup", "trait", "note", "membership", "activity", "consent", "interest")
    return {table: found for table in tables if (found := await office.count(table, profile_id=profile))}


class TestRequest:
    """Asking."""

    async def test_one_open_job(self, office: Office) -> None:
        """However many ask at once, there is one job per action; another action is another job."""
        ana = await office.person()
        jobs = await asyncio.gather(*(office.ask(ana, ERASE) for _ in range(8)))

        assert len(set(jobs)) == 1
        assert await office.ask(ana, EXPORT) != jobs[0]
        await office.runner().advance()
        assert await office.ask(ana, ERASE) == jobs[0]  # also when it has begun
        assert await office.count("privacy_job") == 2

    async def test_a_finished_job_is_no_open_one(self, office: Office) -> None:
        """After an export another can be asked for."""
        ana = await office.person()
        first = await office.done(ana, EXPORT)

        assert first["state"] == "DONE"
        assert await office.ask(ana, EXPORT) != first["id"]

    async def test_nobody_there(self, office: Office) -> None:
        """An unknown profile, another workspace's and an erased one get the same answer, and no job."""
        ana = await office.person()
        await office.done(ana, ERASE)
        bob = await office.person("Bob")
        stranger = replace(office.admin, workspace_id=uuid7(), workspace_key="other")
        refused = []
        for principal, profile in ((office.admin, uuid7()), (stranger, bob), (office.admin, ana)):
            with pytest.raises(Rejected) as caught:
                await office.commands.privacy.request(principal, profile, ERASE)
            refused.append([(one.code, one.message, one.path) for one in caught.value.problems])

        assert refused == [[("NOT_FOUND", "There is no such profile.", ("profileId",))]] * 3
        assert await office.count("privacy_job") == 1

    async def test_without_the_right(self, office: Office) -> None:
        """The scope `privacy` is asked for by name."""
        ana = await office.person()
        with pytest.raises(Forbidden, match="privacy"):
            await office.commands.privacy.request(replace(office.admin, scopes=office.admin.scopes - {"privacy"}), ana, ERASE)

    async def test_switched_off(self, office: Office) -> None:
        """Where the workspace has the feature off, nobody may."""
        ana = await office.person()
        configurations = Configurations(Configuration(features=frozenset()))
        bound = office.commands.bound
        writer = Writer(office.database, bound.writer._hub, configurations)
        commands = PrivacyCommands(Dependencies(writer, bound.native, None, configurations, bound.vault))
        with pytest.raises(Rejected) as caught:
            await commands.request(office.admin, ana, ERASE)

        assert [one.code for one in caught.value.problems] == ["FORBIDDEN"]
        assert await office.count("privacy_job") == 0

    async def test_a_merged_profile_means_its_survivor(self, office: Office) -> None:
        """The job is the survivor's, and ERASE takes both."""
        ana, old = await busy_person(office, "ana"), await busy_person(office, "old")
        await office.database.execute("UPDATE profile SET status = 'MERGED', merged_into = $2 WHERE id = $1", old, ana)
        row = await office.done(old, ERASE)

        assert row["profile_id"] == ana
        assert [(await office.row(one))["status"] for one in (ana, old)] == ["ERASED"] * 2
        assert [await left_of(office, one) for one in (ana, old)] == [{}, {}]


class TestOrder:
    """Jobs of one profile run one after the other."""

    async def test_an_erasure_waits_behind_an_export(self, office: Office) -> None:
        """While the export cannot go on, neither does the erasure; somebody else's job does."""
        ana, bob = await busy_person(office, "ana"), await busy_person(office, "bob")
        export = await office.ask(ana, EXPORT)
        await office.due(export, 3600)
        erasure, other = await office.ask(ana, ERASE), await office.ask(bob, ERASE)
        runner = office.runner()
        pause: float | None = 0
        while pause is not None and pause < 60:
            await asyncio.sleep(pause)
            pause = await runner.advance()

        assert (await office.job(other))["state"] == "DONE"
        assert (await office.job(erasure))["step"] is None
        assert (await office.row(ana))["status"] == "ACTIVE"
        await office.due(export)
        await runner.finish()
        assert [(await office.job(one))["state"] for one in (export, erasure)] == ["DONE", "DONE"]
        assert await office.count("privacy_file") == 0

    async def test_an_export_behind_an_erasure(self, office: Office) -> None:
        """It finds nobody any more, and says so."""
        ana = await office.person()
        await office.ask(ana, ERASE)
        export = await office.ask(ana, EXPORT)
        await office.runner().finish()
        row = await office.job(export)

        assert (row["state"], row["problem"]) == ("FAILED", "ERASED")
        assert await office.count("privacy_file") == 0

    async def test_two_runners(self, office: Office) -> None:
        """Two processes at the same jobs do each step once: the certificates are those of one runner."""
        people = [await busy_person(office, f"p{number}") for number in range(4)]
        alone = await office.done(people[0], ERASE)
        jobs = [await office.ask(one, ERASE) for one in people[1:]]
        await asyncio.gather(office.runner().finish(), office.runner().finish())

        assert [(await office.job(one))["counts"] for one in jobs] == [alone["counts"]] * 3


@pytest.mark.parametrize("action", [ERASE, ANONYMISE, EXPORT])
async def test_killed_in_every_step(office: Office, action: PrivacyAction) -> None:
    """A gateway that dies at the end of every step, before its commit, leaves what a gateway that lives leaves: same rows, same counts."""
    whole = await busy_person(office, "whole")
    expected = await office.done(whole, action)
    broken = await busy_person(office, "broken")
    job_id = await office.ask(broken, action)
    died: list[str] = []

    def dying(name: str, step: Any) -> Any:
        async def once(unit: Any, job: Any) -> Done:
            done: Done = await step(unit, job)
            if name not in died:
                died.append(name)
                raise Killed
            return done

        return once

    while (await office.job(job_id))["state"] != "DONE":
        try:
            await office.runner(dying).finish()
        except Killed:
            continue

    assert died == list(office.commands.privacy.plans[action])
    row = await office.job(job_id)
    assert (row["counts"], row["attempts"]) == (expected["counts"], 0)
    assert await left_of(office, broken) == await left_of(office, whole)
    for profile in (whole, broken):
        assert await office.count("change", profile_id=profile, action="EXPORTED" if action is EXPORT else "ERASED") == 1


async def test_a_step_that_fails(office: Office) -> None:
    """Ten failures in a row end a job, each later than the one before; no value is in the problem, and asking again starts anew."""
    ana = await busy_person(office, "ana")
    job_id = await office.ask(ana, ERASE)

    def failing(name: str, step: Any) -> Any:
        async def fail(unit: Any, job: Any) -> Done:
            if name == "records":
                raise ValueError("ana@example.com")
            done: Done = await step(unit, job)
            return done

        return fail

    runner = office.runner(failing)
    pauses = []
    while (await office.job(job_id))["state"] in {"QUEUED", "RUNNING"}:
        pause = await runner.advance()
        assert pause is not None
        if pause:
            pauses.append(round(pause))
            await office.due(job_id)
    row = await office.job(job_id)

    assert (row["state"], row["attempts"], row["problem"], row["step"]) == ("FAILED", MOST_ATTEMPTS, "ValueError", "merges")
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    again = await office.done(ana, ERASE)
    assert again["state"] == "DONE"
    assert await left_of(office, ana) == {}


async def test_a_transaction_that_began_before(office: Office, dsn: str) -> None:
    """What somebody writes who saw the person before the erasure, and commits during it, goes as well; the job waits for the commit."""
    ana = await office.person(email="ana@example.com")
    late: asyncpg.Connection[Any] = await connect(dsn)
    transaction = late.transaction()
    await transaction.start()
    assert await late.fetchval("SELECT profile_id FROM lookup WHERE value = 'ana@example.com'") == ana
    job_id = await office.ask(ana, ERASE)
    runner = office.runner()
    while (await office.job(job_id))["step"] != "audit":
        await runner.advance()
    await late.execute(
        "INSERT INTO trait (workspace_id, profile_id, key, source, value, kind, observed_at) VALUES ($1, $2, 'hobby', 'x', '1', 'PROFILE', now())",
        *(office.workspace, ana),
    )
    pause = 0.0
    for _ in range(5):
        await asyncio.sleep(pause)
        found = await runner.advance()
        assert found is not None
        pause = found
    assert (await office.job(job_id))["step"] == "audit"
    await transaction.commit()
    await late.close()
    await runner.finish()

    assert (await office.job(job_id))["counts"]["trait"] == 1
    assert await left_of(office, ana) == {}


async def test_many_activities(office: Office) -> None:
    """A long history goes in portions of 5 000."""
    ana = await office.person()
    await office.database.execute(
        "INSERT INTO activity (workspace_id, profile_id, occurred_at, source, id, kind, type, detail) "
        "SELECT $1, $2, $3::timestamptz - n * interval '1 hour', 'native', gen_random_uuid(), 'EXTERNAL', 'x', '{}' FROM generate_series(1, 12000) n",
        *(office.workspace, ana, START),
    )
    row = await office.done(ana, ERASE)

    assert row["counts"]["activity"] == 12_000
    assert await office.count("activity") == 0
