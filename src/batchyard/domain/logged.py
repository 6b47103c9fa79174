"""What a step's script logged of itself through MLflow: parameters, metrics with their history, tags. Pure.

Whoever reads a store gives its runs; what a job keeps of them is decided here, and it is bounded: a record of a job is
read often, and a script that logs a metric for each row must not make it long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")

MOST_NAMES = 200  # Of parameters, of metrics and of tags each.
MOST_POINTS = 100  # Of one metric.
MOST_POINTS_IN_ALL = 5_000
MOST_NAME_CHARS = 250  # MLflow's own limits: they are what a script that runs elsewhere may rely on.
MOST_PARAM_CHARS = 6_000
MOST_TAG_CHARS = 5_000
# Tags that MLflow gives each run by itself; its user, source and names say what the job's record says better.
_OF_MLFLOW = "mlflow."


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric. at: seconds since the epoch, UTC. value may be NaN or infinite."""

    step: int
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. last: the value of the latest step. points: its history by step, evenly thinned where it is long;
    the first and the last are always in it. count: values that were logged."""

    last: float
    points: tuple[Point, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Logged:
    """What a job logged. left_out: parameters, metrics and tags that were too many to keep."""

    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """One run of a store. parent: the id of the run that it is nested in, "" for none. metrics: in any order."""

    id: str
    name: str
    started_at: float
    parent: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def gathered(runs: Iterable[LoggedRun]) -> Logged:
    """Give what a job keeps of the runs of its script.

    The first run that is in no other is the job's own: its names are kept as they are. What other runs logged is kept
    as `<name of the run>/<name>`; of two runs of one name the later one's.
    """
    in_order = sorted(runs, key=lambda run: (bool(run.parent), run.started_at, run.id))
    params: dict[str, str] = {}
    points: dict[str, Sequence[Point]] = {}
    tags: dict[str, str] = {}
    for number, run in enumerate(in_order):
        before = f"{run.name or run.id}/" if number else ""
        params |= {(before + name)[:MOST_NAME_CHARS]: text[:MOST_PARAM_CHARS] for name, text in run.params.items()}
        points |= {(before + name)[:MOST_NAME_CHARS]: found for name, found in run.metrics.items() if found}
        own = {name: text for name, text in run.tags.items() if not name.startswith(_OF_MLFLOW)}
        tags |= {(before + name)[:MOST_NAME_CHARS]: text[:MOST_TAG_CHARS] for name, text in own.items()}
    left_out = sum(max(0, len(found) - MOST_NAMES) for found in (params, points, tags))
    return Logged(_first(params), _metrics(_first(points)), _first(tags), left_out)


def _first(found: Mapping[str, _T]) -> dict[str, _T]:
    return dict(islice(found.items(), MOST_NAMES))


def _metrics(found: Mapping[str, Sequence[Point]]) -> dict[str, Metric]:
    most = max(2, min(MOST_POINTS, MOST_POINTS_IN_ALL // max(1, len(found))))
    return {name: _metric(points, most) for name, points in found.items()}


def _metric(points: Sequence[Point], most: int) -> Metric:
    in_order = sorted(points, key=lambda point: (point.step, point.at))
    last = len(in_order) - 1
    kept = in_order if last < most else [in_order[number * last // (most - 1)] for number in range(most)]
    return Metric(in_order[-1].value, tuple(kept), len(in_order))
