"""From events to people: what the tracking API makes of identify, track, page, group and alias, in a real database."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from gateway.auth.keys import KeyKind
from gateway.auth.workspaces import Workspaces
from gateway.model.activity import ExternalActivity, Interaction, TimelineKind
from gateway.model.profile import Channel, ProfileLifecycle
from gateway.sources.contract import LookupKey

if TYPE_CHECKING:
    from .conftest import Ingest


class TestIdentify:
    """What is said of a person."""

    async def test_a_person_arrives_whole(self, ingest: Ingest) -> None:
        """Names, birthday, locale, contact points, identifiers and traits of every JSON kind are read back as they were sent."""
        traits = {
            "firstName": "Ana",
            "lastName": "Bell",
            "email": "Ana@Example.com",
            "phone": "020 7946 0018",
            "birthday": "1985-04-12",
            "plan": "gold",
            "lifetimeValue": 12.5,
            "tags": ["a"],
            "grid": [[1, 2], [3, 4]],
            "address": {"city": "York"},
            "subscribed": False,
            "empty": [],
        }
        ids = [{"id": "c-9", "type": "crmContactId", "collection": "users"}]
        context = {"locale": "en-GB", "timezone": "Europe/London", "externalIds": ids}
        answer = await ingest.send(ingest.message("identify", userId="u-1", anonymousId="a-1", traits=traits, context=context))
        owner = await ingest.owner("user_id", "u-1")
        profile, contacts = await ingest.profile(owner), await ingest.contacts(owner)

        assert answer == {"success": True, "accepted": 1, "duplicates": 0, "ignored": [], "rejected": [], "warnings": []}
        assert (profile.first_name, profile.last_name, profile.birth_date) == ("Ana", "Bell", date(1985, 4, 12))
        assert (profile.locale, profile.time_zone, profile.lifecycle) == ("en-GB", "Europe/London", ProfileLifecycle.PROSPECT)
        assert {(point.channel, point.raw, point.normalized) for point in contacts.points} == {
            (Channel.EMAIL, "Ana@Example.com", "ana@example.com"),
            (Channel.VOICE, "020 7946 0018", "+442079460018"),
        }
        found = {(identifier.type, identifier.normalized) for identifier in contacts.identifiers}
        assert found == {("user_id", "u-1"), ("crm_contact_id", "c-9"), ("anonymous_id", "a-1")}
        assert await ingest.traits(owner) == {
            "plan": "gold",
            "lifetime_value": 12.5,
            "tags": ["a"],
            "grid": [[1, 2], [3, 4]],
            "address": {"city": "York"},
            "subscribed": False,
            "empty": [],
        }

    async def test_a_later_identify_changes_what_it_says(self, ingest: Ingest) -> None:
        """What a second identify does not say stays, and spellings of one trait are one trait."""
        await ingest.send(ingest.message("identify", userId="u", traits={"name": "Ana Bell", "lifetimeValue": 1, "plan": "gold"}))
        await ingest.send(ingest.message("identify", userId="u", traits={"lastName": "Cole", "lifetime_value": 2, "plan": None}))
        owner = await ingest.owner("user_id", "u")
        profile = await ingest.profile(owner)

        assert (profile.first_name, profile.last_name) == ("Ana", "Cole")
        assert await ingest.traits(owner) == {"lifetime_value": 2, "plan": "gold"}

    async def test_an_old_identify_that_arrives_late(self, ingest: Ingest, now: datetime) -> None:
        """A trait keeps its later observation, in whatever order the two arrive."""
        late = (now - timedelta(days=1)).isoformat()
        await ingest.send(ingest.message("identify", userId="u", traits={"plan": "gold"}))
        await ingest.send(ingest.message("identify", userId="u", traits={"plan": "silver"}, timestamp=late))

        assert await ingest.traits(await ingest.owner("user_id", "u")) == {"plan": "gold"}


class TestResolution:
    """Whose event it is."""

    async def test_an_anonymous_visitor_becomes_known(self, ingest: Ingest) -> None:
        """A visitor who signs in stays one profile, with all that happened before."""
        await ingest.send(ingest.message("track", anonymousId="a", event="Product Viewed"))
        visitor = await ingest.owner("anonymous_id", "a")
        assert (await ingest.profile(visitor)).lifecycle is ProfileLifecycle.ANONYMOUS
        await ingest.send(ingest.message("identify", userId="u", anonymousId="a", traits={"firstName": "Ana"}))

        assert await ingest.owner("user_id", "u") == visitor
        assert await ingest.count("profile") == 1
        assert (await ingest.profile(visitor)).lifecycle is ProfileLifecycle.PROSPECT
        assert [item.type for item in await ingest.timeline(visitor)] == ["Product Viewed"]

    async def test_all_within_one_batch(self, ingest: Ingest) -> None:
        """The same holds when visit, sign-in and a second person on the same device come in one batch."""
        await ingest.send(
            ingest.message("track", anonymousId="a", event="Product Viewed"),
            ingest.message("identify", userId="u1", anonymousId="a"),
            ingest.message("identify", userId="u2", anonymousId="a"),
            ingest.message("track", userId="u2", event="Order Completed"),
        )
        first, second = await ingest.owner("user_id", "u1"), await ingest.owner("user_id", "u2")

        assert await ingest.count("profile") == 2
        assert await ingest.owner("anonymous_id", "a") == first
        assert [[item.type for item in await ingest.timeline(owner)] for owner in (first, second)] == [
            ["Product Viewed"],
            ["Order Completed"],
        ]

    async def test_a_shared_device(self, ingest: Ingest) -> None:
        """Another user on a known user's device is another profile; the device stays with the first."""
        await ingest.send(ingest.message("identify", userId="u1", anonymousId="a"))
        await ingest.send(ingest.message("identify", userId="u2", anonymousId="a"))

        assert await ingest.owner("user_id", "u1") != await ingest.owner("user_id", "u2")
        assert await ingest.owner("anonymous_id", "a") == await ingest.owner("user_id", "u1")

    async def test_an_email_finds_somebody_without_a_user_id(self, ingest: Ingest) -> None:
        """A user whose e-mail exactly one visitor has is that visitor."""
        await ingest.send(ingest.message("identify", anonymousId="a", traits={"email": "ana@example.com"}))
        await ingest.send(ingest.message("identify", userId="u", traits={"email": "ANA@example.com"}))

        assert await ingest.owner("user_id", "u") == await ingest.owner("anonymous_id", "a")

    async def test_an_email_does_not_join_two_users(self, ingest: Ingest) -> None:
        """Two user ids with one e-mail are two profiles, both found by it."""
        await ingest.send(ingest.message("identify", userId="u1", traits={"email": "family@example.com"}))
        await ingest.send(ingest.message("identify", userId="u2", traits={"email": "family@example.com"}))

        assert len(await ingest.found_by_email("family@example.com")) == 2

    async def test_an_email_of_a_known_user_is_not_enough(self, ingest: Ingest) -> None:
        """A visitor who types a known user's e-mail is not that user."""
        await ingest.send(ingest.message("identify", userId="u", traits={"email": "ana@example.com"}))
        await ingest.send(ingest.message("identify", anonymousId="a", traits={"email": "ana@example.com"}))

        assert await ingest.owner("anonymous_id", "a") != await ingest.owner("user_id", "u")

    async def test_an_email_of_two_finds_nobody(self, ingest: Ingest) -> None:
        """An e-mail that two profiles have says nothing about a third."""
        await ingest.send(ingest.message("identify", userId="u1", traits={"email": "x@example.com"}))
        await ingest.send(ingest.message("identify", userId="u2", traits={"email": "x@example.com"}))
        await ingest.send(ingest.message("identify", anonymousId="a", traits={"email": "x@example.com"}))

        assert len(await ingest.found_by_email("x@example.com")) == 3

    async def test_concurrent_batches_of_one_new_user(self, ingest: Ingest) -> None:
        """Ten batches that meet the same new users at the same moment make one profile each, and lose nothing."""
        users = [f"u{n}" for n in range(5)]

        def batch(n: int) -> list[dict[str, object]]:
            ordered = users if n % 2 else users[::-1]
            events = [ingest.message("identify", userId=user, anonymousId=f"a-{user}", traits={f"t{n}": n}) for user in ordered]
            return [*events, *(ingest.message("track", userId=user, event="x") for user in ordered)]

        answers = await asyncio.gather(*(ingest.send(*batch(n)) for n in range(10)))

        assert [answer["accepted"] for answer in answers] == [10] * 10
        assert await ingest.count("profile") == 5
        for user in users:
            owner = await ingest.owner("user_id", user)
            assert owner == await ingest.owner("anonymous_id", f"a-{user}")
            assert len(await ingest.timeline(owner)) == len(await ingest.traits(owner)) == 10

    @pytest.mark.parametrize("by", ["device", "email"])
    async def test_several_users_claim_one_visitor_at_once(self, ingest: Ingest, by: str) -> None:
        """When three users sign in as the same visitor at the same moment one of them is the visitor; none are joined."""
        for n in range(8):  # the moment is short
            email = {"email": f"ana{n}@example.com"}
            await ingest.send(ingest.message("identify", anonymousId=f"a{n}", traits=email))
            known: dict[str, object] = {"anonymousId": f"a{n}"} if by == "device" else {"traits": email}
            users = [f"u{n}-{k}" for k in range(3)]
            await asyncio.gather(*(ingest.send(ingest.message("identify", userId=user, **known)) for user in users))

            assert len({await ingest.owner("user_id", user) for user in users}) == 3

    async def test_an_email_that_everybody_has(self, ingest: Ingest) -> None:
        """A placeholder e-mail of twelve thousand profiles neither finds anybody nor hides who the others of the batch are."""
        await ingest.send(ingest.message("identify", userId="u"))
        await ingest.database.execute(
            "INSERT INTO lookup SELECT $1, 'email', 'all@example.com', gen_random_uuid(), false FROM generate_series(1, 12000)",
            ingest.workspace,
        )
        events = [
            ingest.message("identify", anonymousId="a", traits={"email": "all@example.com"}),
            ingest.message("track", userId="u", event="x"),
        ]

        assert (await ingest.send(*events))["accepted"] == 2
        assert await ingest.count("profile") == 2

    async def test_any_event_makes_a_visitor_known(self, ingest: Ingest) -> None:
        """A visitor who gets a user id by a track or an alias is no longer anonymous."""
        await ingest.send(*(ingest.message("track", anonymousId=visitor, event="x") for visitor in "ab"))
        await ingest.send(
            ingest.message("track", anonymousId="a", userId="u", event="x"), ingest.message("alias", previousId="b", userId="v")
        )
        profiles = [await ingest.profile(await ingest.owner("user_id", user)) for user in "uv"]

        assert [profile.lifecycle for profile in profiles] == [ProfileLifecycle.PROSPECT] * 2

    async def test_concurrent_first_contacts_and_companies(self, ingest: Ingest) -> None:
        """E-mails and companies that reach one profile at the same moment are all kept, and one of each is the first."""
        for user in ("u1", "u2", "u3"):
            await ingest.send(ingest.message("identify", userId=user))

            def batch(n: int, user: str = user) -> list[dict[str, object]]:
                email = {"email": f"{user}.{n}@example.com"}
                return [ingest.message("identify", userId=user, traits=email), ingest.message("group", userId=user, groupId=f"g{n}")]

            await asyncio.gather(*(ingest.send(*batch(n)) for n in range(4)))
            owner = await ingest.owner("user_id", user)
            (memberships,) = await ingest.native.memberships(ingest.workspace, [owner])
            assert not isinstance(memberships, Exception)

            assert sorted(point.is_primary for point in (await ingest.contacts(owner)).points) == [False, False, False, True]
            assert sorted(member.is_main for member in memberships) == [False, False, False, True]

    async def test_workspaces_are_apart(self, ingest: Ingest) -> None:
        """The same user id under a key of another workspace is another person, and invisible here."""
        await Workspaces(ingest.database).ensure("other", "Other")
        other = await ingest.keyring.create("other", KeyKind.WRITE)
        message = ingest.message("identify", userId="u", traits={"plan": "gold"})
        await ingest.post({"batch": [message]}, auth=(other, ""))
        assert await ingest.owners("user_id", "u") == []

        assert (await ingest.send(message))["accepted"] == 1
        assert await ingest.count("profile") == 2


class TestAlias:
    """Two ids, one person."""

    async def test_a_visitor_gets_a_user_id(self, ingest: Ingest) -> None:
        """The profile of a visitor becomes the user's."""
        await ingest.send(ingest.message("track", anonymousId="a", event="x"))
        answer = await ingest.send(ingest.message("alias", previousId="a", userId="u"))

        assert (answer["accepted"], answer["warnings"]) == (1, [])
        assert await ingest.owner("user_id", "u") == await ingest.owner("anonymous_id", "a")

    async def test_a_user_gets_an_unknown_id(self, ingest: Ingest) -> None:
        """A previous id nobody has becomes one of the user's."""
        await ingest.send(ingest.message("identify", userId="u"))
        answer = await ingest.send(ingest.message("alias", previousId="a", userId="u"))

        assert answer["warnings"] == []
        assert await ingest.owner("anonymous_id", "a") == await ingest.owner("user_id", "u")

    async def test_two_people_stay_two(self, ingest: Ingest) -> None:
        """Two known profiles are not merged; the sender hears of it, whatever kind of id the previous one was."""
        await ingest.send(ingest.message("identify", userId="u1", anonymousId="a"), ingest.message("identify", userId="u2"))
        aliases = [ingest.message("alias", previousId=previous, userId="u2") for previous in ("a", "u1", "new")]
        answer = await ingest.send(*aliases)

        assert (answer["success"], answer["accepted"]) == (True, 3)
        assert [(warning["index"], warning["messageId"]) for warning in answer["warnings"]] == [
            (0, aliases[0]["messageId"]),
            (1, aliases[1]["messageId"]),
        ]
        assert await ingest.owner("anonymous_id", "a") == await ingest.owner("user_id", "u1") != await ingest.owner("user_id", "u2")


class TestTimeline:
    """What happened."""

    async def test_tracks_pages_and_conversations(self, ingest: Ingest, now: datetime) -> None:
        """Each call is one item at its own moment, of its own kind, readable with all its parts."""
        moments = [now - timedelta(hours=hours) for hours in (4, 3, 2, 1)]
        at = [moment.isoformat() for moment in moments]
        call = {"channel": "voice", "startedAt": at[2], "endedAt": at[3], "agent": {"id": "ag-1", "name": "Kim"}, "sentiment": "negative"}
        await ingest.send(
            ingest.message("screen", userId="u", name="Cart", timestamp=at[1]),
            ingest.message("track", userId="u", event="Order Completed", properties={"total": 5, "account": "acme"}, timestamp=at[3]),
            ingest.message("page", userId="u", timestamp=at[0], context={"page": {"url": "https://a.example/", "title": "Home"}}),
            ingest.message("track", userId="u", event="Engagement Completed", properties=call),
        )
        page, screen, conversation, order = await ingest.timeline(await ingest.owner("user_id", "u"))

        assert [item.occurred_at for item in (page, screen, conversation, order)] == moments
        assert isinstance(page, ExternalActivity)
        assert (page.kind, page.type, page.title) == (TimelineKind.WEB, "Page Viewed", "Viewed Home")
        assert (screen.kind, screen.type) == (TimelineKind.WEB, "Screen Viewed")
        assert isinstance(order, ExternalActivity)
        assert (order.type, order.account, order.properties) == ("Order Completed", "acme", {"total": 5, "account": "acme"})
        assert isinstance(conversation, Interaction)
        assert (conversation.channel, conversation.duration_seconds, conversation.source.key) == (Channel.VOICE, 3600, "tracking")
        assert conversation.agent is not None
        assert conversation.agent.display_name == "Kim"

    async def test_each_item_is_one_change(self, ingest: Ingest) -> None:
        """Every event is logged in the stream of its profile once, so that whoever listens sees it."""
        await ingest.send(*(ingest.message("track", userId="u", event="x") for _ in range(3)))
        owner = await ingest.owner("user_id", "u")
        kinds = await ingest.database.fetch("SELECT kind FROM change_log WHERE stream_id = $1 ORDER BY seq", owner)

        assert [row["kind"] for row in kinds] == [1, 2, 2, 2]

    async def test_old_and_new_events(self, ingest: Ingest, now: datetime) -> None:
        """An event of 1970 and one of an hour from now are both kept."""
        ahead = (now + timedelta(hours=1)).isoformat()
        answer = await ingest.send(
            ingest.message("track", userId="u", event="old", timestamp="1970-01-01T00:00:00Z"),
            ingest.message("track", userId="u", event="new", timestamp=ahead),
        )

        assert answer["accepted"] == 2
        assert [item.type for item in await ingest.timeline(await ingest.owner("user_id", "u"))] == ["old", "new"]


class TestGroup:
    """The company."""

    async def test_a_company(self, ingest: Ingest) -> None:
        """A group makes the company and the membership; the first is the main one; a later group renames it."""
        await ingest.send(
            ingest.message("group", userId="u", groupId="g1", traits={"name": "Acme", "website": "https://www.acme.example"}),
            ingest.message("group", userId="u", groupId="g2", traits={"name": "Other"}),
        )
        await ingest.send(ingest.message("group", anonymousId="a", groupId="g1", traits={"name": "Acme Ltd", "tags": ["x"]}))
        companies = await self.companies(ingest, await ingest.owner("user_id", "u"))

        assert companies == [("Acme Ltd", "acme.example", True), ("Other", None, False)]
        assert await self.companies(ingest, await ingest.owner("anonymous_id", "a")) == [("Acme Ltd", "acme.example", True)]

    @staticmethod
    async def companies(ingest: Ingest, owner: UUID) -> list[tuple[str, str | None, bool]]:
        """Name, domain and whether it is the main one."""
        (found,) = await ingest.native.memberships(ingest.workspace, [owner])
        assert not isinstance(found, Exception)
        return [(member.company.name, member.company.domain, member.is_main) for member in found]


class TestRepeats:
    """Each message counts once."""

    async def test_a_batch_sent_twice(self, ingest: Ingest) -> None:
        """A batch that is sent again changes nothing and is answered with success."""
        events = [ingest.message("track", userId="u", event="x"), ingest.message("identify", userId="u", traits={"a": 1})]
        first, again = await ingest.send(*events), await ingest.send(*events)

        assert (first["accepted"], first["duplicates"]) == (2, 0)
        assert (again["success"], again["accepted"], again["duplicates"]) == (True, 0, 2)
        assert len(await ingest.timeline(await ingest.owner("user_id", "u"))) == 1

    async def test_twice_in_one_batch(self, ingest: Ingest) -> None:
        """Of two events with one message id the first counts."""
        answer = await ingest.send(
            {"type": "track", "messageId": "m", "userId": "u", "event": "first"},
            {"type": "track", "messageId": "m", "userId": "u", "event": "second"},
        )

        assert (answer["accepted"], answer["duplicates"]) == (1, 1)
        assert [item.type for item in await ingest.timeline(await ingest.owner("user_id", "u"))] == ["first"]

    async def test_a_batch_sent_twice_at_once(self, ingest: Ingest) -> None:
        """Two copies of a batch that arrive together are taken in once."""
        events = [ingest.message("track", userId=f"u{n}", event="x") for n in range(50)]
        answers = await asyncio.gather(*(ingest.send(*events) for _ in range(4)))

        assert sum(answer["accepted"] for answer in answers) == 50
        assert sum(answer["duplicates"] for answer in answers) == 150
        assert await ingest.count("activity") == 50

    async def test_each_source_has_its_own_ids(self, ingest: Ingest) -> None:
        """The same message id from another source is another message, of the same person."""
        other = await ingest.keyring.create("demo", KeyKind.WRITE, source="web-shop")
        message = ingest.message("track", userId="u", event="x")
        await ingest.send(message)
        answer = (await ingest.post({"batch": [message]}, auth=(other, ""))).json()
        items = await ingest.timeline(await ingest.owner("user_id", "u"))

        assert answer["accepted"] == 1
        assert sorted(item.source.key for item in items) == ["tracking", "web-shop"]

    async def test_a_large_batch(self, ingest: Ingest) -> None:
        """2 500 events of as many people, several transactions, arrive completely."""
        answer = await ingest.send(*({"type": "track", "messageId": f"b{n}", "userId": f"p{n}", "event": "x"} for n in range(2500)))

        assert (answer["success"], answer["accepted"]) == (True, 2500)
        assert await ingest.count("activity") == await ingest.count("profile") == 2500
        (found,) = await ingest.native.resolve(ingest.workspace, [LookupKey("user_id", "p2499")])
        assert not isinstance(found, Exception)
        assert len(found) == 1
