"""Record activities through GraphQL: the same way in as the tracking API, for callers who know the profile.

Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action, may
from gateway.auth.principal import Principal
from gateway.commands.denied import DENIED, denied
from gateway.commands.insights import ConsentSignal
from gateway.commands.tracking import Activity, Event, take_in, understood
from gateway.commands.unit import Writer
from gateway.commands.validation import json_problem, text_problem
from gateway.errors import BadUserInput, Problem, Rejected
from gateway.model.activity import TimelineKind
from gateway.model.configuration import Configuration

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
    writer: Writer, principal: Principal, source: str, activities: Sequence[NewActivity], configuration: Configuration
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
        forbidden = _denied(configuration, given)
        if forbidden is not None:
            problems.append(Problem(DENIED, forbidden[1], ("activities", str(index), forbidden[0])))
            continue
        assert isinstance(given.profile, UUID)
        activity = Activity(TimelineKind.EXTERNAL, given.type.strip(), given.properties or {}, given.account)
        try:
            activity, signal = understood(activity)
        except Rejected as refused:
            problems += [Problem(one.code, one.message, ("activities", str(index), *(one.path or ()))) for one in refused.problems]
            continue
        if isinstance(signal, ConsentSignal) and not may(principal, Action.SET_CONSENT):
            problems.append(Problem("FORBIDDEN", "To record a consent takes the scope profile:write.", ("activities", str(index), "type")))
            continue
        events.append(Event(given.message_id, given.occurred_at, (), profile_id=given.profile, activity=activity, signal=signal))
    taken = await take_in(writer, principal, source, events, Action.RECORD_ACTIVITIES)
    for index, given in enumerate(activities):
        if given.message_id in taken.ignored:
            problems.append(Problem("NOT_FOUND", "There is no such profile.", ("activities", str(index), "profile")))
    return taken.accepted, taken.duplicates, problems


def moment_problem(at: datetime) -> str | None:
    """Why something cannot have happened at that moment."""
    if at < EARLIEST:
        return "It cannot have happened before 1970."
    if at > datetime.now(UTC) + LATEST_AHEAD:
        return "It lies more than a day in the future; check the sender's clock."
    return None


def _denied(configuration: Configuration, given: NewActivity) -> tuple[str, str] | None:
    """The field that must not be stored, and why."""
    for name, value in (("type", given.type), ("account", given.account), ("properties", given.properties)):
        message = denied(configuration, value)
        if message is not None:
            return name, message
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
