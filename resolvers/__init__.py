"""The GraphQL face of the gateway: descriptions and root fields. Imports `gateway`, never the reverse."""

__all__: list[str] = []
