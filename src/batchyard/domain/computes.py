"""Computes: how many instances there are to share, and which queued job may start next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake


@dataclass(frozen=True, slots=True)
class Compute:
    """A named share of instances. Locally an instance is an agent with its own folder and worker processes.

    Azure: `size` and `tier` are kept and shown; on this machine they have no effect. `max_instances` defaults to 1
    (Azure's documents say 1, its SDK 4).
    """

    name: str
    type: str = "amlcompute"
    size: str = "Standard_DS3_v2"
    tier: str = "dedicated"
    min_instances: int = 0
    max_instances: int = 1
    idle_time_before_scale_down_s: int = 120
    description: str = ""
    location: str = "local"
    tags: Mapping[str, str] = field(default_factory=dict)


TIERS = ("dedicated", "low_priority")


def compute_mistakes(compute: Compute) -> list[Mistake]:
    """Name everything wrong with a compute, in the words of its YAML."""
    found = [name_mistake("compute", compute.name)]
    if compute.type.lower() != "amlcompute":
        found.append(Mistake("type", repr(compute.type), "'amlcompute'"))
    if compute.tier not in TIERS:
        found.append(Mistake("tier", repr(compute.tier), " or ".join(map(repr, TIERS))))
    if compute.min_instances < 0:
        found.append(Mistake("min_instances", str(compute.min_instances), "0 or more"))
    if compute.max_instances < max(1, compute.min_instances):
        allowed = "1 or more, and not below min_instances"
        found.append(Mistake("max_instances", str(compute.max_instances), allowed))
    if compute.idle_time_before_scale_down_s < 0:
        found.append(Mistake("idle_time_before_scale_down", str(compute.idle_time_before_scale_down_s), "0 s or more"))
    return [mistake for mistake in found if mistake is not None]


@dataclass(frozen=True, slots=True)
class InstanceDemand:
    """What a job asks of a compute; `job` is its name."""

    job: str
    compute: str
    instances: int


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may start now, and why each of the others waits (job name -> one sentence)."""

    next_job: str | None
    reasons: Mapping[str, str]


def admit(
    queued: Sequence[InstanceDemand], running: Sequence[InstanceDemand], capacity: Mapping[str, int]
) -> Admission:
    """Pick the first queued job whose compute has its instances free.

    queued: in the order of invocation. Each compute is first come, first served: a job that waits for many instances
    is never overtaken on its own compute, so it cannot starve. capacity: max_instances by compute name.
    """
    free = dict(capacity)
    for demand in running:
        free[demand.compute] = free.get(demand.compute, 0) - demand.instances
    chosen: str | None = None
    reasons: dict[str, str] = {}
    blocked: dict[str, str] = {}
    for demand in queued:
        if demand.compute in blocked:
            reasons[demand.job] = (
                f"Waits on compute {demand.compute!r} behind job {blocked[demand.compute]!r}, invoked earlier."
            )
        elif free.get(demand.compute, 0) >= demand.instances:
            free[demand.compute] -= demand.instances
            chosen = chosen or demand.job
        else:
            blocked[demand.compute] = demand.job
            reasons[demand.job] = _too_few(demand, max(0, free.get(demand.compute, 0)), capacity)
    return Admission(chosen, reasons)


def _too_few(demand: InstanceDemand, free: int, capacity: Mapping[str, int]) -> str:
    total = capacity.get(demand.compute, 0)
    return (
        f"Waits on compute {demand.compute!r}: {demand.instances} of {total} instances asked for, "
        f"{free} free. It starts when running jobs give theirs back."
    )
