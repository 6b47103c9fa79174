"""The steps of a pipeline job as a tree of lines, for terminals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any  # steps come as JSON


def rows(steps: Sequence[Mapping[str, Any]]) -> list[OrderedDict[str, Any]]:
    """Give a row for each step, inner ones below theirs."""
    return [
        OrderedDict(
            Step=f"{stem}{step['step']}",
            Type=step["type"],
            Status=step["status"],
            Seconds="" if step["seconds"] is None else f"{step['seconds']:,.1f}",
            Job=step["job"] or "",
            Note=_note(step),
        )
        for stem, step in _walk(steps, "")
    ]


def changes(steps: Sequence[Mapping[str, Any]], seen: dict[str, str]) -> Iterator[str]:
    """Give a line for each step whose status is another one than what was seen, and note it as seen.

    seen: path of a step -> its status; what has not begun is no news.
    """
    for path, step in _paths(steps, ""):
        status = str(step["status"])
        if status == seen.get(path, "NotStarted"):
            continue
        seen[path] = status
        note = _note(step)
        yield f"  {path}  {status}" + (f"  {note}" if note else "")


def begun(steps: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the steps that have a job and are no pipelines themselves, each with its path: `prepare`, `inner.train`."""
    for path, step in _paths(steps, ""):
        if step["job"] and step["type"] != "pipeline":
            yield path, step


def _note(step: Mapping[str, Any]) -> str:
    if step.get("reused_from"):
        return f"reused from job {step['reused_from']}"
    return str(step.get("message") or "").split("\n", 1)[0]


def _walk(steps: Sequence[Mapping[str, Any]], stem: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, step in enumerate(steps, start=1):
        is_last = number == len(steps)
        yield f"{stem}{'└─ ' if is_last else '├─ '}", step
        yield from _walk(step["steps"], stem + ("   " if is_last else "│  "))


def _paths(steps: Sequence[Mapping[str, Any]], above: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for step in steps:
        path = f"{above}{step['step']}"
        yield path, step
        yield from _paths(step["steps"], f"{path}.")
