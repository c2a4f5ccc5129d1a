"""Compiled, breadth-first execution of GraphQL operations over any schema; docs/engine.md explains it with an example.

Must not know Strawberry, a source or a transport. Called by `gateway.engine.executor`.
"""

__all__: list[str] = []
