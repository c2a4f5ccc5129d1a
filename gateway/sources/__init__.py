"""Sources: where customer data comes from, behind one batch-first contract."""

__all__: list[str] = []
