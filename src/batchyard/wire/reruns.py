"""What taking a job up again may change: the body that is POSTed, and `--set`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchyard.domain.deployments import Overrides
from batchyard.domain.errors import Mistake
from batchyard.wire.mistakes import merged
from batchyard.wire.overrides import (
    InvokeExtras,
    OverridesArm,
    overrides_from_arm,
    overrides_from_set,
    overrides_to_arm,
)
from batchyard.wire.shapes import ArmShape, raise_mistakes, read_shape


class RerunBody(ArmShape):
    """The body of a POST that takes a job up again: settings of this run."""

    properties: OverridesArm | None = None


def overrides_from_rerun_body(job: str, body: Mapping[str, object]) -> Overrides:
    """Read the body of a resume; an empty one changes nothing. Raises: InvalidInput with all mistakes."""
    shape, mistakes = read_shape(RerunBody, body)
    overrides, more = overrides_from_arm(shape.properties or OverridesArm())
    raise_mistakes(f"Next run of job {job!r}", merged(mistakes, more))
    return overrides


def overrides_to_rerun_body(overrides: Overrides) -> dict[str, object]:
    """Give the body that the command line POSTs."""
    return {"properties": overrides_to_arm(overrides)}


def overrides_of_rerun_from_set(assignments: Sequence[str]) -> Overrides:
    """Read `--set` of a command that takes a job up again, in both spellings of each key.

    Raises: InvalidInput with all mistakes; a key that only an invocation takes is one.
    """
    overrides, extras = overrides_from_set(assignments)
    if extras != InvokeExtras():
        allowed = "settings to run with, such as error_threshold=-1"
        found = "job_name, experiment_name, output_dataset or tags"
        raise_mistakes("--set", [Mistake("", found, allowed, "The job keeps its name and its output.")])
    return overrides
