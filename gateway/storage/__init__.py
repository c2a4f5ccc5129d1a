"""Postgres: connections, named SQL, migrations and the embedded server. Knows rows, not what they mean."""

__all__: list[str] = []
