"""The outputs of pipelines and of their steps, downloaded by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of jobs

from batchyard.cli.failures import CommandFailed, UsageMistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server


def fetch_step_outputs(
    server: Server, job: Mapping[str, Any], folder: Path, wanted: str | None, *, with_logs: bool, is_partial: bool
) -> dict[str, Any]:
    """Download one output, or all, into `named-outputs/<name>`; gives their files by output.

    wanted: the output's name, None for all. with_logs: those of a pipeline's steps too, each below its name.
    Raises: UsageMistake for one that the job has not; CommandFailed before the job has completed, and where a folder is
    there already.
    """
    from batchyard.cli.download import fetch_logs, fetch_tree
    from batchyard.cli.step_tree import begun
    from batchyard.domain.resource_ids import DatastorePath

    name, outputs = str(job["name"]), job["outputs"]
    if is_partial:
        raise UsageMistake(f"Job {name!r} scores no items itself. `--partial` goes with jobs that do.")
    if wanted is not None and wanted not in outputs:
        raise UsageMistake(f"Job {name!r} has no output {wanted!r}. It has: {', '.join(outputs) or 'none'}.")
    done: dict[str, Any] = {"job": name}
    if with_logs:
        done["logs"] = fetch_logs(server, name, folder / "artifacts")
        for path, step in begun(job["steps"]):
            logs = fetch_logs(server, str(step["job"]), folder / "artifacts" / path)
            done["logs"] += [f"{path}/{log}" for log in logs]
    if job["status"] != "Completed":
        if with_logs:
            return done
        raise CommandFailed(
            f"Job {name!r} is {job['status']}; only a completed job has outputs. Steps that are Completed have theirs: "
            f"`batchyard job show -n {name} -o table` names them. The logs come with `--all`."
        )
    done["files"], done["path"] = {}, str(folder / "named-outputs")
    for output in [wanted] if wanted is not None else outputs:
        place = DatastorePath(str(outputs[output]["datastore"]), str(outputs[output]["path"]))
        done["files"][output] = fetch_tree(server, place, folder / "named-outputs" / output, keeps_top=False)
    return done
