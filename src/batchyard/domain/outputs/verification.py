"""What a verification tells: of each thing that was looked at, whether it is as it was, and what could not be said.

Reading is done step by step, so that whoever asks may stop, and nobody waits for a large file without a sign of life.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

# Some ten milliseconds of hashing between two steps.
_STEP_BYTES = 8 << 20


class Result(Enum):
    """What came of a check. UNCHECKED: it could not be made, for the reason that is told; that is no fault."""

    OK = "ok"
    WRONG = "wrong"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    subject: of what kind it is (`output`, `ledger`, `model`, …). file: its name there, "" for the subject as a whole.
    expected, found: of what is wrong. note: what else there is to say.
    """

    subject: str
    file: str
    result: Result
    expected: str = ""
    found: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A file is being read: so far done_bytes of it."""

    subject: str
    file: str
    done_bytes: int


Event = Check | Progress
Events = Iterable[Event]


def ok(subject: str, file: str = "", note: str = "") -> Check:
    """Say that something is as it was."""
    return Check(subject, file, Result.OK, note=note)


def wrong(subject: str, file: str, *, expected: str, found: str, note: str = "") -> Check:
    """Say that something is not as it was."""
    return Check(subject, file, Result.WRONG, expected, found, note)


def unchecked(subject: str, file: str, why: str) -> Check:
    """Say that something could not be looked at, and why that is no fault of its own."""
    return Check(subject, file, Result.UNCHECKED, note=why)


def read_through(
    stream: BinaryIO, subject: str, file: str, *takers: Callable[[bytes], object]
) -> Generator[Progress, None, tuple[str, int]]:
    """Read a stream to its end, step by step; give its sha256 (hex) and how many bytes it has.

    takers: are given each piece too.
    """
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(_STEP_BYTES):
        digest.update(piece)
        for take in takers:
            take(piece)
        size += len(piece)
        yield Progress(subject, file, size)
    return digest.hexdigest(), size


def compare_bytes(
    subject: str, file: str, *, expected: tuple[str, int], found: tuple[str, int], note: str = ""
) -> Check:
    """Hold sha256 and size of a file against what they were."""
    if found == expected:
        return ok(subject, file, note)
    return wrong(subject, file, expected=_bytes_text(*expected), found=_bytes_text(*found), note=note)


def _bytes_text(sha256: str, size_bytes: int) -> str:
    return f"{size_bytes} bytes, sha256 {sha256}"
