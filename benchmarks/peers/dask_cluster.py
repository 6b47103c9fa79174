"""Dask: a LocalCluster of two worker processes, a task for each mini-batch, gathered in chunks of 1,000."""

from __future__ import annotations

from dask.distributed import Client, LocalCluster, get_worker
from parts import arguments, load, text_of


def score(mini_batch: list[str], script: str) -> str:
    worker = get_worker()
    if not hasattr(worker, "scoring_script"):
        worker.scoring_script = load(script)
    return text_of(worker.scoring_script.run(mini_batch))


def main() -> None:
    script, mini_batches, output = arguments()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=40) as cluster,
        Client(cluster) as client,
        open(output, "w") as out,
    ):
        futures = client.map(score, mini_batches, script=script, pure=False, batch_size=1000)
        for start in range(0, len(futures), 1000):
            out.writelines(client.gather(futures[start : start + 1000]))


if __name__ == "__main__":
    main()
