"""Every error of ours, in one tree.

BatchyardError
├── CallerError            the caller's fault: told what is wrong and what to do
│   ├── InvalidInput       400, carries every mistake at once
│   │   └── PlaceRefused   400, one of them is where a job may not publish
│   ├── Unauthenticated    401
│   ├── Forbidden          403
│   ├── NotFound           404
│   ├── Conflict           409 (exists, in use, final, reserved)
│   ├── PreconditionFailed 412 (the document changed since it was read)
│   └── WrongHost          421
├── ScriptError            the user's script or environment is at fault
│   └── ContractBroken     all rows together are not what the deployment declares
└── PlatformError          ours: full disk, a store or a database that does not answer
    ├── LeaseLost          another process owns this work now
    └── SandboxUnavailable code is to run in a sandbox, and there is none to be had

Each class names the error code that the REST door and the job record show. HTTP itself is known to `api` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a document: where, what was found, what is allowed, what to do.

    field: dotted path as the user wrote it (`settings.mini_batch_size`), "" for the whole document.
    remedy: one sentence telling what to do, "" where `allowed` says it all.
    """

    field: str
    found: str
    allowed: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field else ""
        text = f"{place}found {self.found}, expected {self.allowed}."
        return f"{text} {self.remedy}" if self.remedy else text


class BatchyardError(Exception):
    """The root; never raised itself."""

    code = "InternalError"


class CallerError(BatchyardError):
    """The caller asked for something that cannot be done; the message says what to do instead."""

    code = "UserError"


class InvalidInput(CallerError):
    """A document or an invocation has mistakes; all of them are carried."""

    code = "ValidationError"

    def __init__(self, subject: str, mistakes: Iterable[Mistake]) -> None:
        self.subject = subject
        self.mistakes: tuple[Mistake, ...] = tuple(mistakes)
        super().__init__(_summary(subject, self.mistakes))

    def __reduce__(self) -> tuple[type[InvalidInput], tuple[str, tuple[Mistake, ...]]]:
        """Go from process to process with what it was made of; an exception alone would be made of its message."""
        return type(self), (self.subject, self.mistakes)


class PlaceRefused(InvalidInput):
    """Among the mistakes of an invocation is a place that is another deployment's alone; the audit log tells of it."""


class Unauthenticated(CallerError):
    """No token, or one that this server did not issue."""

    code = "Unauthenticated"


class Forbidden(CallerError):
    """The caller is known but may not do this; the message names the missing action."""

    code = "AuthorizationFailed"


class NotFound(CallerError):
    """What was named does not exist; the message lists near names where there are any."""

    code = "ResourceNotFound"


class Conflict(CallerError):
    """The state of what is there forbids the request: it exists, is in use, is reserved or is final."""

    code = "Conflict"


class PreconditionFailed(CallerError):
    """The document changed since it was read: read it again and repeat."""

    code = "PreconditionFailed"


class WrongHost(CallerError):
    """The request names a host that this server does not serve."""

    code = "MisdirectedRequest"


class ScriptError(BatchyardError):
    """The user's script or environment failed; never charged to the platform."""

    code = "ScriptError"


class ContractBroken(ScriptError):
    """Rows that are each as declared are not so together: the output is refused, and nothing published.

    error: which rule. mini_batch, position: the first row or item at fault.
    """

    code = "ContractBroken"

    def __init__(self, error: str, message: str, *, mini_batch: int, position: int) -> None:
        super().__init__(message)
        self.error = error
        self.mini_batch = mini_batch
        self.position = position


class PlatformError(BatchyardError):
    """Ours to answer for: a full disk, a store or a database that does not answer. Never charged to items."""

    code = "PlatformError"


class LeaseLost(PlatformError):
    """Another process owns this work now; the loser stops without writing anything more."""

    code = "LeaseLost"


class SandboxUnavailable(PlatformError):
    """Code of users is to run in a sandbox and there is none to be had: it does not run at all until that is mended."""

    code = "SandboxUnavailable"

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why}: no code is run. {remedy}")
        self.why = why
        self.remedy = remedy


_SHORTEST_BEGINNING = 4


def near_names(wanted: str, known: Sequence[str], *, limit: int = 5) -> list[str]:
    """Give the known names closest to the wanted one, best first, at most `limit`.

    One that goes on where the wanted one ends, or ends where that goes on, is close too: `code_config`.
    """
    most = max(3, len(wanted) // 2)
    # The distance is at least the difference in length: names far off in that cost nothing, however long they are.
    close = [name for name in known if abs(len(name) - len(wanted)) <= most]
    scored = sorted((_distance(wanted.lower(), name.lower()), name) for name in close)
    near = [name for distance, name in scored if distance <= most]
    longer = sorted((name for name in known if name not in near and _goes_on(wanted, name)), key=lambda n: (len(n), n))
    return (near + longer)[:limit]


def _goes_on(one: str, other: str) -> bool:
    short, long = sorted((one.lower(), other.lower()), key=len)
    return len(short) >= _SHORTEST_BEGINNING and long.startswith(short)


def merged(first: Sequence[Mistake], second: Iterable[Mistake]) -> list[Mistake]:
    """Join two lists of mistakes; what the first says of a field, or of one above or below it, is said once."""
    said = list(first)
    return said + [mistake for mistake in second if not any(_overlap(m.field, mistake.field) for m in first)]


def not_found(kind: str, name: str, known: Sequence[str]) -> NotFound:
    """Build the NotFound for a missing object, naming near names or all of a short list."""
    close = near_names(name, known) or sorted(known)[:5]
    hint = f" Known: {', '.join(repr(n) for n in close)}." if close else f" There is no {kind} yet."
    return NotFound(f"The {kind} {name!r} does not exist.{hint}")


def _overlap(left: str, right: str) -> bool:
    return left == right or left.startswith(f"{right}.") or right.startswith(f"{left}.")


def _summary(subject: str, mistakes: Sequence[Mistake]) -> str:
    if len(mistakes) == 1:
        return f"{subject}: {mistakes[0]}"
    lines = "".join(f"\n  - {mistake}" for mistake in mistakes)
    return f"{subject}: {len(mistakes)} mistakes.{lines}"


def _distance(left: str, right: str) -> int:
    """Levenshtein distance: insertions, deletions and replacements between two short names."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
