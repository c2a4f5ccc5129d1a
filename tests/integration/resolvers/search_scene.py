"""A registry with search keys of every kind, what a search answers, and a look through everything that is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.commands.facade import Commands
from gateway.model.source import Source
from gateway.sources.registry import BUILT_IN
from gateway.vault import Vault

from .conftest import Graph

__all__ = ["REGISTRY", "SEARCH", "SSN", "found", "search", "traces", "with_secrets"]

REGISTRY = """
[attributes.define.ssn]
name = "Social security number"
identifier = true
sensitivity = "SENSITIVE"
position = 1

[attributes.define.tier]
name = "Loyalty tier"
type = "SELECT"
options = ["Gold", "Silver"]
search_key = true
sensitivity = "PUBLIC"
position = 2

[attributes.define.badge]
name = "Badge"
search_key = true
sensitivity = "PERSONAL"
position = 3

[attributes.define.passphrase]
name = "Passphrase"
search_key = true
sensitivity = "SENSITIVE"
position = 4

[attributes.define.children]
name = "Children"
type = "NUMBER"
search_key = true
position = 5
"""

SSN = "078-05-1120"

SEARCH = """query ($keys: [SearchKeyInput!], $operator: BooleanOperator! = AND, $text: String, $first: Int! = 20, $after: String) {
  searchProfiles(keys: $keys, operator: $operator, text: $text, first: $first, after: $after) {
    edges { cursor score matchedOn { key displayValue } node { id displayName } }
    nodes { id displayName identifiers { type value mask } }
    pageInfo { hasNextPage endCursor } totalCount totalCountIsExact } }"""


async def search(graph: Graph, *keys: tuple[str, list[str]], principal: Any = None, **more: Any) -> dict[str, Any]:
    """What a search by keys answers."""
    variables = {**({"keys": [{"key": key, "values": values} for key, values in keys]} if keys else {}), **more}
    answer: dict[str, Any] = await graph.data(SEARCH, variables, principal)
    return answer


async def found(graph: Graph, *keys: tuple[str, list[str]], principal: Any = None, **more: Any) -> list[str]:
    """Display names of what a search found, in its order."""
    return [edge["node"]["displayName"] for edge in (await search(graph, *keys, principal=principal, **more))["edges"]]


async def traces(graph: Graph, text: str) -> list[str]:
    """Every table that holds this text anywhere in any row, in any column, also inside bytes."""
    database = graph.runtime.database
    tables = await database.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )
    seen = []
    for table in tables:
        count = await database.fetchval(
            f"SELECT count(*) FROM {table['name']} t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0",
            text,
        )
        if count:
            seen.append(table["name"])
    return seen


def with_secrets(graph: Graph, *secrets: bytes) -> Graph:
    """The same gateway after a restart with these secrets, newest first."""
    runtime = graph.runtime
    services, vault = runtime.services, Vault(secrets)
    source: Source = BUILT_IN[0]
    commands = Commands(runtime.writer, source, services.default_region, services.configurations, vault)
    return replace(graph, runtime=replace(runtime, services=replace(services, commands=commands, vault=vault)))
