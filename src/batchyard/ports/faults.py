"""Named places where a test may kill, stop or fail a process; off unless a test sets BATCHYARD_FAULT."""

from __future__ import annotations

from typing import Protocol

FAULT_POINTS = (
    "claim.claimed",
    "prepare.staged",
    "workers.started",
    "plan.listed",
    "plan.frozen",
    "ledger.opened",
    "score.started",
    "score.reported",
    "ledger.parts_synced",
    "ledger.appended",
    "ledger.synced",
    "score.verdict",
    "seal.before",
    "seal.after",
    "collect.checking",
    "collect.laying_out",
    "collect.laid_out",
    "collect.row_file_written",
    "collect.rows_written",
    "collect.manifest_written",
    "publish.before",
    "publish.after",
    "finish.before",
    "finish.after",
    "zygote.imported",
    "zygote.asked",
    "zygote.forked",
    "worker.before_run",
    "worker.after_run",
    "worker.rows_written",
    "worker.before_report",
)
# Of jobs that run a command.
COMMAND_POINTS = (
    "command.staged",
    "command.started",
    "command.ended",
    "command.sealing",
    "command.sealed",
    "command.finalizing",
    "command.publishing",
    "command.published_one",
    "command.registered_one",
    "command.published",
    "command.finish",
    "command.finished",
)
# Of a parallel step, beside those of what scores: between two of its outputs.
PARALLEL_POINTS = ("parallel.published_one",)


class Faults(Protocol):
    """Told of every point that is reached."""

    def reach(self, point: str) -> None:
        """Mark the point as reached; kills, stops, fails or cuts writes short when this is the one asked for."""
