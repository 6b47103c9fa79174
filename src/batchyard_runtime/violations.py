"""What the deployment's contracts say and an item, or its result, does not keep."""

from __future__ import annotations


class Violation(Exception):
    """An item or a result that breaks a contract: fails the attempt with the class `contract`.

    error: InputFormat or InputSchema of an item; RowCount, MissingColumn, UnexpectedColumn, WrongType, NullValue,
    DuplicateKey, UnknownKey, WrongOrder or AmbiguousRows of a result.
    """

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error
