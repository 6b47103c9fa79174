"""`batchyard job verify`: what proves that an output is what was published."""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import UsageMistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server


def verify(server: Server, *, name: str | None = None, path: str | None = None) -> Any:
    """Check a job that has ended: exit 0 when everything is as it was, 1 when anything is not, and what.

    With --name the server reads output, failed items, counts, ledger, listing, kept rows, model, code and environment
    anew. With --path a downloaded output is checked by its manifest alone, and no server is asked.
    """
    from batchyard.cli.job_verify import checks_of_folder, checks_of_job, line_of

    if (name is None) == (path is None):
        raise UsageMistake("Give either --name, for a job of the server, or --path, for a folder with an output.")
    results, kept = Counter[str](), []
    for check in checks_of_job(server, name) if name is not None else checks_of_folder(Path(str(path)).expanduser()):
        results[check["result"]] += 1
        if server.is_format_asked:
            kept.append(check)
        elif line := line_of(check):
            print(line, flush=True)
    if results["wrong"]:
        # Not a failure of the command: its result says what the exit code says.
        server.exit_code = 1
    if server.is_format_asked:
        return kept
    print(f"{results['ok']} as they were, {results['wrong']} wrong, {results['unchecked']} not checked")
    return None


def table(result: Any) -> Any:
    """Show the checks, a row for each."""
    keys = ("result", "subject", "file", "expected", "found", "note")
    return [OrderedDict((key.capitalize(), row[key]) for key in keys) for row in result]
