"""The table of what tuning tried."""

from __future__ import annotations

from batchyard.cli.output import trials


def test_memory_that_past_jobs_do_not_tell_is_an_empty_cell_and_not_nothing() -> None:
    trial = {"mini_batch_size": 3, "workers": 2, "threads": None, "items_per_s": 27.6}
    table = trials(
        {"trials": [{**trial, "worker_bytes": None}, {**trial, "worker_bytes": 5 << 20}], "recommended": None}
    )
    assert [row["WorkerMiB"] for row in table] == ["", 5]
