"""`batchyard job verify` and `job lineage`: what proves that an output is what was published, and where it is from."""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import UsageMistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server


def verify(
    server: Server,
    *,
    name: str | None = None,
    path: str | None = None,
    model: str | None = None,
    code: str | None = None,
) -> Any:
    """Check a job that has ended: exit 0 when everything is as it was, 1 when anything is not, and what.

    With --name the server reads output, failed items, counts, ledger, listing, kept rows, model, code and environment
    anew. With --path a downloaded output is checked by its manifest alone, and no server is asked; --model and --code
    name copies of what was run, to be held against it, too.
    """
    from batchyard.cli.job_verify import checks_of_folder, checks_of_job, line_of, summary_of

    if (name is None) == (path is None):
        raise UsageMistake("Give either --name, for a job of the server, or --path, for a folder with an output.")
    copies = {subject: Path(at).expanduser() for subject, at in (("model", model), ("code", code)) if at is not None}
    if name is not None and copies:
        raise UsageMistake("--model and --code go with --path; of a job of the server its own are read.")
    found = checks_of_job(server, name) if name is not None else checks_of_folder(Path(str(path)).expanduser(), copies)
    results, kept, unlisted = Counter[str](), [], 0
    for check in found:
        results[check["result"]] += 1
        if server.is_format_asked:
            kept.append(check)
        elif line := line_of(check):
            print(line, flush=True)
        else:
            unlisted += 1
    if results["wrong"]:
        # Not a failure of the command: its result says what the exit code says.
        server.exit_code = 1
    if server.is_format_asked:
        return kept
    print(summary_of(results, unlisted=unlisted))
    return None


def table(result: Any) -> Any:
    """Show the checks, a row for each."""
    keys = ("result", "subject", "file", "expected", "found", "note")
    return [OrderedDict((key.capitalize(), row[key]) for key in keys) for row in result]


def lineage(
    server: Server,
    *,
    name: str | None = None,
    path: str | None = None,
    row: str | None = None,
    file: str | None = None,
    item: str | None = None,
) -> Any:
    """Show what an output was made of: deployment revision, model, code, environment, input.

    With --row, --file or --item also where that comes from: item, mini-batch, attempt and worker. With --path a
    downloaded output's own manifest is asked, and no server.
    """
    from batchyard.cli.job_lineage import lineage_of_folder, lineage_of_job

    if (name is None) == (path is None):
        raise UsageMistake("Give either --name, for a job of the server, or --path, for a folder with an output.")
    chosen = [flag for flag, value in (("--row", row), ("--file", file), ("--item", item)) if value is not None]
    if len(chosen) > 1:
        raise UsageMistake(f"{' and '.join(chosen)} exclude each other; give one of them.")
    if name is not None:
        return lineage_of_job(server, name, row=row, file=file, item=item)
    if item is not None:
        raise UsageMistake("--item needs the job's server: a manifest does not name the items. Give --name.")
    return lineage_of_folder(Path(str(path)).expanduser(), row=row, file=file)


def lineage_table(result: Any) -> Any:
    """Show what was traced, a row for each item."""
    from batchyard.cli.job_lineage import table as of_lineage

    return of_lineage(result)
