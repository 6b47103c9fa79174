"""`batchyard batch-deployment tune`: settings tried on a sample, or read off past jobs, and the ones to take."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.calibration import bytes_text, calibrate, duration_text, refuse_failed, sample_of, seconds_of
from batchyard.cli.failures import CommandFailed, UsageMistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.deployments import ExecutionSettings
    from batchyard.domain.forecast.advice import Advice, Prospect, Workload
    from batchyard.domain.forecast.calibration import Calibration
    from batchyard.domain.forecast.tuning import Setting, Space, Trial
    from batchyard.domain.job_specs import InputSource

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)
_TRIAL_S = 5.0
_ROUNDS = 3
_MOST_ITEMS_A_RUN = 1000
_MOST_WORKERS, _WORKERS_A_CORE = 64, 8
_FREE_SHARE = 0.9
_MANY_THREADS = 1.3
_LEAST_RATE = 1e-9
_JOBS_LOOKED_AT = 100


def tune(
    server: Server,
    *,
    endpoint_name: str,
    name: str,
    input: str | None = None,
    input_type: str | None = None,
    target_duration: str | None = None,
    memory_limit: str | None = None,
    max_workers: int | None = None,
    max_trials: int | None = None,
    threads: list[int] | None = None,
    sample: str | None = None,
    trial_time: str | None = None,
    from_jobs: bool = False,
    items: int | None = None,
    chart: str | None = None,
    write: str | None = None,
) -> Any:
    """Try mini-batch sizes, workers and threads on a sample, and recommend settings; nothing is changed."""
    from batchyard.domain.forecast.advice import advise
    from batchyard.domain.forecast.tuning import MOST_TRIALS
    from batchyard.wire.estimates import run_settings_from_arm

    most = _at_least_one(max_trials, "--max-trials") or MOST_TRIALS
    limits = _Limits(_bytes_of(memory_limit), _at_least_one(max_workers, "--max-workers"), most, tuple(threads or ()))
    target_s = None if target_duration is None else seconds_of(target_duration, flag="--target-duration", default=1.0)
    arm = server.get(server.path("batchEndpoints", endpoint_name, "deployments", name)).body
    settings = run_settings_from_arm(arm)
    if from_jobs:
        found = _past(server, endpoint_name, name, limits, items=_at_least_one(items, "--items"))
    elif input:
        from batchyard.cli.invoke import input_of

        wanted = sample_of(sample)
        trial_s = seconds_of(trial_time, flag="--trial-time", default=_TRIAL_S)
        bench = _Bench(server, endpoint_name, name, input_of(server, input, input_type), settings, *wanted, trial_s)
        found = _tried(bench, limits, target_s)
    else:
        raise UsageMistake("Give the data to try settings on with --input, or say --from-jobs.")
    advice = advise(found.space, found.trials, found.workload, target_s=target_s)
    if advice is None:
        raise CommandFailed("No setting that was tried keeps within the memory limit; allow more with --memory-limit.")
    for line in _told(found, advice, target_s):
        server.say(line)
    result = _result(found, advice, settings, target_s)
    if chart:
        from batchyard.cli.tuning_chart import draw

        Path(chart).write_text(draw(advice), encoding="utf-8")
    if write:
        _write(arm, result["settings"], Path(write))
    return {**result, "chart": chart, "written": write}


@dataclass(frozen=True, slots=True)
class _Limits:
    """What may be tried. memory_bytes: None for what is free; workers: None for what the cores could serve."""

    memory_bytes: int | None
    workers: int | None
    trials: int
    threads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of settings, and of the job to advise for."""

    space: Space
    trials: list[Trial]
    workload: Workload


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where settings are tried: one deployment, one input, a sample for each trial."""

    server: Server
    endpoint: str
    deployment: str
    source: InputSource
    settings: ExecutionSettings
    items: int
    percent: float
    trial_s: float

    def calibrate(self, setting: Setting) -> Calibration:
        """Score a sample with this setting."""
        from batchyard.domain.deployments import Overrides
        from batchyard.domain.forecast.calibration import SampleWish
        from batchyard.domain.jobs import Invocation

        concurrency = -(-setting.workers // self.settings.instance_count)
        overrides = Overrides(mini_batch_size=setting.run_items, max_concurrency_per_instance=concurrency)
        invocation = Invocation(self.endpoint, self.source, deployment=self.deployment, overrides=overrides)
        wish = SampleWish(
            items=max(self.items, _ROUNDS * setting.workers * setting.run_items),
            percent=self.percent,
            workers=setting.workers,
            environment_variables=_variables(setting),
            time_limit_s=self.trial_s,
        )
        return calibrate(self.server, invocation, wish).told


def _tried(bench: _Bench, limits: _Limits, target_s: float | None) -> _Found:
    """Try settings, one after the other, until enough is known."""
    from batchyard.domain.forecast.advice import Workload, next_trial
    from batchyard.domain.forecast.tuning import Setting

    first = Setting(1, bench.settings.instance_count)
    bench.server.say("Trying settings on a sample of the input:")
    told = bench.calibrate(first)
    refuse_failed(told, bench.settings)
    trials = [_trial(told, first)]
    _say(bench.server, trials)
    whole = _space(told, trials[0], limits, bench.settings)
    workload = Workload(told.items, told.list_seconds, told.cores)
    while True:
        space = _bounded(whole, trials, longest_s=min(bench.trial_s, bench.settings.retry.timeout_s / 2))
        setting = next_trial(space, trials, workload, target_s=target_s, most=limits.trials)
        if setting is None:
            return _Found(space, trials, workload)
        trials.append(_trial(bench.calibrate(setting), setting))
        _say(bench.server, trials)


def _trial(told: Calibration, setting: Setting) -> Trial:
    """Give what a calibration tells of the setting; one under which nothing could be scored is as slow as can be."""
    from batchyard.domain.forecast.tuning import Trial, trials_of

    found = [trial for trial in trials_of(told, setting.threads) if trial.setting.run_items == setting.run_items]
    if found:
        return replace(found[0], setting=setting)
    return Trial(setting, _LEAST_RATE, told.peak_bytes)


def _space(told: Calibration, first: Trial, limits: _Limits, settings: ExecutionSettings) -> Space:
    from batchyard.domain.forecast.tuning import AUTO_THREADS, Space, sizes_up_to, workers_up_to

    busy = first.busy or 0.0
    could_serve = math.ceil(told.cores / busy) if busy else _MOST_WORKERS
    most = limits.workers or min(_MOST_WORKERS, _WORKERS_A_CORE * told.cores, max(told.cores, could_serve))
    instances = settings.instance_count
    powers = tuple(1 << k for k in range(told.cores.bit_length()) if 1 << k <= told.cores)
    threads = limits.threads or (powers if busy > _MANY_THREADS else ())
    return Space(
        sizes_up_to(min(_MOST_ITEMS_A_RUN, max(1, told.items // 2))),
        tuple(instances * n for n in workers_up_to(max(1, most // instances))),
        (AUTO_THREADS, *sorted(set(threads) - {AUTO_THREADS})),
        limits.memory_bytes or round(told.memory_bytes * _FREE_SHARE),
        told.cores,
        told.items,
    )


def _bounded(space: Space, trials: Sequence[Trial], *, longest_s: float) -> Space:
    """Leave sizes out whose runs would take longer than a trial, or than a time limit leaves room for."""
    each_s = min(trial.run_s / trial.setting.run_items for trial in trials if trial.run_s)
    tried = {trial.setting.run_items for trial in trials}
    # Ten times as many items as were tried, at most: who knows how it goes on from there.
    most = min(longest_s / each_s if each_s else math.inf, 10 * max(tried))
    return replace(space, run_items=tuple(size for size in space.run_items if size in tried or size <= most))


def _past(server: Server, endpoint: str, name: str, limits: _Limits, *, items: int | None) -> _Found:
    """Give what this deployment's jobs that completed tell of their settings; of jobs alike the newest counts."""
    import os

    from batchyard.domain.forecast.advice import Workload
    from batchyard.domain.forecast.tuning import Space, workers_up_to
    from batchyard.wire.estimates import past_trial_from_arm

    arms = server.list_all(server.path("jobs"), limit=_JOBS_LOOKED_AT, endpoint=endpoint, deployment=name)
    found = [trial for trial in map(past_trial_from_arm, arms) if trial is not None]
    if not found:
        raise CommandFailed(f"No job of deployment {name!r} has completed without failures: try settings with --input.")
    by_setting = {trial.setting: trial for _, trial in reversed(found)}
    cores = os.cpu_count() or 1
    tried = {setting.workers for setting in by_setting}
    workers = sorted({*tried, *workers_up_to(limits.workers or max(cores, *tried))})
    sizes = tuple(sorted({setting.run_items for setting in by_setting}))
    workload = Workload(items or found[0][0], 0.0, cores)
    return _Found(Space(sizes, tuple(workers), cores=cores), list(by_setting.values()), workload)


def _variables(setting: Setting) -> dict[str, str]:
    from batchyard.domain.forecast.thread_variables import THREAD_VARIABLES

    return dict.fromkeys(THREAD_VARIABLES, str(setting.threads)) if setting.threads else {}


def _say(server: Server, trials: Sequence[Trial]) -> None:
    trial = trials[-1]
    server.say(f"  {len(trials):2}  {_setting_text(trial.setting)}: {_rate_text(trial)}")


def _rate_text(trial: Trial) -> str:
    if trial.items_per_s <= _LEAST_RATE:
        return "nothing could be scored"
    return f"{trial.items_per_s:,.1f} items/s, {bytes_text(trial.worker_bytes or 0)} a worker"


def _setting_text(setting: Setting) -> str:
    threads = f", {setting.threads} threads" if setting.threads else ""
    workers = "1 worker" if setting.workers == 1 else f"{setting.workers} workers"
    return f"mini_batch_size {setting.run_items}, {workers}{threads}"


def _told(found: _Found, advice: Advice, target_s: float | None) -> list[str]:
    chosen = advice.chosen
    how = "" if chosen.is_measured else " (not tried itself; reckoned from its neighbours)"
    lines = [f"Recommended: {_setting_text(chosen.setting)}{how}."]
    lasts = duration_text(chosen.duration_s)
    memory = f"{bytes_text(chosen.memory_bytes)} of memory" if chosen.memory_bytes else "memory not known"
    lines.append(
        f"  {found.workload.items:,} items would take {lasts}, {chosen.worker_seconds:,.0f} worker-seconds, {memory}."
    )
    if any(trial.start_s is None for trial in found.trials):
        lines.append("  The record of a job does not tell how long its workers took to start: that counts as scoring.")
    if target_s is not None and not advice.meets_target:
        lines.append(f"  No setting is expected to be done in {duration_text(target_s)}; this is about the fastest.")
    return lines


def _result(found: _Found, advice: Advice, settings: ExecutionSettings, target_s: float | None) -> dict[str, Any]:
    chosen = advice.chosen.setting
    changed: dict[str, Any] = {
        "mini_batch_size": chosen.run_items,
        "max_concurrency_per_instance": -(-chosen.workers // settings.instance_count),
        "environment_variables": _variables(chosen),
    }
    return {
        "items": found.workload.items,
        "target_duration_s": target_s,
        "meets_target": advice.meets_target if target_s is not None else None,
        "recommended": _shown(advice.chosen),
        "settings": changed,
        "trials": [
            {
                "mini_batch_size": trial.setting.run_items,
                "workers": trial.setting.workers,
                "threads": trial.setting.threads,
                "items_per_s": round(trial.items_per_s, 2),
                "worker_bytes": trial.worker_bytes,
                "start_s": None if trial.start_s is None else round(trial.start_s, 2),
            }
            for trial in found.trials
        ],
    }


def _shown(prospect: Prospect) -> dict[str, Any]:
    return {
        "mini_batch_size": prospect.setting.run_items,
        "workers": prospect.setting.workers,
        "threads": prospect.setting.threads,
        "items_per_s": round(prospect.items_per_s, 2),
        "duration_s": round(prospect.duration_s, 2),
        "worker_seconds": round(prospect.worker_seconds, 1),
        "memory_bytes": prospect.memory_bytes or None,
        "is_measured": prospect.is_measured,
    }


def _write(arm: Mapping[str, object], changed: Mapping[str, Any], path: Path) -> None:
    import yaml

    from batchyard.wire.estimates import tuned_yaml_from_arm

    document = tuned_yaml_from_arm(
        arm,
        run_items=changed["mini_batch_size"],
        concurrency=changed["max_concurrency_per_instance"],
        variables=changed["environment_variables"],
    )
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _at_least_one(number: int | None, flag: str) -> int | None:
    if number is not None and number < 1:
        raise UsageMistake(f"{flag} is {number}, must be 1 or more.")
    return number


def _bytes_of(text: str | None) -> int | None:
    """Read a size such as 8GiB or 500MB. Raises: UsageMistake."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    count = 0.0
    if found is not None:
        base = 1024 if found[3] else 1000
        count = float(found[1]) * base ** " kmgt".index(found[2].lower() or " ")
    if count < 1:
        raise UsageMistake(f"--memory-limit is {text!r}, must be a size such as 8GiB or 500MB.")
    return round(count)
