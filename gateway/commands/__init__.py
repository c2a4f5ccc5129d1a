"""The write side, the only code that changes state: authorise, validate, write, log; one transaction per command."""

__all__: list[str] = []
