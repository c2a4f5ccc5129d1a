"""Pages of interests and of the catalogue of topics.

Owns what their cursors hold: of interests the score, the topic and the source, of topics the name. Called by `types.profile_insights` and
`queries.insight`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput, CursorInvalid
from gateway.model.configuration import Feature
from gateway.model.insight import Interest, InterestTopic
from gateway.model.page import Connection, PageArgs
from gateway.records.insights import InterestWindow, TopicWindow, interest_topics

__all__ = ["interest_page", "topic_page"]

_LONGEST_SEARCH = 128
_PLACE = 3


def interest_page(
    context: OperationContext, page: PageArgs, category: str | None
) -> tuple[InterestWindow, Callable[[Sequence[Interest]], Connection[Interest]]]:
    """The window to read, and a function from what was read of one profile to its page.

    Raises:
        BadUserInput: the category cannot be one.
        CursorInvalid: the cursor is none of a list of interests.
    """
    sealer, purpose = context.services.sealer, b"interests" + context.principal.workspace_id.bytes
    place = None
    if page.after is not None:
        found = orjson.loads(sealer.open(purpose, page.after))
        if not isinstance(found, list) or len(found) != _PLACE:
            raise CursorInvalid
        place = (float(found[0]), str(found[1]), str(found[2]))

    def cursor_of(interest: Interest) -> str:
        return sealer.seal(purpose, orjson.dumps([interest.score, interest.topic, interest.source_key]))

    def show(interests: Sequence[Interest]) -> Connection[Interest]:
        return Connection(interests[: page.limit], cursor_of, len(interests) > page.limit, place is not None)

    return InterestWindow(page.limit + 1, _word(category, "category"), place), show


async def topic_page(context: OperationContext, page: PageArgs, search: str | None, category: str | None) -> Connection[InterestTopic]:
    """A page of the workspace's topics by name.

    Raises:
        BadUserInput: search or category are too long, or cannot be stored as text.
        CursorInvalid: the cursor is none of a list of topics.
    """
    sealer, purpose = context.services.sealer, b"topics" + context.principal.workspace_id.bytes
    after = None if page.after is None else sealer.open(purpose, page.after).decode()
    window = TopicWindow(page.limit + 1, _word(search, "search"), _word(category, "category"), after)
    assert context.services.database is not None
    if Feature.INSIGHTS not in context.configuration.features:
        return Connection((), lambda topic: topic.topic)
    topics = await interest_topics(context.services.database, context.principal.workspace_id, window)
    return Connection(
        topics[: page.limit],
        lambda topic: sealer.seal(purpose, topic.topic.encode()),
        len(topics) > page.limit,
        after is not None,
    )


def _word(text: str | None, argument: str) -> str | None:
    """A word to look for, without surrounding blanks; none when it is blank."""
    if text is None:
        return None
    if len(text) > _LONGEST_SEARCH or "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadUserInput(f"{argument} is a text of at most {_LONGEST_SEARCH} characters.", argument=argument)
    return text.strip() or None
