"""Merge, then unmerge: the identity on everything, for random people; and in between nothing is lost.

`MERGE_EXAMPLES` sets how many random worlds are tried (30 without it).
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from gateway.identity import lookup_key
from gateway.model.ids import make_id, parse_id, uuid7
from gateway.model.profile import Channel
from gateway.storage.queries import SQL

from .conftest import START, TABLES, Graph
from .test_mutations_merge import merge, screen, unmerge

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = int(os.environ.get("MERGE_EXAMPLES", "30"))
LOGS = {"stream_head", "change_log", "merge", "merge_journal", "idempotency", "ingest_message"}
NAMES = ["Ana", "Anna", "Anne", None]
NULL = orjson.Fragment(b"null")
"""JSON's null: a None would be no value at all."""
PHONES = [f"+4420794609{n:02}" for n in range(5)]
EMAILS = [f"{name}@example.com" for name in ("a", "b", "c", "d")]


@dataclass(frozen=True)
class World:
    """A workspace full of random people. Few values, so that most of them are shared."""

    graph: Graph
    random: random.Random
    profiles: list[str]

    @property
    def workspace(self) -> UUID:
        return self.graph.supervisor.workspace_id

    async def insert(self, table: str, **values: Any) -> None:
        """One row; what is there already stays."""
        names = ", ".join(values)
        places = ", ".join(f"${n + 2}" for n in range(len(values)))
        sql = f"INSERT INTO {table} (workspace_id, {names}) VALUES ($1, {places}) ON CONFLICT DO NOTHING"
        await self.graph.runtime.database.execute(sql, self.workspace, *values.values())

    async def furnish(self, profile: str) -> None:
        """Put random things under a profile."""
        chance, key = self.random, parse_id(profile, "prf")[0]
        for channel, values in (("VOICE", PHONES), ("SMS", PHONES), ("EMAIL", EMAILS)):
            for n, value in enumerate(chance.sample(values, chance.randint(0, 3))):
                point = {"channel": channel, "raw": value, "normalized": value, "is_primary": n == 0, "source": "native"}
                await self.insert("contact_point", profile_id=key, id=uuid7(), label=chance.choice([None, "home"]), **point)
                await self.insert("lookup", key=lookup_key(Channel(channel)), value=value, profile_id=key, exclusive=False)
        for kind in chance.sample(["user_id", "account_id", "customer_no"], chance.randint(0, 3)):
            value = uuid7().hex
            await self.insert("identifier", profile_id=key, id=uuid7(), type=kind, raw=value, normalized=value, source="native")
            await self.insert("lookup", key=kind, value=value, profile_id=key, exclusive=True)
        for name in chance.sample(["plan", "title", "age", "pin"], chance.randint(0, 4)):
            for source in chance.sample(["native", "tracking", "crm"], chance.randint(1, 3)):
                sealed = os.urandom(40) if name == "pin" else None
                value = NULL if sealed else chance.choice(["x", 1, True, {"a": [None, 1.5]}, NULL])
                at = START + timedelta(minutes=chance.randint(0, 9))
                trait = {"key": name, "source": source, "value": value, "kind": "PROFILE", "observed_at": at, "sealed": sealed}
                await self.insert("trait", profile_id=key, confidence=chance.choice([None, 0.1 + 0.2]), **trait)
        for n in range(chance.randint(0, 3)):
            author = {"author_id": "ann", "author_name": "Ann", "author_kind": "AGENT"}
            await self.insert("note", profile_id=key, id=uuid7(), body=f"note {n}", is_pinned=chance.random() < 0.3, **author)
        for n, company in enumerate(chance.sample(range(4), chance.randint(0, 3))):
            since = START + timedelta(days=chance.randint(0, 9))
            await self.insert("membership", profile_id=key, company_id=UUID(int=company + 1), is_main=n == 0, since=since)
        for _ in range(chance.randint(0, 6)):
            at = START - timedelta(days=chance.randint(0, 1500), minutes=chance.randint(0, 999))
            kind = chance.choice(["EXTERNAL", "WEB"])
            item = {"occurred_at": at, "source": chance.choice(["native", "crm"]), "kind": kind, "type": "Visit", "detail": {"n": 1}}
            await self.insert("activity", profile_id=key, id=uuid7(at), **item)
        for purpose in chance.sample(["mail", "sms"], chance.randint(0, 2)):
            said = START + timedelta(days=chance.randint(0, 2))
            word = {"status": chance.choice(["GRANTED", "REVOKED", "UNKNOWN"]), "updated_at": said, "source": "native"}
            await self.insert("consent", profile_id=key, purpose=purpose, channel=chance.choice(["", "EMAIL"]), **word)
        for name in chance.sample(["vip", "new"], chance.randint(0, 2)):
            await self.insert("segment_membership", profile_id=key, key=name, source="native", left_at=chance.choice([None, START]))
        for topic in chance.sample(["running", "wine"], chance.randint(0, 2)):
            seen = {"first_triggered_at": START, "last_triggered_at": START, "trigger_count": chance.randint(1, 5)}
            await self.insert("interest", profile_id=key, topic=topic, source="crm", category="c", score=chance.random(), **seen)
        if chance.random() < 0.3:
            await self.insert("verification", profile_id=key, scope=f"agent:{chance.choice('ab')}", misses=chance.randint(1, 3))
        change = {"action": "UPDATED", "actor_id": "ann", "actor_name": "Ann", "actor_kind": "AGENT"}
        await self.insert("change", profile_id=key, id=uuid7(), **change)

    async def connect(self) -> None:
        """Contacts and proposals between the people."""
        chance, keys = self.random, [parse_id(one, "prf")[0] for one in self.profiles]
        for n in range(chance.randint(0, 4)):
            contact, candidates = uuid7(), chance.sample(keys, chance.randint(0, min(3, len(keys))))
            state = chance.choice(["OFFERED", "CONNECTED", "CLOSED"])
            match = {0: "NONE", 1: "ONE"}.get(len(candidates), "MULTIPLE")
            who = {"agent_id": "ann", "agent_name": "Ann", "opened_by": "acd", "profile_id": chance.choice([None, *keys])}
            await self.insert(
                "contact", id=contact, external_id=f"c{n}", state=state, channel="VOICE", direction="INBOUND", match=match, **who
            )
            for candidate in candidates:
                await self.insert("contact_candidate", contact_id=contact, profile_id=candidate, score=chance.random(), matched_on=[])
            for m, profile in enumerate(chance.sample(keys, chance.randint(0, 2))):
                by = {"actor_id": "ann", "actor_name": "Ann", "actor_kind": "AGENT", "automatic": False}
                over = START if m else None
                await self.insert("contact_association", contact_id=contact, id=uuid7(), profile_id=profile, superseded_at=over, **by)
        for _ in range(chance.randint(0, 5)):
            first, second = sorted(chance.sample(keys, 2))
            over = chance.choice([None, START])
            await self.insert(
                "merge_proposal", id=uuid7(), first_id=first, second_id=second, rule="email", score=chance.random(), dismissed_at=over
            )

    async def dump(self) -> dict[str, list[Any]]:
        """Every row of the workspace, without logs, versions and what merges write down of themselves."""
        rows = {}
        for table in (*TABLES, "name_entry"):
            if table in LOGS:
                continue
            own = " AND action NOT IN ('MERGED', 'UNMERGED')" if table == "change" else ""
            without = " - 'version' - 'updated_at'" if table == "profile" else ""
            found = await self.graph.runtime.database.fetch(
                f"SELECT to_jsonb(t){without} AS row FROM {table} t WHERE workspace_id = $1{own} ORDER BY (to_jsonb(t){without})::text",
                self.workspace,
            )
            rows[table] = [row["row"] for row in found]
        return rows

    async def held(self, *profiles: str) -> dict[str, set[Any]]:
        """What must not get lost, of all these profiles together."""
        keys = [parse_id(one, "prf")[0] for one in profiles]
        found = {}
        for table, what in (
            *(("activity", "id"), ("note", "id"), ("identifier", "id"), ("change", "id")),
            *(("contact_point", "channel || normalized"), ("membership", "company_id"), ("lookup", "key || value"), ("contact", "id")),
        ):
            sql = f"SELECT {what} AS what FROM {table} WHERE workspace_id = $1 AND profile_id = any($2::uuid[])"
            found[table] = {row["what"] for row in await self.graph.runtime.database.fetch(sql, self.workspace, keys)}
        return found

    def winners(self, traits: set[tuple[str, str]], profiles: list[str]) -> list[dict[str, str]]:
        """A random choice for a few fields and attributes."""
        chosen = {name: self.random.choice(profiles) for name in self.random.sample(["firstName", "lastName", "locale", "lifecycle"], 2)}
        chosen |= {key: profile for profile, key in sorted(traits) if profile in profiles and self.random.random() < 0.2}
        return [{"key": key, "value": value} for key, value in chosen.items()]

    async def merge_some(self, living: list[str]) -> tuple[dict[str, Any], str, list[str]]:
        """Merge a few of the living at random; the merge, its survivor, and those that went into it."""
        chosen = self.random.sample(living, self.random.randint(2, min(4, len(living))))
        rows = await self.graph.runtime.database.fetch("SELECT DISTINCT profile_id, key FROM trait WHERE workspace_id = $1", self.workspace)
        traits = {(make_id("prf", row["profile_id"]), row["key"]) for row in rows}
        winners = self.winners(traits, chosen) if self.random.random() < 0.7 else []
        before = await self.held(*chosen)
        made = await merge(self.graph, chosen[0], *chosen[1:], fieldWinners=winners)
        after = await self.held(chosen[0])
        assert {name: before[name] - after[name] for name in before} == {name: set() for name in before}
        assert await self.held(*chosen[1:]) == {name: set() for name in before}
        for one in chosen[1:]:
            living.remove(one)
        return made, chosen[0], chosen[1:]

    async def check(self) -> None:
        """What is always true: one primary per channel, one main company, and everybody is found by exactly what they have."""
        database = self.graph.runtime.database
        primaries = """SELECT count(*) FILTER (WHERE is_primary) AS n FROM contact_point WHERE workspace_id = $1
          GROUP BY profile_id, channel, custom_channel"""
        mains = "SELECT count(*) FILTER (WHERE is_main) AS n FROM membership WHERE workspace_id = $1 GROUP BY profile_id"
        assert {row["n"] for sql in (primaries, mains) for row in await database.fetch(sql, self.workspace)} <= {1}
        points = await database.fetch("SELECT profile_id, channel, normalized FROM contact_point WHERE workspace_id = $1", self.workspace)
        numbers = await database.fetch("SELECT profile_id, type, normalized FROM identifier WHERE workspace_id = $1", self.workspace)
        wanted = {(lookup_key(Channel(row["channel"])), row["normalized"], row["profile_id"]) for row in points}
        wanted |= {(row["type"], row["normalized"], row["profile_id"]) for row in numbers}
        lookups = await database.fetch("SELECT key, value, profile_id FROM lookup WHERE workspace_id = $1", self.workspace)
        assert {(row["key"], row["value"], row["profile_id"]) for row in lookups} == wanted


async def world(graph: Graph, seed: int) -> World:
    """A few random people, by a seed."""
    chance = random.Random(seed)
    made = World(graph, chance, [make_id("prf", uuid7()) for _ in range(chance.randint(2, 5))])
    for n in range(4):
        await made.insert("company", id=UUID(int=n + 1), natural_key=f"name:c{n}", name=f"C{n}")
    for profile in made.profiles:
        names = {"first_name": chance.choice(NAMES), "last_name": chance.choice(NAMES), "locale": chance.choice([None, "pt", "en"])}
        edited = [name for name in names if chance.random() < 0.3]
        lifecycle = chance.choice(["ANONYMOUS", "PROSPECT", "CUSTOMER"])
        born = chance.choice([None, START.date()])
        (key,) = parse_id(profile, "prf")
        await made.insert("profile", id=key, lifecycle=lifecycle, birth_date=born, edited_fields=edited, customer_since=None, **names)
        await made.insert("stream_head", stream_id=key)
        await made.furnish(profile)
    await made.connect()
    return made


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(EXAMPLES))
async def test_unmerge_is_the_inverse_of_merge(graph: Graph, seed: int) -> None:
    """However people are merged, one merge after another, taking the merges back in reverse leaves no trace but the record of it."""
    people = await world(graph, seed)
    living = list(people.profiles)
    states = []
    while len(living) > 1 and len(states) < 3:
        shown = {one: await screen(graph, one) for one in living}
        dump = await people.dump()
        made, _, _ = await people.merge_some(living)
        await people.check()
        states.append((made["id"], dump, shown))
    for merge_id, dump, shown in reversed(states):
        await unmerge(graph, merge_id)
        now = await people.dump()
        assert {table: rows for table, rows in now.items() if rows != dump[table]} == {}
        assert {one: await screen(graph, one) for one in shown} == shown
        await people.check()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(EXAMPLES // 3))
async def test_unmerge_after_other_changes(graph: Graph, seed: int) -> None:
    """With random changes in between the undoing never fails, new rows stay, deleted ones stay gone, and the people are sound."""
    people = await world(graph, 10_000 + seed)
    made, survivor, merged = await people.merge_some(list(people.profiles))
    chance, database, (key,) = people.random, graph.runtime.database, parse_id(survivor, "prf")
    new = await graph.note(survivor, "new")
    rows = await database.fetch(SQL["contacts_by_profile"], people.workspace, [key])
    points = [row for row in rows if row["kind"] == "C"]
    gone = chance.sample(points, min(len(points), 2))
    kept = [row for row in points if row not in gone]
    change: dict[str, Any] = {
        "id": survivor,
        "firstName": "Later",
        "attributes": {"plan": "later", "fresh": 1},
        "removeContactPointIds": [make_id("cpt", key, row["id"]) for row in gone],
        "upsertContactPoints": [{"channel": "SMS", "value": chance.choice(PHONES)}, {"channel": "EMAIL", "value": "new@example.com"}],
    }
    if kept:
        promoted = chance.choice(kept)
        change["upsertContactPoints"].append(
            {"id": make_id("cpt", key, promoted["id"]), "channel": promoted["type"], "value": promoted["raw"], "isPrimary": True}
        )
    update = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code message } } }"
    assert (await graph.data(update, {"input": change}))["userErrors"] == []
    await graph.join(survivor, "Later & Sons", main=chance.random() < 0.5)
    notes = await database.fetch("SELECT id FROM note WHERE workspace_id = $1 AND profile_id = $2 AND body <> 'new'", people.workspace, key)
    deleted = [row["id"] for row in notes[:1]]
    await database.fetch("DELETE FROM note WHERE workspace_id = $1 AND id = any($2::uuid[])", people.workspace, deleted)
    everything = await people.held(survivor)
    await unmerge(graph, made["id"])
    await people.check()
    after, here = await people.held(survivor, *merged), await screen(graph, survivor)

    assert {name: everything[name] - after[name] for name in everything} == {name: set() for name in everything}
    assert not set(deleted) & after["note"]
    assert new in {
        node["id"]
        for node in (
            await graph.data("query ($id: ID!) { profile(by: {id: $id}) { notes(first: 100) { nodes { id } } } }", {"id": survivor})
        )["notes"]["nodes"]
    }
    assert here["firstName"] == "Later"
    assert {one["value"] for one in here["contactPoints"]} >= {"new@example.com"}
    assert "Later & Sons" in {one["company"]["name"] for one in here["companies"]}
