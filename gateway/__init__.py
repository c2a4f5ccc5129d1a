"""Profile Gateway: one GraphQL schema over every customer data source, kept live on the agent's screen.

The runtime. It knows nothing about GraphQL types; those live in `resolvers`, which `gateway.app` alone imports.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
