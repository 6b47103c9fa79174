"""What a job keeps of the runs that its script logged: its own run's names plain, others' below theirs, all bounded."""

from __future__ import annotations

from batchyard.domain.logged import (
    MOST_NAMES,
    MOST_PARAM_CHARS,
    MOST_POINTS,
    MOST_POINTS_IN_ALL,
    LoggedRun,
    Point,
    gathered,
)


def points(*values: float) -> list[Point]:
    return [Point(step, value, 100.0 + step) for step, value in enumerate(values)]


def test_the_first_run_is_the_jobs_own_and_others_are_kept_below_their_names() -> None:
    own = LoggedRun(
        "a", "outer", 1.0, params={"rate": "0.5"}, metrics={"loss": points(2.0, 1.0)}, tags={"team": "blue"}
    )
    inner = LoggedRun("b", "fold", 0.5, parent="a", metrics={"loss": points(9.0)})
    later = LoggedRun("c", "", 2.0, params={"rate": "0.7"})
    kept = gathered([later, inner, own])
    assert kept.params == {"rate": "0.5", "c/rate": "0.7"}
    assert {name: metric.last for name, metric in kept.metrics.items()} == {"loss": 1.0, "fold/loss": 9.0}
    assert kept.tags == {"team": "blue"}


def test_the_last_value_is_that_of_the_latest_step() -> None:
    run = LoggedRun("a", "", 0.0, metrics={"loss": [Point(3, 0.2, 5.0), Point(1, 0.9, 6.0), Point(3, 0.1, 5.5)]})
    metric = gathered([run]).metrics["loss"]
    assert (metric.last, metric.count, [point.step for point in metric.points]) == (0.1, 3, [1, 3, 3])


def test_a_long_history_is_thinned_evenly_and_keeps_both_ends() -> None:
    metric = gathered([LoggedRun("a", "", 0.0, metrics={"loss": points(*range(10_000))})]).metrics["loss"]
    assert len(metric.points) == MOST_POINTS
    assert (metric.points[0].step, metric.points[-1].step, metric.count) == (0, 9_999, 10_000)
    gaps = [after.step - before.step for before, after in zip(metric.points, metric.points[1:], strict=False)]
    assert max(gaps) - min(gaps) <= 1


def test_what_is_kept_is_bounded_and_what_is_left_out_is_counted() -> None:
    metrics = {f"m{number:04}": points(*range(200)) for number in range(1_000)}
    kept = gathered([LoggedRun("a", "", 0.0, params={"long": "x" * 100_000}, metrics=metrics)])
    assert len(kept.params["long"]) == MOST_PARAM_CHARS
    assert len(kept.metrics) == MOST_NAMES
    assert kept.left_out == 1_000 - MOST_NAMES
    assert sum(len(metric.points) for metric in kept.metrics.values()) <= MOST_POINTS_IN_ALL


def test_tags_that_mlflow_gives_by_itself_and_metrics_without_a_value_are_no_ones() -> None:
    run = LoggedRun("a", "", 0.0, metrics={"empty": []}, tags={"mlflow.user": "ada", "kind": "x"})
    kept = gathered([run])
    assert (kept.tags, kept.metrics) == ({"kind": "x"}, {})
