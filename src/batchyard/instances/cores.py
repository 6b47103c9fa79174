"""How many cores a node's workers may use together, and the variables that tell numeric libraries."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from batchyard.domain.forecast.thread_variables import THREAD_VARIABLES

_CGROUPS = Path("/sys/fs/cgroup")


def thread_counts(workers: int) -> dict[str, str]:
    """Give the variables that keep numeric libraries of several workers from fighting for the same cores."""
    return dict.fromkeys(THREAD_VARIABLES, str(max(1, usable_cores() // workers)))


@cache
def usable_cores() -> int:
    """Give the cores that this process may run on: its affinity, and the quota of its control groups; at least 1."""
    affine = len(os.sched_getaffinity(0))
    try:
        own = Path("/proc/self/cgroup").read_text()
    except OSError:
        return affine
    quota = cores_of_quota(own, _CGROUPS)
    return affine if quota is None else max(1, min(affine, int(quota)))


def cores_of_quota(own: str, mounted: Path) -> float | None:
    """Give the smallest quota of the groups on the way to this process's, in cores; None for none.

    own: /proc/self/cgroup, of which the line of version 2 counts (`0::/path`). mounted: where groups are seen.
    """
    path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    if path is None:
        return None
    quotas = []
    group = mounted / path.lstrip("/")
    for folder in (group, *group.parents):
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                quotas.append(int(quota) / int(period))
        except (OSError, ValueError):
            pass  # The root has none.
        if folder == mounted:
            break
    return min(quotas, default=None)
