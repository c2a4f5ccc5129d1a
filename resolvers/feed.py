"""A page of the workspace feed, and the workspace's sources.

Owns who an id of the log is when the audit does not say, the cursors of the page, and which sources a workspace has. Called by
`resolvers.queries.feed`.
"""

from __future__ import annotations

from gateway.auth.policy import Action, require
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from gateway.model.actor import SYSTEM, Actor, ActorKind
from gateway.model.audit import ChangePage
from gateway.model.source import Source
from gateway.records.feed import open_position, read_feed, seal_position
from gateway.records.labels import write_key_labels

__all__ = ["MAX_FEED_PAGE", "feed_page", "sources_of"]

MAX_FEED_PAGE = 1000
"""Most changes of one page: who copies a workspace reads more at once than a screen shows."""
_KEY = "key:"


async def feed_page(context: OperationContext, after: str | None, first: int) -> ChangePage:
    """Changes behind the cursor in the order of transactions, none left out.

    Raises:
        Forbidden: without `history:export`.
        BadUserInput: `first` is not within 1 and 1 000.
        CursorInvalid: the cursor is not of this feed, or changes behind it may be gone.
    """
    require(context.principal, Action.EXPORT_HISTORY)
    if not 1 <= first <= MAX_FEED_PAGE:
        raise BadUserInput(f"first must be between 1 and {MAX_FEED_PAGE}; use the cursor for the next page.", argument="first")
    database, workspace = context.services.database, context.principal.workspace_id
    assert database is not None
    sealer = context.services.sealer

    def actor_of(actor_id: str) -> Actor:
        source = context.services.registry.seen_by(context.principal.workspace_key).described.get(actor_id)
        if source is not None:
            return Actor(source.key, source.display_name, ActorKind.SOURCE)
        if actor_id == SYSTEM.id:
            return SYSTEM
        return Actor(actor_id, actor_id, ActorKind.SOURCE if actor_id.startswith(_KEY) else ActorKind.AGENT)

    page = await read_feed(database, workspace, open_position(sealer, workspace, after), first, actor_of)
    places = {id(change): position for change, position in zip(page.changes, page.positions, strict=True)}
    return ChangePage(
        page.changes,
        lambda change: seal_position(sealer, workspace, places[id(change)]),
        page.has_more,
        after is not None,
        feed_cursor=seal_position(sealer, workspace, page.position),
        lag_seconds=page.lag_seconds,
    )


async def sources_of(context: OperationContext) -> list[Source]:
    """The sources that are there for the workspace, and those that its write keys name, as they stand; the highest priority first."""
    services, database = context.services, context.services.database
    assert database is not None
    registry = services.registry.seen_by(context.principal.workspace_key)
    # Only what is asked has a state; a write key's label may be named like a source of another workspace, of which nothing is told.
    known = {key: source if services.watch is None else services.watch.present(source) for key, source in registry.known().items()}
    for label in await write_key_labels(database, context.principal.workspace_id):
        known.setdefault(label, registry.labelled(label))
    return sorted(known.values(), key=lambda source: (-source.priority, source.key))
