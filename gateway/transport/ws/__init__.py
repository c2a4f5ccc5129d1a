"""GraphQL over WebSocket (`graphql-transport-ws`): `messages` → `protocol` (both without I/O) → `connection` → `endpoint`."""

__all__: list[str] = []
