"""What batchyard has to reach, as data: each line is one goal, evaluated on what was measured.

Metrics, of the engine unless said otherwise:
    wall, cpu           times what the peer needs, paired by round, median
    above_s             wall time of `batchyard run` above the engine's, paired, median
    each_us             best wall time over the number of mini-batches
    after_us            the same from the first result on
    after               `after_us` times the peer's (of a workload with fewer mini-batches)
    first_s             first result
    first_ms            first result above the script's own imports and init()
    first               the same, times the peer's
    first_listed_ms     the same, above listing and sorting the input
    pss_mb, pss         memory of all processes: above the peer's, and times the peer's
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One bar. under: the set of runs it is about, "" for any, "noise" for runs beside a busy loop on one core."""

    workload: str
    metric: str
    against: str
    at_most: float
    under: str = ""


def _walls(workload: str, **at_most: float) -> list[Goal]:
    return [Goal(workload, "wall", peer.replace("_", "-"), bar) for peer, bar in at_most.items()]


GOALS = [
    Goal("w1", "wall", "limit", 1.20),
    Goal("w1", "cpu", "limit", 1.20),
    *_walls("w1", loop=0.70, pool=0.63, futures=0.45, joblib=0.38, dask=1 / 15, ray_actors=1 / 27, ray_data=1 / 30),
    Goal("w1-100k", "wall", "limit", 1.07),
    Goal("w1-100k", "cpu", "limit", 1.08),
    *_walls("w1-100k", pool=0.57, futures=0.38, joblib=0.70, dask=1 / 16, ray_100k=1 / 12, ray_data=1 / 11),
    Goal("w1-500k", "wall", "limit", 1.10),
    Goal("w1-500k", "cpu", "limit", 1.10),
    *_walls("w1-500k", pool=0.47, joblib=0.94),
    Goal("w1-mb100", "wall", "limit", 1.15),
    Goal("w1-mb100", "cpu", "limit", 1.15),
    *_walls("w1-mb100", loop=0.68, pool=0.90, joblib=0.38, dask=1 / 9, ray_actors=1 / 24, ray_data=1 / 36),
    Goal("w2", "wall", "limit", 1.05),
    Goal("w2", "cpu", "limit", 1.06),
    *_walls("w2", loop=0.72, pool=0.88, joblib=0.55, dask=1 / 4.5, ray_actors=1 / 13, ray_data=1 / 23),
    Goal("w2l", "wall", "limit", 1.02),
    Goal("w2l", "wall", "limit", 0.97, "noise"),
    Goal("w2l", "cpu", "limit", 1.02),
    Goal("w2l", "wall", "engine-1", 1 / 1.9),
    *_walls("w2l", loop=0.54, pool=1.01, joblib=0.75, dask=0.43, ray_actors=1 / 5, ray_data=1 / 7.5),
    Goal("w3", "wall", "limit", 1.00),
    Goal("w3", "wall", "limit", 0.92, "noise"),
    Goal("w3", "cpu", "limit", 1.02),
    *_walls("w3", loop=0.66, pool=1.00, joblib=0.82, dask=0.66, ray_actors=0.45, ray_data=0.36, mlflow=0.33),
    Goal("w4", "each_us", "", 3.2),
    Goal("w4", "after_us", "", 2.0),
    *_walls("w4", pool=1 / 9.5, pool_64=1.35, joblib=1 / 5, futures=1 / 65),
    Goal("w4", "after", "joblib-1", 1 / 140),
    Goal("w4", "after", "dask", 1 / 1000),
    Goal("w4", "after", "ray-actors", 1 / 450),
    Goal("w4", "after", "ray-data", 1 / 250),
    Goal("w1", "first_ms", "", 50),
    Goal("w1-500k", "first_listed_ms", "", 60),
    Goal("w1", "first", "pool", 1.0),
    Goal("w1", "first", "joblib", 1 / 5),
    Goal("w1", "first", "dask", 1 / 12),
    Goal("w1", "first", "ray-actors", 1 / 50),
    Goal("w1", "first", "ray-data", 1 / 90),
    Goal("w1", "pss_mb", "limit", 15),
    Goal("w1-500k", "pss_mb", "limit", 40),
    Goal("w1", "pss_mb", "pool", 10),
    Goal("w1", "pss", "dask", 1 / 6),
    Goal("w1", "pss", "ray-actors", 1 / 20),
    Goal("w1", "pss", "ray-data", 1 / 35),
    Goal("w3", "pss", "ray-actors", 0.42),
    Goal("w3", "pss", "ray-data", 0.30),
    Goal("images", "wall", "limit", 1.05),
    Goal("images", "first_s", "", 2.0),
    Goal("images", "pss_mb", "limit", 40),
    Goal("w1", "above_s", "run", 0.3),
    Goal("w4", "above_s", "run", 0.3),
]


def sampled(workload: str) -> set[str]:
    """Name the peers whose memory a goal asks for, batchyard's with them; empty where no goal is about memory."""
    against = {goal.against for goal in GOALS if goal.workload == workload and goal.metric in ("pss", "pss_mb")}
    return against | {"engine", "run"} if against else against
