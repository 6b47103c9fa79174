"""Steps of a pipeline job in a terminal."""

from __future__ import annotations

from typing import Any

from batchyard.cli.step_tree import changes, rows


def step(name: str, status: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    plain = {"type": "command", "job": f"job-{name}", "seconds": None, "reused_from": None, "message": None}
    return {"step": name, "status": status, **plain, **more, "steps": list(steps)}


STEPS = [
    step("prepare", "Completed", seconds=1234.5, reused_from="older"),
    step(
        "inner", "Running", step("train", "Failed", message="exit code 3\nmore"), step("judge", "NotStarted", job=None)
    ),
    step("report", "NotStarted", job=None),
]


def test_inner_steps_hang_below_theirs() -> None:
    found = [list(row.values()) for row in rows(STEPS)]

    assert found == [
        ["├─ prepare", "command", "Completed", "1,234.5", "job-prepare", "reused from job older"],
        ["├─ inner", "command", "Running", "", "job-inner", ""],
        ["│  ├─ train", "command", "Failed", "", "job-train", "exit code 3"],
        ["│  └─ judge", "command", "NotStarted", "", "", ""],
        ["└─ report", "command", "NotStarted", "", "", ""],
    ]


def test_only_what_changed_is_news() -> None:
    seen: dict[str, str] = {}
    first = list(changes(STEPS, seen))
    ended = [STEPS[0], step("inner", "Failed", *STEPS[1]["steps"]), STEPS[2]]

    assert first == [
        "  prepare  Completed  reused from job older",
        "  inner  Running",
        "  inner.train  Failed  exit code 3",
    ]
    assert list(changes(ended, seen)) == ["  inner  Failed"]
    assert list(changes(ended, seen)) == []
