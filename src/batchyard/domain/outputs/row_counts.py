"""Counting the rows of an output's file from its bytes, piece by piece."""

from __future__ import annotations

# Formats as they stand in a manifest; "" in those of versions that knew the text alone.
TEXT = ("azure_text", "")


class RowCount:
    """Takes the pieces of a file in order, and counts its lines: all of them, and those that end outside of quotes."""

    def __init__(self) -> None:
        self.lines = self.rows = 0
        self._is_quoted = False

    def take(self, piece: bytes) -> None:
        """Take the next bytes."""
        self.lines += piece.count(b"\n")
        if not self._is_quoted and b'"' not in piece:
            self.rows += piece.count(b"\n")
            return
        # What stands between two quotes is a value's own; a doubled quote within ends it and begins it anew.
        parts = piece.split(b'"')
        self.rows += sum(part.count(b"\n") for part in parts[self._is_quoted :: 2])
        self._is_quoted ^= len(parts) % 2 == 0


def count_for(output_format: str, counted: RowCount, expected: int) -> int | None:
    """Give how many rows a file of this format has; None for a format that is not read line by line.

    expected: in the text only what holds a line break is quoted and quotes elsewhere mean nothing, so that lines can be
    read in two ways: the one that gives this number is right.
    """
    if output_format in TEXT:
        return counted.rows if counted.rows == expected else counted.lines
    if output_format == "csv":
        return max(0, counted.rows - 1)
    return counted.lines if output_format == "jsonl" else None
