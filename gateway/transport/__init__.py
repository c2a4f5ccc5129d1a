"""Bytes on the wire: one module or package per protocol. Sees only `engine` and what lies below; knows no resolver."""

__all__: list[str] = []
