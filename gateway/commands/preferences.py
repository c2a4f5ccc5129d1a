"""An agent's own choice: which attributes stay in sight.

Owns the rules of that list: it is replaced as a whole. Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.attributes import key_problem
from gateway.commands.dependencies import Dependencies
from gateway.commands.unit import Receipt, Retry, Unit
from gateway.errors import Problem, Rejected
from gateway.model.configuration import Configuration
from gateway.storage.queries import SQL

__all__ = ["MOST_VISIBLE", "PreferenceCommands"]

MOST_VISIBLE = 100


class PreferenceCommands:
    """The commands on preferences."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def set_visible_attributes(self, principal: Principal, keys: Sequence[str], expected_version: int | None) -> Receipt:
        """Replace the viewer's list; the same list again is no change. Version 0 is that of somebody who never chose.

        Raises:
            Forbidden: without `profile:read`.
            Rejected: LIMIT_EXCEEDED, INVALID (a key twice, or one that is not defined where only those are), STALE_VERSION.
        """
        require(principal, Action.READ_PROFILE)
        problems = _problems(self._dependencies.configurations.of(principal.workspace_key), keys)
        if problems:
            raise Rejected(*problems)
        wanted = list(keys)

        async def work(unit: Unit) -> Receipt:
            row = await unit.fetchrow("lock_preference", principal.subject)
            version = 0 if row is None else row["version"]
            if expected_version is not None and expected_version != version:
                message = f"Your choice was changed meanwhile (version {version} now); look at it and try again."
                raise Rejected(Problem("STALE_VERSION", message, ("expectedVersion",), current_version=version))
            if row is None:
                if await unit.fetchrow("insert_preference", principal.subject, wanted) is None:
                    raise Retry  # the same agent was faster in another window
            elif row["visible"] != wanted:
                await unit.connection.execute(SQL["update_preference"], unit.workspace, principal.subject, wanted)
            return Receipt()

        return await self._dependencies.writer.run(principal, work)


def _problems(configuration: Configuration, keys: Sequence[str]) -> list[Problem]:
    if len(keys) > MOST_VISIBLE:
        return [Problem("LIMIT_EXCEEDED", f"At most {MOST_VISIBLE} attributes can be kept in sight.", ("keys",))]
    problems = []
    for index, key in enumerate(keys):
        wrong = key_problem(key)
        if wrong is None and key in keys[:index]:
            wrong = "The attribute is in the list already."
        if wrong is None and configuration.strict_attributes and key not in configuration.by_key:
            wrong = "There is no attribute of this key; attributeDefinitions lists those there are."
        if wrong is not None:
            problems.append(Problem("INVALID", wrong, ("keys", str(index))))
    return problems
