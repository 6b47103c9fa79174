"""Where the workers of one node come from: forked from a zygote that has imported the script, or executed one by one.

Decides which of the two. Both give the same worker: its own session, descriptors, folders and made-up environment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from batchyard.domain.errors import PlatformError
from batchyard.domain.sandboxes import Places
from batchyard.instances.cores import thread_counts
from batchyard.instances.launch import Child, Confinement, launch, make_environment, parent_of
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.zygote import NoWorkerForked, Zygote
from batchyard.ports.instance import OUTPUT_FOLDER, WorkerPlan

# Makes the worker's ends of a channel: commands, reports, stamp page. What it made before has ended when it is called.
Channel = Callable[[], AbstractContextManager[Sequence[int]]]

_FORKED = "forked from a process that has imported the script"


class Watch(Protocol):
    """Whoever waits for an agent."""

    def add(self, fd: int, act: Callable[[], None], *, is_end: bool = False) -> None:
        """Call `act` whenever the descriptor is readable. is_end: after all others that are."""

    def remove(self, fd: int) -> None:
        """Watch no longer; nothing when it is not watched."""


class Nursery:
    """Makes the processes of one node's workers.

    A zygote is started when more than one process is going to need the import: with several slots at once, with few
    for the first replacement. One that refuses is the last one; one that dies later is replaced by the next start.
    In sandboxes there is none: its workers would share one sandbox, and so each other's files and memory.
    """

    def __init__(self, plan: WorkerPlan, node: str, watch: Watch, sandbox: Sandbox | None = None) -> None:
        """sandbox: in which each worker is run, None for none."""
        self._plan, self._node, self._watch, self._sandbox = plan, node, watch, sandbox
        self._zygote: Zygote | None = None
        self._shared: dict[str, str] = {}
        self._why = "each worker of this node imports the script itself, until one is replaced"
        self._is_refused = sandbox is not None
        if sandbox is not None:
            self._why = "each worker has a sandbox of its own"
        self._starts = 0
        self._folders: list[Path] = []

    @property
    def is_confined(self) -> bool:
        """Whether workers are run in sandboxes."""
        return self._sandbox is not None

    @property
    def is_ready(self) -> bool:
        """Whether a worker can be had now; not while a zygote imports the script."""
        return self._zygote is None or self._zygote.is_open

    def prepare(self) -> None:
        """Begin the start of one more worker. Raises: PlatformError."""
        self._starts += 1
        is_worth_it = self._plan.slots >= self._plan.forks_from_slots or self._starts > self._plan.slots
        if self._zygote is None and not self._is_refused and is_worth_it:
            self._zygote = self._start_zygote()
            self._watch.add(self._zygote.socket_fd, self._hear)

    def launch(self, scratch: Path, *, channel: Channel, streams: Sequence[int], places: Places) -> tuple[Child, str]:
        """Give a new worker's process, and say how it came to be.

        scratch: gets its HOME and TMPDIR. channel: lends commands, reports, stamp page. streams: stdout, stderr.
        places: what the worker sees where it is confined. Raises: OSError.
        """
        confined = None if self._sandbox is None else Confinement(self._sandbox, places)
        environment = worker_environment(self._plan, scratch)
        if self._zygote is not None:
            own = {name: value for name, value in environment.items() if self._shared[name] != value}
            try:
                with channel() as descriptors:
                    return self._zygote.fork(own, [*descriptors, *streams]), _FORKED
            except NoWorkerForked as exc:
                self._drop(str(exc))
        # Another channel: a zygote that fell silent may have forked all the same, and its worker must hear nothing.
        with channel() as descriptors:
            child = launch(
                self._plan.python,
                [*map(str, descriptors), str(parent_of(confined))],
                environment=environment,
                folder=scratch,
                output=streams[0],
                errors=streams[1],
                keep=descriptors,
                confined=confined,
            )
        return child, f"executed, not forked: {self._why}"

    def give_up(self) -> None:
        """Wait no longer for the zygote; the next start may try another. Raises: PlatformError."""
        self._drop("the process that was to import the script took too long")

    def retire(self) -> None:
        """Begin the zygote's end, without waiting for it."""
        if self._zygote is not None:
            self._zygote.kill()

    def close(self) -> None:
        """End the zygote; workers live on. Safe to repeat. Raises: PlatformError."""
        self._drop("the job ends")

    def clear(self) -> None:
        """Delete the zygotes' folders, once no worker is left: what the import has seen there is theirs too."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _start_zygote(self) -> Zygote:
        plan, name = self._plan, f"{self._node}-zygote-{len(self._folders)}"
        # A fault is meant to happen once in a job run: a zygote that replaces the faulty one must not have it again.
        fault = plan.fault if plan.fence == 1 and not self._folders else ""
        scratch = plan.scratch_dir / f"{plan.fence}-{name}"
        self._folders.append(scratch)
        try:
            self._shared = worker_environment(plan, scratch)
            return Zygote(
                name,
                python=plan.python,
                arguments=[
                    *(os.fspath(plan.code_dir), plan.script, str(plan.log_cap_bytes), fault, plan.fault_log),
                    *script_arguments(plan, scratch),
                ],
                environment=self._shared,
                scratch=scratch,
                sessions=sessions_file(plan),
            )
        except OSError as exc:
            raise PlatformError(f"The workers of node {self._node!r} cannot be started: {exc}") from exc

    def _hear(self) -> None:
        """Take in what the zygote told of its import, or that it ended. Raises: PlatformError."""
        if self._zygote is None or self._zygote.is_open:
            self._drop("the process that has imported the script ended")
            return
        self._zygote.hear()
        if self._zygote.refusal:
            self._is_refused = True
            self._drop(self._zygote.refusal)

    def _drop(self, why: str) -> None:
        """Raises: PlatformError."""
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            self._why = why
            self._watch.remove(zygote.socket_fd)
            zygote.close()


def worker_environment(plan: WorkerPlan, scratch: Path) -> dict[str, str]:
    """Give the environment of a process that runs the script; scratch gets its folders."""
    return make_environment(
        plan.python,
        scratch=scratch,
        chosen={**thread_counts(plan.core_shares or plan.nodes * plan.slots), **plan.environment_variables},
        fixed={
            **({} if plan.model_dir is None else {"AZUREML_MODEL_DIR": str(plan.model_dir)}),
            "AZUREML_BI_OUTPUT_PATH": str(files_link(scratch)),
            "AZUREML_RUN_ID": plan.job,
        },
    )


def script_arguments(plan: WorkerPlan, scratch: Path) -> list[str]:
    """Give the arguments of the script in a process whose scratch folder this is."""
    return [word.replace(OUTPUT_FOLDER, str(files_link(scratch))) for word in plan.arguments]


def files_link(scratch: Path) -> Path:
    """Give the path that a script writes its own files to."""
    return scratch / "output"


def sessions_file(plan: WorkerPlan) -> Path:
    """Give the file in the job home that lists every session, for `kill_recorded_sessions`."""
    return plan.parts_dir.parent / "workers.jsonl"
