"""Calibration: a sample of an input really scored, and measured run by run, before there is a job.

`engine.calibrate` makes a `Calibration`; what follows from one (findings, estimates, advice) is for others to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.forecast.unfit_items import UnfitItem
from batchyard.domain.job_specs import InputSource, ScoringSpec


@dataclass(frozen=True, slots=True)
class SampleWish:
    """How much of an input is scored, and how.

    items: about so many, whole mini-batches; at least one mini-batch. percent: of all items, where that is more.
    run_items: numbers of items for one `run()`, each tried on its share of the sample; () for that of the settings.
    workers: processes that score at a time. environment_variables: laid over the deployment's own, for instance to
    give a library fewer threads. time_limit_s: nothing is begun after so long, counted from the first `run()`.
    refuses_unfit: where items are not as the input contract says, none is scored and no worker started.
    """

    items: int = 20
    percent: float = 0.0
    run_items: tuple[int, ...] = ()
    workers: int = 1
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    time_limit_s: float = 60.0
    refuses_unfit: bool = False


@dataclass(frozen=True, slots=True)
class CalibrationSpec:
    """Everything that a calibration depends on, frozen when it is asked for, as `ScoringSpec` is for a job."""

    endpoint: str
    deployment: str
    deployment_revision: int
    source: InputSource
    settings: ExecutionSettings
    model_seal: Sealed
    code_seal: Sealed
    scoring_script: str
    build: EnvironmentBuild
    wish: SampleWish = field(default_factory=SampleWish)


def sample_of(spec: ScoringSpec, wish: SampleWish) -> CalibrationSpec:
    """Give the calibration of the job that would run by this spec, which is of no step: those have no sample."""
    if spec.model_seal is None or spec.build is None:
        raise TypeError(f"job {spec.job!r} is a step: a sample is scored of a model's deployment alone")
    return CalibrationSpec(
        endpoint=spec.endpoint,
        deployment=spec.deployment,
        deployment_revision=spec.deployment_revision,
        source=spec.source,
        settings=spec.settings,
        model_seal=spec.model_seal,
        code_seal=spec.code_seal,
        scoring_script=spec.scoring_script,
        build=spec.build,
        wish=wish,
    )


@dataclass(frozen=True, slots=True)
class SampleFailure:
    """What failed, in the script's words. item: the first of the mini-batch; "" for a worker's start."""

    error_class: str
    error: str
    message: str
    stack: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True)
class SampledRun:
    """One mini-batch of the sample, scored once by `run()`.

    first: position of its first item in the whole listing; items, size_bytes: of it; run_items: the size that was
    tried, which the last mini-batch of an input may fall short of. rows, output_bytes: what it returned, as written.
    seconds: wall time of `run()`; cpu_seconds: of the worker and its threads over the same time.
    peak_bytes: the most memory the worker had held by its end. is_first: the worker had scored nothing before.
    stands_for_…: the part of the whole input that it was chosen to represent; the parts of one run_items add up to it.
    """

    worker: str
    first: int
    items: int
    size_bytes: int
    run_items: int
    seconds: float
    cpu_seconds: float
    rows: int
    output_bytes: int
    peak_bytes: int
    is_first: bool
    stands_for_items: int
    stands_for_bytes: int
    failure: SampleFailure | None = None


@dataclass(frozen=True, slots=True)
class SampledStart:
    """One worker's start. seconds, cpu_seconds: of importing the script and `init()`; resident_bytes: held then."""

    worker: str
    seconds: float
    cpu_seconds: float
    resident_bytes: int
    failure: SampleFailure | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What scoring a sample told.

    items, size_bytes: of the whole listing; mini_batches: those of the settings. is_size_estimated: of a very long
    listing not every file is looked at. skipped: pipes and the like. runs: in the order in which they ended.
    workers: that scored at a time. cores: that this process may use; memory_bytes: that are free for workers.
    unfit: items that are not as the input contract says, of the looked_at that were held against it.
    is_cut_short: the time limit came before the whole sample was scored. seconds: all of it, listing included.
    """

    items: int
    size_bytes: int
    mini_batches: int
    runs: tuple[SampledRun, ...] = ()
    starts: tuple[SampledStart, ...] = ()
    workers: int = 1
    cores: int = 1
    memory_bytes: int = 0
    seconds: float = 0.0
    list_seconds: float = 0.0
    is_size_estimated: bool = False
    is_cut_short: bool = False
    skipped: int = 0
    unfit: tuple[UnfitItem, ...] = ()
    looked_at: int = 0

    @property
    def concurrency(self) -> int:
        """Mini-batches that were scored at a time: no more than there were, however many workers waited for one."""
        return max(1, min(self.workers, len(self.runs)))

    @property
    def sample_items(self) -> int:
        """Items that were given to `run()`; those of several sizes count each time."""
        return sum(run.items for run in self.runs)

    @property
    def sample_bytes(self) -> int:
        """Bytes of their files."""
        return sum(run.size_bytes for run in self.runs)

    @property
    def succeeded(self) -> tuple[SampledRun, ...]:
        """The runs that did not fail."""
        return tuple(run for run in self.runs if run.failure is None)

    @property
    def failures(self) -> tuple[SampleFailure, ...]:
        """What failed, starts before runs."""
        found = [start.failure for start in self.starts] + [run.failure for run in self.runs]
        return tuple(failure for failure in found if failure is not None)

    @property
    def start_seconds(self) -> float:
        """What import and `init()` took, the longest of all starts; 0 where none came to its end."""
        return max((start.seconds for start in self.starts if start.failure is None), default=0.0)

    @property
    def peak_bytes(self) -> int:
        """The most memory that one worker held."""
        return max([run.peak_bytes for run in self.runs] + [start.resident_bytes for start in self.starts], default=0)
