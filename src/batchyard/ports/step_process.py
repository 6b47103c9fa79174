"""The process of a command that is run once, in the environment and the folders of its step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What the process of a command needs.

    python: interpreter of the step's environment, whose folder leads PATH. command: for `sh -c`. code_dir: a writable
    copy, where it starts. variables: those that the command reads values from; they win over environment_variables.
    scratch_dir: HOME and TMPDIR lie in it. log: gets stdout and stderr together, at most log_cap_bytes of them.
    sessions: the `workers.jsonl` of the job home.
    reads, writes: its inputs, and the places of its outputs, for a process that sees nothing else.
    """

    job: str
    python: Path
    command: str
    code_dir: Path
    scratch_dir: Path
    log: Path
    log_cap_bytes: int
    sessions: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    reads: Sequence[Path] = ()
    writes: Sequence[Path] = ()


class StepProcess(Protocol):
    """A command that runs. It has its own session, no descriptor of ours, and is recorded before it begins, so that
    whoever takes the job over ends it; it dies with this process."""

    def wait(self, *, timeout_s: float | None, meanwhile: Callable[[], None]) -> int | None:
        """Wait for its end and give its exit code, negative for a signal; None when it has run for timeout_s.

        meanwhile: called several times a second; what it raises ends the wait. The process is the caller's to close
        in any case. Raises: PlatformError.
        """

    def last_lines(self) -> Sequence[str]:
        """Give the last lines that it has written, at most 20."""

    def close(self) -> None:
        """Kill the process and everything that it started, and finish its log. Safe to repeat.

        Raises: PlatformError when something does not die.
        """
