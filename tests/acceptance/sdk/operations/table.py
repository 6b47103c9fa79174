"""The table of operations: what is tried, under the name by which documents cite it, in the order it is written."""

from __future__ import annotations

import inspect
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

SUBSCRIPTION, GROUP, WORKSPACE = "00000000-0000-0000-0000-000000000000", "local", "default"

ml = MLClient(DefaultAzureCredential(), SUBSCRIPTION, GROUP, WORKSPACE)

_steps: list[tuple[str, Callable[[], None]]] = []


def operation(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add a step. name: the SDK's own word for the operation, and what of it is tried after a comma."""

    def add(step: Callable[[], None]) -> Callable[[], None]:
        _steps.append((name, step))
        return step

    return add


def run(answers: Path) -> None:
    """Run every step and write what became of each: "" where it did what it should, else how it failed."""
    found = {}
    for name, step in _steps:
        print(f"-- {name}", file=sys.stderr, flush=True)
        try:
            step()
            found[name] = ""
        except BaseException:  # noqa: BLE001  every step is judged alone
            found[name] = traceback.format_exc()
    answers.write_text(json.dumps({"outcomes": found, "public": _public()}))


def _public() -> list[str]:
    """Give every operation that the SDK has for the nouns of batch users."""
    groups = "workspaces datastores compute models environments data components batch_endpoints batch_deployments jobs"
    return [
        f"{group}.{name}"
        for group in (*groups.split(), "schedules")
        for name, _ in inspect.getmembers(type(getattr(ml, group)), callable)
        if not name.startswith("_")
    ]
