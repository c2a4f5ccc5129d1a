"""Node, pages and errors: the shapes that every other type leans on."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers.types.enums import UserErrorCode

__all__ = ["DuplicateIdentifierError", "InputError", "Node", "PageInfo", "StaleVersionError", "UserError"]


@strawberry.interface(description="Anything that can be fetched again by its id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque and stable; pass it on as it was given.")


@strawberry.type(description="Where a page lies in its list (Relay).")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more items follow the page.")
    has_previous_page: bool = strawberry.field(description="Whether items precede the page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the page's first item.")
    end_cursor: str | None = strawberry.field(description="Cursor of the page's last item.")


_MESSAGE = "For a person, in English."
_PATH = "The input field that is meant, from `input` downwards."
_CODE = "For a program."


@strawberry.interface(description="Expected, domain-level failure. System failures stay in the top-level errors array.")
class UserError:
    message: str = strawberry.field(description=_MESSAGE)
    path: list[str] | None = strawberry.field(description=_PATH)
    code: UserErrorCode = strawberry.field(description=_CODE)


@strawberry.type(description="An input that cannot be taken.")
class InputError(UserError):
    message: str = strawberry.field(description=_MESSAGE)
    path: list[str] | None = strawberry.field(description=_PATH)
    code: UserErrorCode = strawberry.field(description=_CODE)


@strawberry.type(description="Somebody changed the entity since you read it.")
class StaleVersionError(UserError):
    message: str = strawberry.field(description=_MESSAGE)
    path: list[str] | None = strawberry.field(description=_PATH)
    code: UserErrorCode = strawberry.field(description=_CODE)
    current_version: int = strawberry.field(description="The version as it is now.")
    current: Node | None = strawberry.field(description="The entity as it is now.")


@strawberry.type(description="Another profile has the identifier.")
class DuplicateIdentifierError(UserError):
    message: str = strawberry.field(description=_MESSAGE)
    path: list[str] | None = strawberry.field(description=_PATH)
    code: UserErrorCode = strawberry.field(description=_CODE)
    existing: Annotated[Profile, strawberry.lazy("resolvers.types.profile")] | None = strawberry.field(  # type: ignore[name-defined]  # noqa: F821
        description="The profile that has it, if you may see it."
    )
