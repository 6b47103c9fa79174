"""Failures grouped by class and cause, so that a million of them can be read in one look (R66).

A group is a class, an exception and a message without its numbers, paths and quoted parts. The first `MOST_GROUPS` are
told apart and the rest counted together, so memory does not follow the number of failures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

MOST_GROUPS = 50
MOST_SAMPLES = 3
OTHER = "other"
SHORT_RESULT = "ShortResult"
_LONGEST_FOLDED, _LONGEST_MESSAGE, _LONGEST_STACK = 160, 300, 4000
_READ_OF_A_MESSAGE = 2000
_FOLDS = (
    # What varies between two failures of one cause, in this order: a number within quotes goes with the quotes.
    (re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`"), "<...>"),
    (re.compile(r"(?<![\w<])~?(?:/[^\s/,;:()<>\[\]]+)+/?"), "<path>"),
    (re.compile(r"(?<![\w<])[\w-]+(?:\.[\w-]+)*\.[A-Za-z][A-Za-z0-9]{1,4}\b(?!\()"), "<name>"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b|\b(?=[0-9a-f-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b"), "<id>"),
    (re.compile(r"(?:(?<!\w)[-+])?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?"), "<n>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class FailureSample:
    """One failure of a group. item: path in the input, None when it cannot be known or is not looked up yet.

    position: of the item, or of the first one of its mini-batch. log: file in the job's logs. stack: "" when recorded.
    """

    position: int
    mini_batch: int
    attempts: int
    message: str
    worker: str
    log: str
    item: str | None = None
    stack: str = ""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one cause. message: as its members have it in common; items, mini_batches: how many there are."""

    error_class: str
    error: str
    message: str
    items: int
    mini_batches: int
    samples: tuple[FailureSample, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureReport:
    """What failed for good, and what failed at first and succeeded when it was tried again; largest groups first."""

    failed: tuple[FailureGroup, ...] = ()
    recovered: tuple[FailureGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something failed, as the ledger has it. worker: its name, "" when unknown."""

    error_class: str
    error: str
    message: str
    stack: str = ""
    worker: str = ""
    attempts: int = 1


@dataclass(slots=True)
class _Group:
    items: int = 0
    mini_batches: int = 0
    divided: set[int] = field(default_factory=set)  # Mini-batches that are counted already, and may come in more parts.
    # Ranked by (place within its failure, position): three failures are told before three items of one failure. The
    # third says whether the item at the position has surely failed.
    samples: list[tuple[int, int, bool, FailureSample]] = field(default_factory=list)


class FailureGroups:
    """Failures as they are counted, in groups. version: grows with each change."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], _Group] = {}
        self.version = 0

    def add(
        self, cause: Cause, *, mini_batch: int, first: int, stop: int, items: int | None = None, is_part: bool = False
    ) -> None:
        """Count the failed items of a mini-batch at positions first..stop-1.

        items: how many of them failed, when it is not all and cannot be known which. is_part: the positions are not
        all of the mini-batch's.
        """
        self.version += 1
        items = None if items == stop - first else items
        group = self._group_of(cause)
        group.items += stop - first if items is None else items
        group.mini_batches += mini_batch not in group.divided
        if is_part:
            group.divided.add(mini_batch)
        told = min(stop, first + (MOST_SAMPLES if items is None else 1))
        for place, position in enumerate(range(first, told)):
            if len(group.samples) < MOST_SAMPLES or (place, position) < group.samples[-1][:2]:
                group.samples.append((place, position, items is None, _sample(cause, mini_batch, position)))
                group.samples = sorted(group.samples, key=lambda sample: sample[:2])[:MOST_SAMPLES]

    def lose_short(self, items: int, mini_batches: int) -> None:
        """Take back short results whose rows were lost: they are scored again."""
        for key, group in list(self._groups.items()):
            if key[1] == SHORT_RESULT:
                self.version += 1
                group.items -= items
                group.mini_batches -= mini_batches
                if group.items <= 0:
                    del self._groups[key]

    def retry(self, *, short_items: int, short_mini_batches: int) -> None:
        """Forget what failed, as it is scored again; only results that are still too short stay."""
        self.version += 1
        short = {key: group for key, group in self._groups.items() if key[1] == SHORT_RESULT and short_items}
        for group in short.values():
            group.items, group.mini_batches = short_items, short_mini_batches
        self._groups = short

    def groups(self, name_of: Callable[[int], str] | None = None) -> tuple[FailureGroup, ...]:
        """Give the groups, largest first. name_of: the item at a position; None leaves them unnamed."""
        found = [
            FailureGroup(
                *key, g.items, g.mini_batches, tuple(_named(s, is_sure, name_of) for *_, is_sure, s in g.samples)
            )
            for key, g in self._groups.items()
        ]
        return tuple(sorted(found, key=lambda g: (g.error_class == OTHER, -g.items, g.error_class, g.error, g.message)))

    def _group_of(self, cause: Cause) -> _Group:
        key = (cause.error_class, cause.error, folded(cause.message))
        if key not in self._groups and len(self._groups) >= MOST_GROUPS:
            key = (OTHER, OTHER, f"causes beyond the first {MOST_GROUPS}")
        return self._groups.setdefault(key, _Group())


def folded(message: str) -> str:
    """Give a message without what differs between failures of one cause: quoted parts, paths, ids, numbers."""
    text = message[:_READ_OF_A_MESSAGE]
    for pattern, stand_in in _FOLDS:
        text = pattern.sub(stand_in, text)
    return _clipped(text.strip(), _LONGEST_FOLDED)


def without_stacks(report: FailureReport) -> FailureReport:
    """Give a report as the job's record keeps it; stacks are for the logs."""
    return FailureReport(*(tuple(_without_stacks(g) for g in groups) for groups in (report.failed, report.recovered)))


def log_of(worker: str, *, stack: str) -> str:
    """Name the log to read: the script's exception, or, where the worker was killed or died without one, its stderr."""
    if not worker:
        return ""
    node = worker.split("-", 1)[0]
    return f"logs/user/error/{node}/{worker}.txt" if stack else f"logs/user/stderr/{node}/{worker}.stderr.txt"


def group_line(group: FailureGroup) -> str:
    """Say in one line how many failed of which cause: `12 items: script ValueError: cannot read <name>`."""
    items = "1 item" if group.items == 1 else f"{group.items:,} items"
    batches = "1 mini-batch" if group.mini_batches == 1 else f"{group.mini_batches:,} mini-batches"
    return _one_line(f"{items} in {batches}: {group.error_class} {group.error}: {group.message}")


def summary(report: FailureReport, *, most: int) -> list[str]:
    """Give the largest groups in lines, each with its samples, and how many groups are not told; [] for none."""
    lines = []
    titles = ("Failures by cause:", "Failed at first, succeeded when tried again:")
    for title, groups in zip(titles, (report.failed, report.recovered), strict=True):
        lines += [title] if groups else []
        for group in groups[:most]:
            lines.append(f"  {group_line(group)}")
            lines += [f"    {sample_line(sample)}" for sample in group.samples]
        untold = len(groups) - most
        lines += [f"  and {untold} more {'cause' if untold == 1 else 'causes'}"] if untold > 0 else []
    return lines


def sample_line(sample: FailureSample) -> str:
    """Say in one line what a sample is, and where its log is."""
    where = sample.item if sample.item is not None else "some item"
    attempts = "1 attempt" if sample.attempts == 1 else f"{sample.attempts} attempts"
    line = f"{where} (position {sample.position}, mini-batch {sample.mini_batch}, {attempts}): {sample.message}"
    return _one_line(f"{line} [{sample.log}]" if sample.log else line)


def _sample(cause: Cause, mini_batch: int, position: int) -> FailureSample:
    return FailureSample(
        position,
        mini_batch,
        cause.attempts,
        _clipped(cause.message, _LONGEST_MESSAGE),
        cause.worker,
        log_of(cause.worker, stack=cause.stack),
        stack=_clipped(cause.stack, _LONGEST_STACK, keeps_end=True),
    )


def _named(sample: FailureSample, is_sure: bool, name_of: Callable[[int], str] | None) -> FailureSample:
    # Which item is missing in a result that is too short cannot be known, unless all of them are.
    return replace(sample, item=name_of(sample.position)) if is_sure and name_of is not None else sample


def _without_stacks(group: FailureGroup) -> FailureGroup:
    return replace(group, samples=tuple(replace(sample, stack="") for sample in group.samples))


def _one_line(text: str) -> str:
    """Give text on one line that a terminal only shows: line breaks and signs that steer it become escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _clipped(text: str, longest: int, *, keeps_end: bool = False) -> str:
    if len(text) <= longest:
        return text
    return "…" + text[-longest:] if keeps_end else text[:longest] + "…"
