"""Record activities through GraphQL: the same way in as the tracking API, for callers who know the profile.

Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action
from gateway.auth.principal import Principal
from gateway.commands.tracking import Activity, Event, take_in
from gateway.commands.unit import Writer
from gateway.commands.validation import json_problem, text_problem
from gateway.errors import BadUserInput, Problem
from gateway.model.activity import TimelineKind

__all__ = ["EARLIEST", "LATEST_AHEAD", "MAX_ACTIVITIES", "NewActivity", "moment_problem", "record_activities"]

MAX_ACTIVITIES = 1000
_LONGEST_TYPE = 128
_LONGEST_MESSAGE_ID = 255
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_AHEAD: Final = timedelta(days=1)
"""How far a sender's clock may run ahead."""


@dataclass(frozen=True, slots=True)
class NewActivity:
    """One activity; `profile` is None when the reference found nobody, and the error when it cannot be one."""

    profile: UUID | BadUserInput | None
    type: str
    occurred_at: datetime
    message_id: str
    account: str | None
    properties: Any


async def record_activities(
    writer: Writer, principal: Principal, source: str, activities: Sequence[NewActivity]
) -> tuple[int, int, list[Problem]]:
    """Record what is valid; the counts of new and repeated ones, and a problem for each that was refused.

    Raises:
        Forbidden: without `activity:write`.
    """
    events: list[Event] = []
    problems: list[Problem] = []
    if len(activities) > MAX_ACTIVITIES:
        return 0, 0, [Problem("LIMIT_EXCEEDED", f"At most {MAX_ACTIVITIES} activities at once.", ("activities",))]
    for index, given in enumerate(activities):
        wrong = _problem(given)
        if wrong is not None:
            code, message, name = wrong
            problems.append(Problem(code, message, ("activities", str(index), name)))
            continue
        assert isinstance(given.profile, UUID)
        activity = Activity(TimelineKind.EXTERNAL, given.type.strip(), given.properties or {}, given.account)
        events.append(Event(given.message_id, given.occurred_at, (), profile_id=given.profile, activity=activity))
    accepted, duplicates = await take_in(writer, principal, source, events, Action.RECORD_ACTIVITIES)
    return accepted, duplicates, problems


def moment_problem(at: datetime) -> str | None:
    """Why something cannot have happened at that moment."""
    if at < EARLIEST:
        return "It cannot have happened before 1970."
    if at > datetime.now(UTC) + LATEST_AHEAD:
        return "It lies more than a day in the future; check the sender's clock."
    return None


def _problem(given: NewActivity) -> tuple[str, str, str] | None:
    if given.profile is None:
        return "NOT_FOUND", "There is no such profile.", "profile"
    if isinstance(given.profile, BadUserInput):
        return "INVALID", given.profile.message, "profile"
    if not given.type.strip():
        return "REQUIRED", "An activity needs a type.", "type"
    for name, value, longest in (
        ("type", given.type, _LONGEST_TYPE),
        ("messageId", given.message_id, _LONGEST_MESSAGE_ID),
        ("account", given.account or "", _LONGEST_TYPE),
    ):
        wrong = text_problem(value, longest)
        if wrong:
            return "INVALID", wrong, name
    if not given.message_id:
        return "REQUIRED", "An activity needs a messageId, so that sending it twice records it once.", "messageId"
    when = moment_problem(given.occurred_at)
    if when:
        return "INVALID", when, "occurredAt"
    if not isinstance(given.properties, dict | None):
        return "INVALID", "properties is a JSON object.", "properties"
    wrong = json_problem(given.properties)
    return ("INVALID", wrong, "properties") if wrong else None
