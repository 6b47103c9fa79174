"""`batchyard run --dry-run`: a sample scored here and now, without a server, and what was found told."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from batchyard.domain.errors import BatchyardError, Conflict, InvalidInput
from batchyard.domain.forecast.calibration import SampleWish, sample_of
from batchyard.domain.forecast.preflight import Finding, Level, has_passed, lines_of, of_calibration, of_mistakes
from batchyard.domain.job_specs import ScoringSpec
from batchyard.engine.calibrate import measure
from batchyard.engine.rooms import Rooms

_PREFIX = "dry-run-"
_CHECKS = {"input": "input", "output_path": "output"}


@contextmanager
def dry_run_folder(runs: Path) -> Iterator[Path]:
    """Give a folder of which nothing stays; what dry runs left that were killed goes too."""
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in runs.glob(f"{_PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(_PREFIX).partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=runs))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def look_at_run(rooms: Rooms, spec: ScoringSpec, folder: Path, *, names_output: bool) -> list[Finding]:
    """Score a sample of what a local run would score. names_output: whether it was said where to publish."""
    version = spec.build.python_version if spec.build else "unknown"
    found = [Finding("environment", Level.OK, f"It is built: Python {version}.")]
    if names_output:
        try:
            rooms.datastores.probe_output(spec.output)
            found.append(Finding("output", Level.OK, f"{spec.output.place.path!r} is free and can be written to."))
        except BatchyardError as exc:
            found.append(Finding("output", Level.ERROR, str(exc), "Name a folder that you may write to."))
    else:
        found.append(Finding("output", Level.NOT_CHECKED, "No --output was given.", "Name the folder to publish to."))
    asked = sample_of(spec, SampleWish(refuses_unfit=True))
    scratch = folder / "sample"
    scratch.mkdir()
    try:
        return found + of_calibration(measure(rooms, asked, scratch, name=spec.job), spec.settings)
    except BatchyardError as exc:
        return found + of_refusal(exc)


def of_refusal(exc: BatchyardError) -> list[Finding]:
    """Give what stands in the way of a run as findings."""
    if isinstance(exc, InvalidInput):
        checks = [(mistake, _CHECKS.get(mistake.field, "settings")) for mistake in exc.mistakes]
        return [one for mistake, check in checks for one in of_mistakes([mistake], check=check)]
    check = "output" if isinstance(exc, Conflict) else "environment"
    return [Finding(check, Level.ERROR, str(exc), "Correct what it names, and look again.")]


def tell(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print findings, and give the exit code: 1 where one is an error."""
    is_good = has_passed(findings)
    if as_json:
        rows = [
            {"check": one.check, "result": one.level.value, "found": one.found, "remedy": one.remedy}
            for one in findings
        ]
        print(json.dumps({"findings": rows, "passed": is_good}, indent=2))
    else:
        print("\n".join(lines_of(findings)))
    return 0 if is_good else 1
