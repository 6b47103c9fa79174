"""How many cores workers may use: quotas of control groups, and what numeric libraries are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.instances.cores import cores_of_quota, thread_counts, usable_cores


def test_the_tightest_quota_on_the_way_counts(tmp_path: Path) -> None:
    for group, quota in (("", "400000 100000"), ("pod", "150000 100000"), ("pod/one", "max 100000")):
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / "cpu.max").write_text(quota + "\n")
    assert cores_of_quota("1:cpu:/other\n0::/pod/one\n", tmp_path) == 1.5


@pytest.mark.parametrize("own", ["0::/gone\n", "5:cpu:/v1\n", ""])
def test_no_quota_is_none(tmp_path: Path, own: str) -> None:
    assert cores_of_quota(own, tmp_path) is None


def test_threads_are_cores_divided_by_workers_and_at_least_one() -> None:
    assert set(thread_counts(1).values()) == {str(usable_cores())}
    assert set(thread_counts(10_000).values()) == {"1"}
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"} <= set(
        thread_counts(1)
    )
