"""`batchyard job`: jobs. They are made by `batch-endpoint invoke`, and pipelines by `job create` too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import job_create, output
from batchyard.cli import job_proof as proof
from batchyard.cli.failures import CommandFailed, UsageMistake
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.wire.documents import Change

COMMANDS = (
    Command(
        "job create",
        "create",
        output.jobs,
        example=("Run a pipeline once, and print its logs.", "batchyard job create -f pipeline.yml --stream"),
    ),
    Command("job show", "show", output.jobs),
    Command(
        "job list",
        "list_",
        output.jobs,
        example=("Find failed jobs of a team.", "batchyard job list --status Failed --tag team=vision -o table"),
    ),
    Command(
        "job update",
        "update",
        output.jobs,
        example=("Tag a job.", "batchyard job update -n JOB --set tags.team=vision display_name='First try'"),
    ),
    Command("job archive", "archive"),
    Command("job restore", "restore"),
    Command("job stream", "stream"),
    Command(
        "job logs",
        "logs",
        example=("See what became of one item.", "batchyard job logs -n JOB --item folder/image-7.png"),
    ),
    Command(
        "job download",
        "download",
        example=("Get what a job that failed has scored.", "batchyard job download -n JOB --partial -p FOLDER"),
    ),
    Command(
        "job verify",
        "verify",
        proof.table,
        example=("Check a downloaded output without a server.", "batchyard job verify --path FOLDER"),
    ),
    Command(
        "job lineage",
        "lineage",
        proof.lineage_table,
        example=("What made row 41 of the predictions?", "batchyard job lineage -n JOB --row 41"),
    ),
    Command("job cancel", "cancel", output.jobs),
    Command(
        "job pause",
        "pause",
        output.jobs,
        example=(
            "Free a job's instances for something else.",
            "batchyard job pause -n JOB --reason 'urgent job'",
        ),
    ),
    Command(
        "job continue",
        "continue_",
        output.jobs,
        example=("Let a paused job go on, and wait for its end.", "batchyard job continue -n JOB --wait"),
    ),
    Command(
        "job retry-failed",
        "retry_failed",
        output.jobs,
        example=(
            "Score failed items again, now that their cause is gone.",
            "batchyard job retry-failed -n JOB --wait",
        ),
    ),
    Command(
        "job resume",
        "resume",
        output.jobs,
        example=(
            "Go on with a failed job, tolerating more failed items.",
            "batchyard job resume -n JOB --set error_threshold=50",
        ),
    ),
)

_MOST = 50

verify, lineage, create = proof.verify, proof.lineage, job_create.create


def show(server: Server, *, name: str, web: bool = False) -> Any:
    """Show a job: status, counts, what ran on what, and why it failed."""
    from batchyard.wire.jobs import job_cli_from_arm

    job = job_cli_from_arm(server.get(server.path("jobs", name)).body)
    if web:
        job_create.say_link(server, job)
    return job


def list_(
    server: Server,
    *,
    status: str | None = None,
    endpoint: str | None = None,
    deployment: str | None = None,
    compute: str | None = None,
    tag: list[list[str]] | None = None,
    created_from: str | None = None,
    created_before: str | None = None,
    parent_job_name: str | None = None,
    include_archived: bool = False,
    archived_only: bool = False,
    max_results: int = _MOST,
    all_results: bool = False,
) -> Any:
    """List jobs, newest first: 50 of them unless told otherwise. The server filters; all filters hold at once."""
    from batchyard.cli.asset import view_of

    filters: dict[str, str | list[str] | None] = {
        "status": status,
        "endpoint": endpoint,
        "deployment": deployment,
        "compute": compute,
        "tag": [text for group in tag or () for text in group],
        "createdFrom": created_from,
        "createdBefore": created_before,
    }
    view = view_of(include_archived=include_archived, archived_only=archived_only)
    if parent_job_name is None:
        return jobs_of(server, {**filters, "listViewType": view}, limit=None if all_results else max_results)
    if any(filters.values()):
        raise UsageMistake("--parent-job-name lists the steps of one job; filters cannot go with it.")
    return _children(server, parent_job_name)


def update(
    server: Server,
    *,
    name: str,
    changes: list[Change] | None = None,
    force_string: bool = False,
    reason: str = "",
    ticket: str = "",
) -> Any:
    """Change display name, description, tags or properties of a job; what is not named stays."""
    from batchyard.cli import documents
    from batchyard.cli.reasons import change_headers
    from batchyard.wire.job_edits import notes_to_document, run_patch
    from batchyard.wire.jobs import job_cli_from_arm

    before = notes_to_document(server.get(server.path("jobs", name)).body)
    after = documents.patch_from("job", before, None, {}, changes, force_string=force_string)
    patch = run_patch(name, before, after)
    if patch:
        headers = change_headers(reason, ticket)
        server.request("PATCH", _run(server, name), body=patch, headers=headers, is_repeatable=True)
    done = server.get(server.path("jobs", name)).body
    for line in documents.differences(before, notes_to_document(done)) if patch else ["Nothing to change."]:
        server.say(line)
    return job_cli_from_arm(done)


def archive(server: Server, *, name: str, reason: str = "", ticket: str = "") -> None:
    """Hide a job from lists; everything of it stays, and it can still be named."""
    _set_archived(server, name, is_archived=True, reason=reason, ticket=ticket)


def restore(server: Server, *, name: str, reason: str = "", ticket: str = "") -> None:
    """Show an archived job in lists again."""
    _set_archived(server, name, is_archived=False, reason=reason, ticket=ticket)


def stream(server: Server, *, name: str) -> None:
    """Follow a job and print its progress and its workers' logs; fails when it failed. Ctrl-C leaves it running."""
    from batchyard.cli.following import follow, story

    done = follow(server, name, out=sys.stdout, with_logs=True)
    if done.get("status") != "Completed":
        raise CommandFailed(story(done))


def logs(
    server: Server,
    *,
    name: str,
    errors: bool = False,
    worker: str | None = None,
    item: str | None = None,
    follow: bool = False,
) -> Any:
    """Print a job's logs: how far it is and the workers' last lines; or its errors, one worker, or one item.

    With `-o` or `--query` the same is given as rows, except what is followed.
    """
    from batchyard.cli import job_logs
    from batchyard.cli.following import follow_logs

    wanted = (("--errors", errors or None), ("--worker", worker), ("--item", item))
    chosen = [flag for flag, value in wanted if value is not None]
    if len(chosen) > 1:
        raise UsageMistake(f"{' and '.join(chosen)} exclude each other; give one of them.")
    if follow and (errors or item is not None):
        raise UsageMistake(f"--follow prints what workers write; {chosen[0]} cannot go with it.")
    if server.is_format_asked and not follow:
        return job_logs.rows(server, name, errors=errors, worker=worker, item=item)
    if follow:
        if not follow_logs(server, name, worker=worker) and worker is not None:
            # All there is of it, or the names of the workers that there are.
            job_logs.print_worker(server, name, worker)
    elif errors:
        job_logs.print_errors(server, name)
    elif worker is not None:
        job_logs.print_worker(server, name, worker)
    elif item is not None:
        job_logs.print_item(server, name, item)
    else:
        job_logs.print_overview(server, name)
    return None


def cancel(server: Server, *, name: str, reason: str = "", ticket: str = "") -> Any:
    """Ask a job to end; nothing is published."""
    return _post(server, name, "cancel", reason=reason, ticket=ticket, is_repeatable=True)


def pause(server: Server, *, name: str, reason: str = "", ticket: str = "") -> Any:
    """Ask a job to pause: what runs is finished, its instances are freed, and what it has scored stays."""
    return _post(server, name, "pause", reason=reason, ticket=ticket, is_repeatable=True)


def continue_(
    server: Server, *, name: str, wait: bool = False, stream: bool = False, reason: str = "", ticket: str = ""
) -> Any:
    """Queue a paused job again; it goes on from its ledger."""
    job = _post(server, name, "continue", reason=reason, ticket=ticket)
    return _followed(server, job, wait=wait, stream=stream)


def resume(
    server: Server,
    *,
    name: str,
    sets: list[list[str]] | None = None,
    wait: bool = False,
    stream: bool = False,
    reason: str = "",
    ticket: str = "",
) -> Any:
    """Queue a failed or cancelled job again: it goes on from its ledger, and only what is missing is scored."""
    job = _post(server, name, "resume", body=_overrides_body(sets), reason=reason, ticket=ticket)
    return _followed(server, job, wait=wait, stream=stream)


def retry_failed(
    server: Server,
    *,
    name: str,
    sets: list[list[str]] | None = None,
    wait: bool = False,
    stream: bool = False,
    reason: str = "",
    ticket: str = "",
) -> Any:
    """Score the failed items of a job again, and publish its output whole as the next generation."""
    job = _post(server, name, "retryFailed", body=_overrides_body(sets), reason=reason, ticket=ticket)
    return _followed(server, job, wait=wait, stream=stream)


def download(
    server: Server,
    *,
    name: str,
    download_path: str = ".",
    output_name: str | None = None,
    all_: bool = False,
    partial: bool = False,
) -> Any:
    """Download a job's outputs into named-outputs; that of a model's job whole and checked against its manifest."""
    from batchyard.cli.download import fetch_logs, fetch_output
    from batchyard.cli.partial import fetch_partial
    from batchyard.cli.step_outputs import fetch_step_outputs
    from batchyard.wire.jobs import job_cli_from_arm

    job = job_cli_from_arm(server.get(server.path("jobs", name)).body)
    folder = Path(download_path).expanduser()
    if job["outputs"] or job["steps"]:
        return fetch_step_outputs(server, job, folder, output_name, with_logs=all_, is_partial=partial)
    if output_name not in (None, "score"):
        raise UsageMistake(f"A batch job has the one output `score`, not {output_name!r}.")
    done: dict[str, Any] = {"job": name}
    if all_:
        done["logs"] = fetch_logs(server, name, folder / "artifacts")
    if partial:
        target = folder / "partial-outputs" / "score"
        done |= {"partial": fetch_partial(server, name, target), "path": str(target)}
    elif job.get("status") == "Completed" or job.get("generation"):
        target = folder / "named-outputs" / "score"
        done |= {"files": fetch_output(server, job, target), "path": str(target)}
    elif not all_:
        raise CommandFailed(
            f"Job {name!r} is {job.get('status')}; only a completed job has an output. "
            f"What it has scored comes with `batchyard job download -n {name} --partial`, its logs with `--all`."
        )
    return done


def _set_archived(server: Server, name: str, *, is_archived: bool, reason: str, ticket: str) -> None:
    from batchyard.cli.reasons import change_headers

    headers = change_headers(reason, ticket)
    server.request("PATCH", _run(server, name), body={"hidden": is_archived}, headers=headers, is_repeatable=True)


def _run(server: Server, name: str) -> str:
    return f"/history/v1.0{server.path('runs', name)}"


def _children(server: Server, name: str) -> list[dict[str, object]]:
    from batchyard.wire.runs import run_cli_from_history

    return [run_cli_from_history(run) for run in server.get(f"{_run(server, name)}/children").body["value"]]


def _post(
    server: Server,
    name: str,
    verb: str,
    *,
    body: object = None,
    reason: str = "",
    ticket: str = "",
    is_repeatable: bool = False,
) -> dict[str, Any]:
    """Ask for something to be done with a job and give it as `job show` does."""
    from batchyard.cli.reasons import change_headers
    from batchyard.wire.jobs import job_cli_from_arm

    path = f"{server.path('jobs', name)}/{verb}"
    headers = change_headers(reason, ticket)
    return job_cli_from_arm(server.request("POST", path, body=body, headers=headers, is_repeatable=is_repeatable).body)


def _overrides_body(sets: list[list[str]] | None) -> Any:
    from batchyard.wire.reruns import overrides_of_rerun_from_set, overrides_to_rerun_body

    return overrides_to_rerun_body(overrides_of_rerun_from_set([text for group in sets or () for text in group]))


def _followed(server: Server, job: dict[str, Any], *, wait: bool, stream: bool) -> dict[str, Any]:
    from batchyard.cli.following import follow_to_end

    return follow_to_end(server, job, with_logs=stream) if wait or stream else job


def jobs_of(
    server: Server, filters: Mapping[str, str | list[str] | None], *, limit: int | None = None
) -> list[dict[str, object]]:
    """Give jobs as `job show` does, newest first. filters: parameters of the list; empty ones are left out."""
    from batchyard.wire.jobs import job_cli_from_arm

    params: dict[str, Any] = {key: value for key, value in filters.items() if value}
    if limit is not None and limit < 1:
        raise UsageMistake(f"--max-results is {limit}, must be 1 or more.")
    if limit is not None:
        params["$top"] = min(limit, 1000)
    return [job_cli_from_arm(arm) for arm in server.list_all(server.path("jobs"), limit=limit, **params)]
