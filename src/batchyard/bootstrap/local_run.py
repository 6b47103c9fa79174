"""What `batchyard run` does with a deployment that was read: run it, look at it, or score on this terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from batchyard.bootstrap.environments import make_environments
from batchyard.bootstrap.faults import make_faults
from batchyard.bootstrap.local_deployment import LocalDeployment
from batchyard.bootstrap.process_identity import this_process
from batchyard.bootstrap.progress_line import ProgressLine
from batchyard.bootstrap.sandbox import make_sandbox
from batchyard.control.outputs import format_mistakes
from batchyard.datastores.in_place import OUTPUT, InPlaceTrees, NoWebInputs, output_beside
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.deployments import output_format_of
from batchyard.domain.errors import BatchyardError, InvalidInput
from batchyard.domain.failures import summary
from batchyard.domain.job_specs import InputKind, InputSource, OutputTarget, ScoringSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.resource_ids import AssetId, DatastorePath
from batchyard.engine.job_run import run_job
from batchyard.engine.plan import Skipped, walk
from batchyard.engine.rooms import Rooms
from batchyard.environments.cache import LocalEnvironments
from batchyard.instances.local import LocalInstances
from batchyard.instances.scripts import LocalScripts
from batchyard.instances.step_process import LocalStepProcess
from batchyard.instances.workers import kill_recorded_sessions
from batchyard.parquet.files import ParquetFiles
from batchyard.records.one_job import OneJob
from batchyard.settings import Settings

COMPLETED, FAILED, WITH_FAILED_ITEMS = 0, 1, 4
_LOCAL = AssetId("local", "1")
_MOST_CAUSES = 5


def run_once(settings: Settings, deployment: LocalDeployment, given: argparse.Namespace) -> int:
    """Build what is missing, run the job, tell how it ended; the run's own folder is kept only when it failed."""
    runs = settings.home / "runs"
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs))
    for note in deployment.notes:
        print(f"WARNING: {note}", file=sys.stderr)
    line = ProgressLine(sys.stderr)
    job: Job | None = None
    try:
        rooms, records = _prepare(settings, folder, deployment, given, line)
        try:
            run_job(rooms, records.job)
        finally:
            line.end()
            job = records.job
        return _tell(job, folder, given.output, is_strict=given.strict)
    finally:
        if job is None or job.status is JobStatus.COMPLETED:
            shutil.rmtree(folder, ignore_errors=True)


def dry_run(settings: Settings, deployment: LocalDeployment, given: argparse.Namespace) -> int:
    """Check input and output, build the environment, score a sample; nothing but the environment is kept."""
    # A run pays for no import that only a dry run needs.
    from batchyard.bootstrap.dry_run import dry_run_folder, look_at_run, of_refusal, tell

    with dry_run_folder(settings.home / "runs") as folder:
        names_output = given.output is not None
        given.output = given.output or folder / "output"
        try:
            rooms, records = _prepare(settings, folder, deployment, given, ProgressLine(sys.stderr))
        except BatchyardError as exc:
            findings = of_refusal(exc)
        else:
            findings = look_at_run(rooms, records.job.scoring, folder, names_output=names_output)
        return tell(findings, as_json=given.format == "json")


def run_inline_once(settings: Settings, deployment: LocalDeployment, given: argparse.Namespace) -> int:
    """Score on this terminal, from the user's own code folder; nothing is published or kept."""
    source = given.input.absolute()
    with tempfile.TemporaryDirectory(prefix="batchyard-inline-") as name:
        folder = Path(name)
        environments = make_environments(settings)
        build = _build(environments, deployment, folder)
        trees = InPlaceTrees(folder / "trees")
        model = trees.path(trees.add(deployment.model, keep_name=True))
        root = os.fsencode(source)
        items = (
            [root]
            if source.is_file()
            else [root + b"/" + path for path in sorted(chain.from_iterable(walk(root, Skipped())))]
        )
        from batchyard.instances.inline import run_inline

        return run_inline(
            environments.python(build),
            deployment.code_in(folder).resolve(),
            deployment.script,
            items=items,
            input_root=source.parent if source.is_file() else source,
            mini_batch_size=deployment.settings.mini_batch_size,
            model_dir=model,
            scratch=folder,
            environment_variables=deployment.settings.environment_variables,
            row_format=output_format_of(deployment.settings).value,
            has_pdb=given.pdb,
        )


def _prepare(
    settings: Settings, folder: Path, deployment: LocalDeployment, given: argparse.Namespace, line: ProgressLine
) -> tuple[Rooms, OneJob]:
    """Check input and output, build the environment, and give the rooms of the run and its one job."""
    output = given.output.absolute()
    datastores = output_beside(folder, output)
    source = given.input.absolute()
    kind = InputKind.FILE if source.is_file() else InputKind.FOLDER
    target = OutputTarget(DatastorePath(OUTPUT, output.name), deployment.settings.output_file_name)
    asked = InputSource(kind, "file://" + quote(os.fsencode(source)))
    datastores.check_input(asked)
    datastores.check_output(target)
    tables, sandbox = ParquetFiles(), make_sandbox(settings)
    mistakes = format_mistakes(deployment.settings, tables)
    if mistakes:
        raise InvalidInput("The deployment", mistakes)
    environments = make_environments(settings)
    build = _build(environments, deployment, folder)
    trees = InPlaceTrees(folder / "trees")
    spec = _spec(folder, deployment, trees, build, asked, target)
    now = time.time()
    records = OneJob(Job(spec, JobStatus.PREPARING, now, "local run", phases={"preparing": now}, fence=1), line.show)
    rooms = Rooms(
        records=records,
        datastores=datastores,
        web=NoWebInputs(),
        sealed=trees,
        homes=LocalJobHomes(folder / "jobs"),
        environments=environments,
        tables=tables,
        scripts=LocalScripts(sandbox),
        make_instances=partial(LocalInstances, sandbox=sandbox),
        start_step=partial(LocalStepProcess, sandbox=sandbox),
        kill_left_overs=kill_recorded_sessions,
        logs_of=lambda _: folder,
        local_folder=str(folder),
        operation_dir=lambda operation: folder / "operations" / operation,
        faults=make_faults(settings.fault, settings.fault_log),
        owner=this_process(),
        now=time.time,
        monotonic=time.monotonic,
        worker_start_timeout_s=settings.worker_start_timeout_s,
        log_cap_bytes=settings.log_cap_bytes,
    )
    return rooms, records


def _build(environments: LocalEnvironments, deployment: LocalDeployment, folder: Path) -> EnvironmentBuild:
    with open(folder / "build.txt", "w") as log:
        build = environments.build(deployment.environment, log)
    for warning in build.warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    return build


def _spec(
    folder: Path,
    deployment: LocalDeployment,
    trees: InPlaceTrees,
    build: EnvironmentBuild,
    source: InputSource,
    target: OutputTarget,
) -> ScoringSpec:
    return ScoringSpec(
        job=folder.name,
        endpoint=deployment.endpoint,
        deployment=deployment.name,
        deployment_revision=0,
        routed_by="local run",
        source=source,
        settings=replace(deployment.settings),
        compute=deployment.compute,
        model=_LOCAL,
        model_seal=trees.add(deployment.model, keep_name=True),
        code=_LOCAL,
        code_seal=trees.add(deployment.code_in(folder), keep_name=False),
        scoring_script=deployment.script,
        environment=_LOCAL,
        build=build,
        output=target,
    )


def _tell(job: Job, folder: Path, output: Path, *, is_strict: bool) -> int:
    counts = job.counts
    for line in summary(job.failures, most=_MOST_CAUSES):
        print(line, file=sys.stderr)
    sums = f"{counts.succeeded:,} of {counts.items:,} items succeeded, {counts.failed:,} failed"
    if job.status is not JobStatus.COMPLETED:
        result = (folder / "logs" / "job_error.txt") if job.error else folder
        print(f"{job.status.value}: {sums}.", file=sys.stderr)
        print(result.read_text() if result.is_file() else "", file=sys.stderr)
        print(f"Nothing was published. Logs: {folder / 'logs'}", file=sys.stderr)
        return FAILED
    how = f"Completed with errors: {counts.outcome}." if job.is_completed_with_errors else f"Completed: {sums}."
    print(f"{how} Output: {output}", file=sys.stderr)
    return WITH_FAILED_ITEMS if is_strict and job.is_completed_with_errors else COMPLETED
