"""The benchmarks' own bookkeeping: goals that can be judged, ratios taken by round."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.goals import GOALS, Goal
from benchmarks.peers import PEERS, peers_of
from benchmarks.report import goal_table, value
from benchmarks.results import Measured, load, save
from benchmarks.runs import Run
from benchmarks.workloads import WORKLOADS


def _run(wall_s: float, *, peak_pss: int = 0, sha256: str = "same") -> Run:
    return Run(wall_s, cpu_s=wall_s, first_s=0.5, own_s=0.25, sha256=sha256, peak_pss=peak_pss)


def _measured(*rounds: dict[str, Run], set_name: str = "short", memory: dict[str, Run] | None = None) -> Measured:
    return Measured(set_name, WORKLOADS["w1"], list(rounds), memory or {}, 0.0, "now", "here", (0.0, 0.0))


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.workload}-{goal.metric}-{goal.against}")
def test_every_goal_is_about_peers_that_are_measured_there(goal: Goal) -> None:
    workload = "w4-10k" if goal.metric == "after" else goal.workload
    in_both_sets = {peer.name for is_long in (False, True) for peer in peers_of(workload, is_long=is_long)}

    assert goal.against in {"", *in_both_sets}


@pytest.mark.parametrize("name", list(PEERS))
def test_every_peer_has_a_program_and_workloads(name: str) -> None:
    assert PEERS[name].path.is_file()
    assert set(PEERS[name].workloads) <= set(WORKLOADS)


def test_a_ratio_is_the_median_over_the_rounds_in_which_both_ran() -> None:
    found = _measured(
        {"limit": _run(1.0), "engine": _run(2.0), "pool": _run(4.0)}, {"limit": _run(10.0), "engine": _run(11.0)}
    )

    assert value(Goal("w1", "wall", "pool", 1.0), [found]) == (0.5, 0.5)
    assert value(Goal("w1", "wall", "limit", 1.0), [found]) == (1.55, 2.0)


def test_goals_under_noise_are_judged_by_runs_under_noise_alone() -> None:
    quiet = _measured({"limit": _run(1.0), "engine": _run(1.0)})
    noisy = _measured({"limit": _run(2.0), "engine": _run(1.0)}, set_name="noise")

    assert value(Goal("w1", "wall", "limit", 1.0, "noise"), [quiet]) is None
    assert value(Goal("w1", "wall", "limit", 1.0, "noise"), [quiet, noisy]) == (0.5, 0.5)
    assert value(Goal("w1", "wall", "limit", 1.0), [noisy, quiet]) == (1.0, 1.0)


def test_a_goal_is_judged_by_the_set_with_most_rounds(tmp_path: Path) -> None:
    once, often = {"limit": _run(2.0), "engine": _run(1.0)}, {"limit": _run(1.0), "engine": _run(1.5)}
    save(_measured(once, set_name="long"), tmp_path)
    save(_measured(often, often, often), tmp_path)

    assert value(Goal("w1", "wall", "limit", 1.0), load(tmp_path)) == (1.5, 1.5)


def test_memory_is_taken_from_the_round_in_which_it_was_sampled() -> None:
    memory = {"limit": _run(1.0, peak_pss=10_000_000), "engine": _run(1.0, peak_pss=22_000_000)}

    assert value(Goal("w1", "pss_mb", "limit", 15), [_measured(memory=memory)]) == (12.0, 12.0)


def test_another_output_than_the_limits_is_told() -> None:
    found = _measured({"limit": _run(1.0), "engine": _run(1.0, sha256="other")})

    assert not found.is_equal("engine")


def test_what_was_not_measured_is_said_to_be_so() -> None:
    assert goal_table([]).count("not measured") == len(GOALS)
