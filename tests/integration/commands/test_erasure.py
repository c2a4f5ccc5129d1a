"""What an erasure and an anonymisation leave behind: contacts, merges, the audit, the timeline."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from gateway.model.attribute import AttributeDefinition, Sensitivity
from gateway.model.change import desk_stream
from gateway.model.configuration import Configuration
from gateway.model.ids import uuid7
from gateway.model.privacy import PrivacyAction

from .conftest import START, Office

__all__: list[str] = []

ERASE, ANONYMISE = PrivacyAction.ERASE, PrivacyAction.ANONYMISE


@pytest.fixture(name="configuration")
def _configuration() -> Configuration:
    """A plan that is nobody's business, an allergy that is personal, and whatever else sources send."""
    plan = AttributeDefinition("plan", "Plan", sensitivity=Sensitivity.INTERNAL)
    return Configuration(attributes=(plan, AttributeDefinition("allergy", "Allergy", sensitivity=Sensitivity.PERSONAL)))


async def contact(office: Office, profile: UUID | None, address: str, state: str = "CONNECTED", *candidates: UUID) -> UUID:
    """A contact from an address, as the routing system and its agent left it."""
    contact_id = uuid7()
    columns = "workspace_id, id, external_id, state, channel, address, normalized, display_name, direction, agent_id, match, profile_id, opened_by"
    await office.database.execute(
        f"INSERT INTO contact ({columns}, summary, attributes) "
        "VALUES ($1, $2, $3, $4, 'VOICE', $5, $5, 'Caller', 'INBOUND', 'ann', $6, $7, 'acme', 'Words', '{\"a\": 1}')",
        *(office.workspace, contact_id, contact_id.hex, state, address, "ONE" if profile else "MULTIPLE", profile),
    )
    for one in candidates:
        matched = [{"key": "phone", "value": address}]
        await office.database.execute(
            "INSERT INTO contact_candidate VALUES ($1, $2, $3, 1, $4)", office.workspace, contact_id, one, matched
        )
    if profile:
        await office.database.execute(
            "INSERT INTO contact_association (workspace_id, contact_id, id, profile_id, actor_id, actor_name, actor_kind, automatic) "
            "VALUES ($1, $2, $3, $4, 'ann', 'Ann', 'AGENT', false)",
            *(office.workspace, contact_id, uuid7(), profile),
        )
    return contact_id


async def shown(office: Office, contact_id: UUID) -> tuple[Any, ...]:
    """Whom a contact is from and what it says."""
    row = await office.database.fetchrow("SELECT * FROM contact WHERE id = $1", contact_id)
    assert row is not None
    return row["profile_id"], row["match"], row["address"], row["display_name"], row["summary"], row["attributes"]


async def rows_of(office: Office, profile: UUID) -> list[Any]:
    """Everything that is a profile's."""
    columns = {"profile": "id", **dict.fromkeys(("contact_point", "identifier", "note", "activity", "change"), "profile_id")}
    return [await office.database.fetch(f"SELECT * FROM {table} WHERE {column} = $1", profile) for table, column in columns.items()]


class TestErase:
    """ERASE."""

    async def test_contacts(self, office: Office) -> None:
        """Her contacts say nothing any more and lead to nobody; the agent's desk is told of the open one."""
        ana = await office.person(phone="+14155550100")
        open_, closed = await contact(office, ana, "+14155550100"), await contact(office, ana, "+14155550177", "CLOSED")
        await office.done(ana, ERASE)

        assert await shown(office, open_) == (None, "NONE", None, None, None, None)
        assert await shown(office, closed) == (None, "ONE", None, None, None, None)
        assert await office.count("contact_association") == 0
        desk = desk_stream(office.workspace, "ann").stream_id
        assert [row["entity_id"] for row in await office.database.fetch("SELECT entity_id FROM change_log WHERE stream_id = $1", desk)] == [
            open_
        ]

    async def test_contacts_of_nobody(self, office: Office) -> None:
        """A call from her number that was linked to nobody is emptied; one that may be from the family, and everybody else's, are kept."""
        ana, bob = await office.person(phone="+14155550100"), await office.person("Bob", phone="+14155550122")
        hers, unknown = await contact(office, None, "+14155550100", "CLOSED"), await contact(office, None, "+14155550199", "CLOSED")
        candidate = await contact(office, None, "+14155550101", "OFFERED", ana)
        either = await contact(office, None, "+14155550122", "OFFERED", ana, bob)
        await office.done(ana, ERASE)

        assert [(await shown(office, one))[2] for one in (hers, unknown, candidate, either)] == [None, "+14155550199", None, "+14155550122"]
        rows = await office.database.fetch("SELECT contact_id, profile_id FROM contact_candidate")
        assert [tuple(row) for row in rows] == [(either, bob)]

    async def test_a_corrected_association(self, office: Office) -> None:
        """A contact first given to her and then to somebody else is that person's, words and all."""
        ana, bob = await office.person(), await office.person("Bob")
        theirs = await contact(office, bob, "+14155550122", "CLOSED")
        await office.database.execute(
            "INSERT INTO contact_association (workspace_id, contact_id, id, profile_id, actor_id, actor_name, actor_kind, automatic, superseded_at) "
            "VALUES ($1, $2, $3, $4, 'ann', 'Ann', 'AGENT', true, now())",
            *(office.workspace, theirs, uuid7(), ana),
        )
        await office.done(ana, ERASE)

        assert (await shown(office, theirs))[0] == bob
        assert (await shown(office, theirs))[4] == "Words"
        assert await office.count("contact_association", profile_id=ana) == 0

    async def test_journals_of_an_undone_merge(self, office: Office) -> None:
        """What a merge kept of her goes although the merge was undone and another profile survived it; that profile's own rows stay."""
        ana, bob = await office.person(), await office.person("Bob")
        merge = uuid7()
        await office.database.execute(
            "INSERT INTO merge (workspace_id, id, survivor_id, merged_ids, actor_id, actor_name, actor_kind, reason, undone_at) "
            "VALUES ($1, $2, $3, $4, 'sue', 'Sue', 'SUPERVISOR', 'Same Ana', now())",
            *(office.workspace, merge, bob, [ana]),
        )
        for one in (ana, bob):
            await office.database.execute(
                "INSERT INTO merge_journal VALUES ($1, $2, $3, 'trait', '{}', '[1]')", office.workspace, merge, one
            )
        await office.database.execute(
            "INSERT INTO merge_proposal (workspace_id, id, first_id, second_id, rule, score) VALUES ($1, $2, $3, $4, 'email', 1)",
            *(office.workspace, uuid7(), *sorted((ana, bob))),
        )
        await office.done(ana, ERASE)

        assert [row[0] for row in await office.database.fetch("SELECT profile_id FROM merge_journal")] == [bob]
        assert [row[0] for row in await office.database.fetch("SELECT reason FROM merge")] == [None]
        assert await office.count("merge_proposal") == 0

    async def test_the_audit_keeps_who_did_what(self, office: Office) -> None:
        """Every entry stays, with its actor, its action and the names of its fields; values and reasons are gone. The last is the certificate."""
        ana = await office.person(email="ana@example.com")
        await office.note(ana)
        before = await office.database.fetch("SELECT id, action, actor_id FROM change WHERE profile_id = $1 ORDER BY id", ana)
        await office.done(ana, ERASE)
        after = await office.database.fetch("SELECT * FROM change WHERE profile_id = $1 ORDER BY id", ana)

        assert [(row["id"], row["action"], row["actor_id"]) for row in after[:-1]] == [tuple(row) for row in before]
        assert {(one["before"], one["after"]) for row in after[:-1] for one in row["fields"]} == {(None, None)}
        assert {one["field"] for one in after[0]["fields"]} >= {"firstName", "lastName"}
        assert (after[-1]["action"], after[-1]["actor_name"]) == ("ERASED", "Ada")
        assert {"field": "note", "before": 1, "after": 0, "as": None} in after[-1]["fields"]

    async def test_somebody_else(self, office: Office) -> None:
        """Another profile of the workspace is as it was, to the byte."""
        ana, bob = await office.person(key="ana"), await office.person("Bob", email="bob@example.com", key="bob")
        await office.note(bob)
        await office.happened(bob, {"text": "words"})
        before = await rows_of(office, bob)
        await office.done(ana, ERASE)
        after = await rows_of(office, bob)

        assert after == before
        assert await office.count("lookup", profile_id=bob) == 2


class TestAnonymise:
    """ANONYMISE."""

    async def test_who_it_was_goes(self, office: Office) -> None:
        """Names, ways to reach and identifiers go, of the birth date the year stays; the profile lives on as anonymous."""
        ana = await office.person(email="ana@example.com", key="ana")
        await office.note(ana)
        await office.database.execute("UPDATE profile SET birth_date = '1980-05-17' WHERE id = $1", ana)
        await office.done(ana, ANONYMISE)
        row = await office.row(ana)

        assert (row["status"], row["lifecycle"], row["first_name"], row["last_name"], row["birth_date"]) == (
            *("ACTIVE", "ANONYMOUS", None, None),
            date(1980, 1, 1),
        )
        assert [await office.count(table) for table in ("contact_point", "identifier", "lookup", "note", "tombstone")] == [0] * 5

    async def test_what_happened_stays(self, office: Office) -> None:
        """Every activity is there, at its time, with its numbers; free text, accounts and addresses are not."""
        ana = await office.person()
        await office.happened(ana, {"total": 12.5, "paid": True, "address": {"city": "Oslo", "floor": 3}, "items": ["Lamp"]})
        talk = {"summary": "Words", "queue": "sales", "sentiment": "POSITIVE", "wrapUp": {"notes": "Words", "topic": "billing"}}
        await office.happened(ana, {**talk, "measures": {"hold": 3}, "attributes": {"plate": "AB 1"}}, kind="INTERACTION")
        await office.happened(ana, {"text": "Hello", "interaction": "ab"}, kind="MESSAGE")
        await office.done(ana, ANONYMISE)
        rows = await office.database.fetch("SELECT kind, occurred_at, type, account, detail FROM activity ORDER BY kind")

        assert [(row["kind"], row["detail"]) for row in rows] == [
            ("EXTERNAL", {"total": 12.5, "paid": True, "address": {"floor": 3}}),
            ("INTERACTION", {"queue": "sales", "sentiment": "POSITIVE", "wrapUp": {"topic": "billing"}, "measures": {"hold": 3}}),
            ("MESSAGE", {"interaction": "ab"}),
        ]
        assert {(row["occurred_at"], row["type"], row["account"]) for row in rows} == {(START, "Order Completed", None)}

    async def test_more_activities_than_a_page(self, office: Office) -> None:
        """A long history is walked to its end, of every profile that is the person."""
        ana, old = await office.person(), await office.person()
        await office.database.execute("UPDATE profile SET status = 'MERGED', merged_into = $2 WHERE id = $1", old, ana)
        for profile in (ana, old):
            await office.happened(profile, *({"text": f"words {number}"} for number in range(1500)))
        row = await office.done(ana, ANONYMISE)

        assert row["counts"]["activity"] == 3000
        assert await office.count("activity", detail={}) == 3000

    async def test_traits_by_the_registry(self, office: Office) -> None:
        """What the registry calls personal goes, and what describes the person and is not in it; figures and what is nobody's business stay."""
        ana = await office.person()
        for key, kind in (
            ("plan", "PROFILE"),
            ("allergy", "COMPUTED"),
            ("hobby", "PROFILE"),
            ("city", "DEMOGRAPHIC"),
            ("orders", "COMPUTED"),
        ):
            await office.database.execute(
                "INSERT INTO trait (workspace_id, profile_id, key, source, value, kind, observed_at) VALUES ($1, $2, $3, 'x', '1', $4, now())",
                *(office.workspace, ana, key, kind),
            )
        await office.done(ana, ANONYMISE)

        assert {row["key"] for row in await office.database.fetch("SELECT key FROM trait")} == {"plan", "orders"}

    async def test_the_audit_says_so(self, office: Office) -> None:
        """The entry is ERASED with the reason, and the profile's stream carries it; a second time changes nothing but that."""
        ana = await office.person()
        first, second = await office.done(ana, ANONYMISE), await office.done(ana, ANONYMISE)
        rows = await office.database.fetch("SELECT reason FROM change WHERE action = 'ERASED'")

        assert [row["reason"] for row in rows] == ["anonymised"] * 2
        assert first["counts"]["profile"] == 1
        assert second["counts"] == {}
