"""Mutations by noun. Each field hands its input to one command and shows what came of it; `resolvers.mutation` joins them."""

__all__: list[str] = []
