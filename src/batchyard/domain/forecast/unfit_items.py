"""What a script would not be given, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnfitItem:
    """An item that is not as the input contract says. error: `InputFormat` or `InputSchema`; message: names the item,
    and row and column where there are any."""

    item: str
    error: str
    message: str
