"""Who is asking, and what they may do.

`gate` turns a credential into an immutable `Principal`, with `tokens` (JWT), `keys` (API keys) and `workspaces` behind it; `policy` answers
every question about rights. Must not know transport or GraphQL. Called by commands, loaders, engine and the composition root.
"""

__all__: list[str] = []
