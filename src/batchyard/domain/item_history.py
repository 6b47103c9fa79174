"""What became of single items of a job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MOST_FOUND = 20


class ItemOutcome(Enum):
    """What is known of an item. SHORT: its mini-batch returned too few rows, whose is missing cannot be known."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SHORT = "short"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at the item's mini-batch, or at the part of it that holds the item.

    error_class, error, message, stack: "" when it succeeded. log: in the job's logs; "" when it is not known.
    """

    number: int
    worker: str
    log: str
    error_class: str = ""
    error: str = ""
    message: str = ""
    stack: str = ""


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """One item. path: relative to the input, the bytes of its name. position: in the listing."""

    path: bytes
    position: int
    mini_batch: int
    outcome: ItemOutcome
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class FoundItems:
    """The items that a name fits, at most MOST_FOUND of them. matches: how many there are."""

    items: tuple[ItemHistory, ...]
    matches: int
