"""`batchyard batch-endpoint invoke --estimate`: what the job would take, from a sample of its input that is scored."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.calibration import bytes_text, calibrate, duration_text, refuse_failed, sample_of, seconds_of

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.forecast.estimates import Estimate
    from batchyard.domain.jobs import Invocation

_LEAST_ITEMS = 20
_TIME_S = 60.0
_ROUNDS = 4  # So many mini-batches for each worker at least, so that first runs do not count for all.


def estimate(
    server: Server, invocation: Invocation, *, sample: str | None = None, sample_time: str | None = None
) -> dict[str, Any]:
    """Give what the job of this invocation would take. No job is made.

    Raises: CommandFailed when nothing of the sample could be scored, with the script's failure.
    """
    from batchyard.domain.deployments import effective
    from batchyard.domain.forecast.calibration import SampleWish
    from batchyard.domain.forecast.estimates import estimate as reckon

    items, percent = sample_of(sample)
    time_limit_s = seconds_of(sample_time, flag="--sample-time", default=_TIME_S)
    settings = effective(_settings(server, invocation), invocation.overrides)
    workers = settings.instance_count * settings.max_concurrency_per_instance
    least = max(_LEAST_ITEMS, _ROUNDS * workers * settings.mini_batch_size) if sample is None else items
    wish = SampleWish(items=max(items, least), percent=percent, workers=workers, time_limit_s=time_limit_s)
    server.say(f"Scoring a sample with {workers} {'worker' if workers == 1 else 'workers'} …")
    calibrated = calibrate(server, invocation, wish)
    refuse_failed(calibrated.told, settings)
    found = reckon(calibrated.told, settings)
    if found is None:
        refuse_failed(calibrated.told, settings)
        return {}
    for line in _lines(found):
        server.say(line)
    return {"deployment_name": calibrated.deployment, **_shown(found)}


def _settings(server: Server, invocation: Invocation) -> Any:
    from batchyard.wire.estimates import run_settings_from_arm

    name = invocation.deployment
    if name is None:
        endpoint = server.get(server.path("batchEndpoints", invocation.endpoint)).body
        name = (endpoint["properties"].get("defaults") or {}).get("deploymentName")
    path = server.path("batchEndpoints", invocation.endpoint, "deployments", str(name))
    return run_settings_from_arm(server.get(path).body)


def _lines(found: Estimate) -> list[str]:
    many = "worker" if found.workers == 1 else "workers"
    size, sample = bytes_text(found.size_bytes), f"{found.sample_items:,}"
    low, high = duration_text(found.low_s), duration_text(found.high_s)
    start, scoring = duration_text(found.start_s), duration_text(found.scoring_s)
    one, all_, free = map(bytes_text, (found.worker_bytes, found.memory_bytes, found.free_bytes))
    lines = [
        f"{found.items:,} items in {found.mini_batches:,} mini-batches ({size}), from a sample of {sample} items:",
        f"  duration      {duration_text(found.duration_s)}, between {low} and {high}, with {found.workers} {many}",
        f"  of it         start {start}, scoring {scoring} ({found.items_per_s:,.1f} items/s)",
        f"  memory        {one} a worker, {all_} in all; {free} are free",
        f"  node-seconds  {found.node_seconds:,.1f}; processor time {duration_text(found.cpu_seconds)}",
    ]
    return [*lines, *(f"  note: {note}" for note in found.notes)]


def _shown(found: Estimate) -> dict[str, Any]:
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(found).items()}
    return {**rounded, "notes": list(found.notes)}
