"""Pure values: what travels between storage, sources, commands and resolvers.

Owns the shapes of the domain (frozen, slotted, standard library only) and the pure rules that belong to one shape.
Must not import a driver, a framework or a GraphQL type. Called by every layer above.
"""

__all__: list[str] = []
