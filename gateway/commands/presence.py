"""Saying that one looks at a profile, or edits it.

Owns who may say so and whose word it is: on a socket the socket's, elsewhere the subject's. Writes no history and logs nothing: see `live.presence`.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID, uuid5

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.auth.session import Session
from gateway.errors import Forbidden
from gateway.live.presence import Presence
from gateway.model.change import StreamKey
from gateway.model.configuration import Configuration, Feature

__all__ = ["set_viewing"]


async def set_viewing(
    presence: Presence, configuration: Configuration, principal: Principal, session: Session | None, profile_id: UUID, *, editing: bool
) -> bool:
    """The caller looks at this profile from now on and at no other; False when there is no such profile, and nothing changed.

    On a socket that ends with the socket. Without one it ends after 30 seconds unless it is said again.

    Raises:
        Forbidden: the scope is missing, or the workspace has the feature off.
    """
    require(principal, Action.READ_PROFILE)
    if Feature.PRESENCE not in configuration.features:
        raise Forbidden("Presence is switched off in this workspace.")
    stream = StreamKey(principal.workspace_id, profile_id)
    if session is None:
        alone = uuid5(principal.workspace_id, f"session:{principal.subject}")
        return await presence.view(stream, alone, principal.actor, editing=editing, renewed=False)
    session.on_close(presence, partial(presence.leave, session.id))
    return await presence.view(stream, session.id, principal.actor, editing=editing, renewed=True)
