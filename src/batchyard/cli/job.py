"""`batchyard job`: scoring jobs. They are made by `batch-endpoint invoke`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.failures import CommandFailed, UsageMistake
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (
    Command("job show", "show", output.jobs),
    Command("job list", "list_", output.jobs),
    Command("job stream", "stream"),
    Command("job download", "download"),
    Command("job cancel", "cancel", output.jobs),
)

_MOST = 50


def show(server: Server, *, name: str) -> Any:
    """Show a job: status, counts, what ran on what, and why it failed."""
    from batchyard.wire.jobs import job_cli_from_arm

    return job_cli_from_arm(server.get(server.path("jobs", name)).body)


def list_(
    server: Server,
    *,
    status: str | None = None,
    endpoint: str | None = None,
    deployment: str | None = None,
    max_results: int = _MOST,
    all_results: bool = False,
) -> Any:
    """List jobs, newest first: 50 of them unless told otherwise."""
    limit = None if all_results else max_results
    return jobs_of(server, status=status, endpoint=endpoint, deployment=deployment, limit=limit)


def stream(server: Server, *, name: str) -> None:
    """Follow a job and print its progress and its workers' logs; fails when it failed. Ctrl-C leaves it running."""
    from batchyard.cli.following import follow, story

    done = follow(server, name, out=sys.stdout, with_logs=True)
    if done.get("status") != "Completed":
        raise CommandFailed(story(done))


def cancel(server: Server, *, name: str) -> Any:
    """Ask a job to end; nothing is published."""
    from batchyard.wire.jobs import job_cli_from_arm

    return job_cli_from_arm(server.request("POST", server.path("jobs", name) + "/cancel", is_repeatable=True).body)


def download(
    server: Server, *, name: str, download_path: str = ".", output_name: str | None = None, all_: bool = False
) -> Any:
    """Download a job's output into named-outputs/score, whole and checked against its manifest."""
    from batchyard.cli.download import fetch_logs, fetch_output
    from batchyard.wire.jobs import job_cli_from_arm

    if output_name not in (None, "score"):
        raise UsageMistake(f"A batch job has the one output `score`, not {output_name!r}.")
    job = job_cli_from_arm(server.get(server.path("jobs", name)).body)
    folder = Path(download_path).expanduser()
    done: dict[str, Any] = {"job": name}
    if all_:
        done["logs"] = fetch_logs(server, name, folder / "artifacts")
    if job.get("status") == "Completed":
        target = folder / "named-outputs" / "score"
        done |= {"files": fetch_output(server, job, target), "path": str(target)}
    elif not all_:
        raise CommandFailed(
            f"Job {name!r} is {job.get('status')}; only a completed job has an output. "
            f"Its logs come with `batchyard job download -n {name} --all`."
        )
    return done


def jobs_of(
    server: Server,
    *,
    status: str | None = None,
    endpoint: str | None = None,
    deployment: str | None = None,
    limit: int | None = None,
) -> list[dict[str, object]]:
    """Give jobs as `job show` does, newest first."""
    from batchyard.wire.jobs import job_cli_from_arm

    wanted = {"status": status, "endpoint": endpoint, "deployment": deployment}
    params: dict[str, str | int] = {key: value for key, value in wanted.items() if value}
    if limit is not None and limit < 1:
        raise UsageMistake(f"--max-results is {limit}, must be 1 or more.")
    if limit is not None:
        params["$top"] = min(limit, 1000)
    return [job_cli_from_arm(arm) for arm in server.list_all(server.path("jobs"), limit=limit, **params)]
