"""The gateway's own records: what no source federates (contacts, layouts, merges, the audit), read from Postgres, one file per noun."""

__all__: list[str] = []
