"""Staging: what the workers of one owner need is put in place, and what an earlier owner left is cleared away."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.deployments import (
    ExecutionSettings,
    OutputAction,
    OutputColumn,
    OutputFormat,
    output_format_of,
)
from batchyard.domain.errors import PlatformError
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.formats import is_structured
from batchyard.domain.resource_ids import AssetId
from batchyard.domain.scoring.ledger import Planned
from batchyard.engine.input_places import is_one_file, place_of
from batchyard.engine.plain_json import to_json
from batchyard.engine.rooms import Rooms
from batchyard.engine.step_environment import built_environment
from batchyard.ports.instance import FrozenListing, RowPlan, WorkerPlan
from batchyard.ports.job_home import JobHome
from batchyard.ports.web import is_web

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Staged:
    """Where things are for this owner. source: the input; input_root: folder that listed paths are relative to."""

    home: JobHome
    python: Path
    code_dir: Path
    model_dir: Path | None
    source: Path
    input_root: Path
    build: EnvironmentBuild


def prepare(rooms: Rooms, job: Job, *, meanwhile: Callable[[], None]) -> Staged:
    """Kill what an earlier owner's workers left, then stage model, code and environment.

    The code folder is a writable copy for this owner alone: a sleeping owner's script may still write into its own.
    meanwhile: called while an input is fetched; what it raises ends that.
    Raises: PlatformError when sealed bytes or the environment are gone, or the disk is full.
    """
    home, spec = rooms.homes.open(job.name), job.scoring
    if job.fence > 1:  # The first owner has nobody before it.
        rooms.kill_left_overs(home.path("workers.jsonl"))
    if not home.exists("spec.json"):
        home.create("spec.json", to_json(asdict(spec)))
    _clear_older(home, job.fence)
    model_dir = rooms.sealed.path(spec.model_seal) if spec.model_seal else None
    code = rooms.sealed.path(spec.code_seal)
    for what, path in (("model", model_dir), ("code", code)):
        if path is not None and not path.is_dir():
            raise PlatformError(f"The sealed {what} of job {job.name!r} is gone from {path}.")
    code_dir = home.path(f"code-{job.fence}")
    try:
        shutil.copytree(code, code_dir, copy_function=copy_writable)
        home.path(f"scratch-{job.fence}").mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise PlatformError(f"Could not stage the code of job {job.name!r}: {exc}.") from exc
    source = _source(rooms, job, home, meanwhile)
    root = source.parent if is_one_file(spec.source, source) else source
    rooms.faults.reach("prepare.staged")
    build = spec.build or built_environment(rooms, spec.environment, rooms.logs_of(job.name) / "logs")
    return Staged(home, rooms.environments.python(build), code_dir, model_dir, source, root, build)


def _source(rooms: Rooms, job: Job, home: JobHome, meanwhile: Callable[[], None]) -> Path:
    """Give the local path of the input; a file of the web is fetched into the job home, once for all owners.

    Raises: InvalidInput; NotFound; PlatformError.
    """
    if is_web(job.scoring.source.uri):
        return rooms.web.fetch(job.scoring.source.uri, home.path("input/x").parent, meanwhile=meanwhile)
    return place_of(rooms, job.scoring.source)


def worker_plan(rooms: Rooms, job: Job, staged: Staged) -> WorkerPlan:
    """Say what every worker of this job run needs; the input may not be listed yet."""
    settings, home = job.settings, staged.home
    for folder in ("parts", "files", "listing"):
        home.path(f"{folder}/x")  # Made with its name durable: what is committed lies in it.
    return WorkerPlan(
        job=job.name,
        fence=job.fence,
        nodes=settings.instance_count,
        slots=settings.max_concurrency_per_instance,
        python=staged.python,
        code_dir=staged.code_dir,
        script=job.scoring.scoring_script,
        model_dir=staged.model_dir,
        parts_dir=home.path("parts"),
        files_dir=home.path("files"),
        logs_dir=rooms.logs_of(job.name) / "logs",
        scratch_dir=home.path(f"scratch-{job.fence}"),
        timeout_s=settings.retry.timeout_s,
        start_timeout_s=rooms.worker_start_timeout_s,
        writes_rows=settings.output_action is OutputAction.APPEND_ROW,
        rows=row_plan(
            settings, job=job.name, deployment_revision=job.spec.deployment_revision, model=job.scoring.model
        ),
        logging_level=settings.logging_level.value,
        environment_variables=settings.environment_variables,
        output_contract=settings.output_contract,
        input_contract=settings.input_contract,
        log_cap_bytes=rooms.log_cap_bytes,
        reads=(staged.source, home.path("listing/x").parent),
        fault=rooms.worker_fault if job.fence == 1 else "",
        fault_log=rooms.worker_fault_log,
    )


def row_plan(
    settings: ExecutionSettings, *, job: str, deployment_revision: int, model: AssetId | None
) -> RowPlan | None:
    """Say how workers write rows, None for text: parquet is made of JSON lines when they are collected.

    model: None for a sample, whose rows nobody reads.
    """
    found = output_format_of(settings)
    if not is_structured(found) or settings.output_action is not OutputAction.APPEND_ROW:
        return None
    constants: dict[str, str | int] = {
        OutputColumn.JOB.value: job,
        OutputColumn.DEPLOYMENT_REVISION.value: deployment_revision,
        OutputColumn.MODEL_VERSION.value: f"{model.name}:{model.version}" if model else "",
    }
    columns = tuple(column.value for column in settings.output_columns)
    return RowPlan(
        row_format="csv" if found is OutputFormat.CSV else "jsonl",
        mixes_types=found is not OutputFormat.PARQUET,
        columns=columns,
        constants={name: value for name, value in constants.items() if name in columns},
    )


def frozen_listing(staged: Staged, planned: Planned) -> FrozenListing:
    """Say where the workers read the listing that was planned, by this owner or an earlier one."""
    paths = staged.home.path(planned.listing)
    return FrozenListing(
        input_root=os.fsencode(staged.input_root),
        paths=paths,
        index=Path(f"{paths}.index"),
        items=planned.items,
        mini_batch_size=planned.mini_batch_size,
        starts=staged.home.path(planned.starts) if planned.starts else None,
        has_rows=bool(planned.rows_sha256),
    )


def clear_run_folders(home: JobHome, fence: int) -> None:
    """Delete what only the workers of one owner needed, once they are gone."""
    clear(home, [f"{kind}-{fence}" for kind in ("code", "scratch", "inputs", "outputs")])


def clear(home: JobHome, folders: Iterable[str]) -> None:
    """Delete folders that nobody needs any more, as far as they let themselves be: no job fails by what resists."""
    for name in folders:
        try:
            home.remove_tree(name)
        except PlatformError as exc:
            log.warning("folder not removed", extra={"folder": name, "reason": str(exc)})


def _clear_older(home: JobHome, fence: int) -> None:
    for older in range(1, fence):
        clear_run_folders(home, older)


def copy_writable(source: str, target: str) -> str:
    """Copy a sealed file as one that its owner may change; for `shutil.copytree`."""
    shutil.copyfile(source, target)
    os.chmod(target, 0o755 if os.stat(source).st_mode & 0o100 else 0o644)
    return target
