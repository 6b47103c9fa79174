"""What a step's script logged through MLflow, as jobs and runs show it. Nothing of it where nothing was logged."""

from __future__ import annotations

import math
from collections.abc import Mapping

from batchyard.domain.jobs import Job
from batchyard.domain.logged import Logged, Point
from batchyard.wire.envelopes import iso
from batchyard.wire.trees import mapping_at


def logged_to_arm(logged: Logged, *, has_history: bool = True) -> dict[str, object]:
    """Give it as a part of `properties.batchyard`. has_history: with the values of metrics by step."""
    if logged == Logged():
        return {}
    told: dict[str, object] = {
        "params": dict(logged.params),
        "metrics": {name: _number(metric.last) for name, metric in logged.metrics.items()},
        "tags": dict(logged.tags),
        "leftOut": logged.left_out,
    }
    if has_history:
        told["history"] = {name: list(map(_point, metric.points)) for name, metric in logged.metrics.items()}
    return {"logged": told}


def logged_cli_from_arm(ours: Mapping[str, object]) -> dict[str, object]:
    """Give what `job show` prints of it."""
    logged = mapping_at(ours, "logged")
    return {
        "params": mapping_at(logged, "params"),
        "metrics": mapping_at(logged, "metrics"),
        "logged_tags": mapping_at(logged, "tags"),
        "metric_history": mapping_at(logged, "history"),
    }


def logged_to_history(job: Job) -> dict[str, object]:
    """Give it as parts of a run. # Azure: RunMetric has a cell for each value, under the metric's name."""
    if job.logged == Logged():
        return {}
    metrics = [
        {
            "runId": job.name,
            "name": name,
            "metricType": "azureml.v1.scalar",
            "createdUtc": iso(metric.points[0].at),
            "numCells": len(metric.points),
            "cells": [{name: _number(point.value)} for point in metric.points],
        }
        for name, metric in job.logged.metrics.items()
    ]
    return {"parameters": dict(job.logged.params), "metrics": metrics}


def _point(point: Point) -> dict[str, object]:
    return {"step": point.step, "value": _number(point.value), "at": iso(point.at)}


def _number(value: float) -> float | str:
    """Give a number; JSON has none for these three, which MLflow's own REST spells so."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
