"""The same job as a competent user writes it with other means, a small program each, and batchyard in two ways.

Each is called `python NAME.py SCRIPT INPUT OUTPUT SIZE [option …]`: it lists and sorts the folder INPUT, cuts it into
mini-batches of SIZE, scores them with SCRIPT by two workers and writes ONE file, OUTPUT.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import WORKLOADS

_W1, _MODELS = ("w1", "w1-mb100"), ("w2", "w2l", "w3")


@dataclass(frozen=True)
class Peer:
    """One side of the comparison. workloads: by name, where it is measured.

    is_slow: measured in the long set alone. measures_itself: prints its own `Watch` as JSON.
    """

    name: str
    title: str
    program: str
    workloads: tuple[str, ...]
    options: tuple[str, ...] = ()
    is_slow: bool = False
    measures_itself: bool = False

    @property
    def path(self) -> Path:
        """Where its program is."""
        return Path(__file__).parent / self.program


_ALL = tuple(WORKLOADS)
LIMIT = Peer("limit", "the limit", "limit.py", _ALL)
ENGINE = Peer("engine", "batchyard, engine", "batchyard_engine.py", _ALL, measures_itself=True)
ONE_WORKER = Peer("engine-1", "batchyard, one worker", "batchyard_engine.py", ("w2l",), ("1",), measures_itself=True)
RUN = Peer("run", "`batchyard run`", "batchyard_run.py", ("w1", "w4"))

PEERS = {
    peer.name: peer
    for peer in (
        LIMIT,
        ENGINE,
        RUN,
        ONE_WORKER,
        Peer("loop", "bare loop", "loop.py", (*_W1, "w1-100k", *_MODELS, "w3m", "w4")),
        Peer("pool", "multiprocessing.Pool", "pool.py", (*_W1, "w1-100k", "w1-500k", *_MODELS, "w4")),
        Peer("pool-64", "Pool, chunksize 64", "pool.py", ("w4",), ("64",)),
        Peer("futures", "concurrent.futures", "futures.py", (*_W1, "w1-100k", *_MODELS, "w4")),
        Peer("joblib", "joblib, auto batches", "joblib_loky.py", (*_W1, "w1-100k", "w1-500k", *_MODELS, "w4")),
        Peer("joblib-1", "joblib, batches of 1", "joblib_loky.py", ("w4-10k",), ("1",)),
        Peer("ray-actors", "Ray, ActorPool", "ray_actors.py", (*_W1, *_MODELS, "w4-10k")),
        Peer("ray-100k", "Ray, ActorPool", "ray_actors.py", ("w1-100k",), is_slow=True),
        Peer("ray-data", "Ray Data", "ray_data.py", (*_W1, "w1-100k", *_MODELS, "w4-10k"), is_slow=True),
        Peer("dask", "Dask", "dask_cluster.py", (*_W1, "w1-100k", *_MODELS, "w4-10k"), is_slow=True),
        Peer("mlflow", "mlflow's command line", "mlflow_cli.py", ("w3",), is_slow=True),
    )
}


def peers_of(workload: str, *, is_long: bool) -> list[Peer]:
    """Give the sides of one workload in one set: the limit and the engine always, then the quick ones or the slow."""
    chosen = [p for p in PEERS.values() if workload in p.workloads and p not in (LIMIT, ENGINE)]
    rivals = [peer for peer in chosen if (peer.is_slow or WORKLOADS[workload].is_long) == is_long]
    return [LIMIT, ENGINE, *rivals] if rivals or is_long == WORKLOADS[workload].is_long else []
