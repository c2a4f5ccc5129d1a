"""Inputs that merge profiles."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry

from gateway.commands.merging import MergeRequest
from gateway.model.ids import parse_id
from resolvers.inputs.timeline import KeyValueInput

__all__ = ["MergeProfilesInput", "merge_request"]


@strawberry.input(description="Several profiles that are one person, 2 to 25 in all.")
class MergeProfilesInput:
    survivor_id: strawberry.ID = strawberry.field(description="The profile that stays.")
    merge_ids: list[strawberry.ID] = strawberry.field(description="The profiles that go into it; their ids go on working.")
    field_winners: list[KeyValueInput] | None = strawberry.field(
        default=None,
        description="Whose value wins: a field of Profile (firstName, birthDate and the like) or an attribute's key, and a profile's id. Without "
        "one the survivor's value stays, and gaps are filled from the others in order.",
    )
    reason: str | None = strawberry.field(default=None, description="Why; kept with the merge and in the audit.")

    def command(self) -> MergeRequest:
        """What the command takes."""
        return merge_request(self.survivor_id, self.merge_ids, self.field_winners, self.reason, "input.")


def merge_request(
    survivor_id: str, merge_ids: Sequence[str], winners: Sequence[KeyValueInput] | None, reason: str | None = None, place: str = ""
) -> MergeRequest:
    """A merge as asked for; BadUserInput for what is no id of a profile."""
    return MergeRequest(
        parse_id(survivor_id, "prf", f"{place}survivorId")[0],
        [parse_id(one, "prf", f"{place}mergeIds")[0] for one in merge_ids],
        [(one.key, one.value) for one in winners or ()],
        reason,
    )
