"""What a parallel step publishes: each output in a place of its own, with what belongs there and nothing else.

A later step may read an output as a folder, so manifest and failed items stay in the home of the job. Outputs are
staged below the folder of the owner that collects, and each appears whole. They appear one after the other: until the
job's record says Completed, nobody is given any of them.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from batchyard.domain.errors import Conflict, PlatformError
from batchyard.domain.job_specs import ParallelStep
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.formats import shard_name
from batchyard.domain.outputs.tree_files import TreeFile
from batchyard.domain.pipelines.components import PortType
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.outputs import keep_outputs
from batchyard.ports.datastore import Piece, Written
from batchyard.ports.job_home import JobHome

MANIFEST, FAILED_ITEMS = "manifest.json", "failed_items.jsonl"
# Below `files` of the job home: what workers wrote in `init()` and `shutdown()`, in a folder for each.
_WORKERS = "_workers"


class StepPublication:
    """`ports.datastore.Publication` of the outputs of one parallel step."""

    def __init__(self, rooms: Rooms, job: Job, step: ParallelStep, home: JobHome) -> None:
        """Raises: PlatformError."""
        self._rooms, self._job, self._step, self._home = rooms, job, step, home
        self._work = home.path(f"collect/{job.fence}/outputs")
        self._files: dict[str, list[TreeFile]] = {name: [] for name in step.outputs}
        try:
            shutil.rmtree(self._work, ignore_errors=True)
            for name in step.outputs:
                (self._work if self._is_file(name) else self._work / name).mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise PlatformError(f"Could not stage the outputs of job {job.name!r}: {exc}.") from exc

    def write_rows(self, pieces: Iterable[Piece], *, shard: tuple[int, int] | None = None) -> Written:
        output = self._step.append_row_to
        if output is None:
            raise TypeError(f"job {self._job.name!r} has no output for its rows")
        name = self._job.scoring.output.file_name
        name = name if shard is None else shard_name(name, shard[0], of=shard[1])
        return self._write(output, "" if self._is_file(output) else name, lambda stream: _copy(pieces, stream))

    def write_failed_items(self, lines: Iterable[bytes]) -> Written:
        return self._keep(FAILED_ITEMS, lines)

    def write_file(self, name: str, pieces: Iterable[Piece]) -> Written:
        output, rest = self._place_of(name)
        return self._write(output, rest, lambda stream: _copy(pieces, stream))

    def publish(self, manifest: bytes) -> None:
        self._refuse_unwritten()
        self._refuse_no_models()
        self._keep(MANIFEST, [manifest])
        self._home.sync_tree(f"collect/{self._job.fence}/outputs")
        trees = {name: sorted(files, key=lambda file: file.path) for name, files in self._files.items()}
        keep_outputs(self._job, self._home, trees)
        for name, output in self._step.outputs.items():
            self._rooms.datastores.publish_tree(self._staged(name), output.place, trees[name], job=self._job.name)
            self._rooms.faults.reach("parallel.published_one")

    def discard(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)

    def _is_file(self, output: str) -> bool:
        return self._step.outputs[output].type is PortType.URI_FILE

    def _staged(self, output: str) -> Path:
        """Give where an output is built; a file has its own name already, in a folder of its own."""
        if not self._is_file(output):
            return self._work / output
        return self._work / f"{output}.file" / posixpath.basename(self._step.outputs[output].place.path)

    def _place_of(self, name: str) -> tuple[str, str]:
        """Tell which output a file is of, and where in it. Raises: Conflict."""
        parts, worker = name.split("/"), list[str]()
        if parts[0] == _WORKERS and len(parts) > 2:
            worker, parts = parts[:2], parts[2:]
        output, rest = parts[0], "/".join([*worker, *parts[1:]])
        if output not in self._step.outputs or self._is_file(output) == bool(rest):
            known = ", ".join(f"${{{{outputs.{one}}}}}" for one in self._step.outputs) or "none is declared"
            raise Conflict(
                f"The script wrote {'/'.join(parts)!r} to its output folder, which belongs to no output of the step. "
                f"Let program_arguments name the output ({known}), and write to the path that it stands for."
            )
        return output, rest

    def _write(self, output: str, name: str, fill: Callable[[BinaryIO], None]) -> Written:
        """Write a file of an output; name: "" for one that is the output itself."""
        staged = self._staged(output)
        target, shown = (staged / name, f"{output}/{name}") if name else (staged, output)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            stream = open(target, "xb")  # noqa: SIM115 - what fails before it is made is none of ours to remove
        except (FileExistsError, NotADirectoryError) as exc:
            raise Conflict(f"The script wrote {shown!r}, where the output has another file or folder already.") from exc
        except OSError as exc:
            raise PlatformError(f"Could not write {shown!r}: {exc}.") from exc
        try:
            with stream:
                fill(stream)
        except OSError as exc:
            target.unlink(missing_ok=True)
            raise PlatformError(f"Could not write {shown!r}: {exc}.") from exc
        written = _written(shown, target)
        path = os.fsencode(name or target.name)
        self._files[output].append(TreeFile(path, written.size_bytes, written.sha256))
        return written

    def _keep(self, name: str, chunks: Iterable[bytes]) -> Written:
        """Write a file of the job home, whole or not at all; one that is there is of the same ledger, or older."""
        target, beside = self._home.path(name), self._home.path(f"collect/{self._job.fence}/{name}")
        try:
            with open(beside, "wb") as stream:
                stream.writelines(chunks)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(beside, target)
        except OSError as exc:
            raise PlatformError(f"Could not write {name!r} in the job home: {exc}.") from exc
        return _written(f"_{name}", target)

    def _refuse_unwritten(self) -> None:
        lacking = [name for name in self._step.outputs if self._is_file(name) and not self._files[name]]
        if lacking:
            names = ", ".join(f"${{{{outputs.{name}}}}}" for name in lacking)
            raise Conflict(
                f"No mini-batch wrote {names}, which is a file. Let the script write it, or make it a folder."
            )

    def _refuse_no_models(self) -> None:
        for name, output in self._step.outputs.items():
            is_described = any(file.path == b"MLmodel" for file in self._files[name])
            if output.registers and output.type is PortType.MLFLOW_MODEL and not is_described:
                raise Conflict(
                    f"The output {name!r} has no file 'MLmodel' at its top; it is to be registered as an mlflow_model."
                )


def _copy(pieces: Iterable[Piece], out: BinaryIO) -> None:
    """Join pieces, keeping the last source open: most pieces of a run come from few part files."""
    path, source = None, None
    try:
        for piece in pieces:
            if source is None or piece.path != path:
                if source is not None:
                    source.close()
                path, source = piece.path, open(piece.path, "rb")  # noqa: SIM115 - closed below
            source.seek(piece.offset)
            _copy_bytes(source, out, piece.size_bytes)
    finally:
        if source is not None:
            source.close()


def _copy_bytes(source: BinaryIO, out: BinaryIO, size_bytes: int) -> None:
    left = size_bytes
    while left:
        chunk = source.read(min(left, 8 << 20))
        if not chunk:
            raise OSError(5, "a part file ends too early")
        out.write(chunk)
        left -= len(chunk)


def _written(name: str, path: Path) -> Written:
    try:
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Written(name, os.fstat(stream.fileno()).st_size, digest)
    except OSError as exc:
        raise PlatformError(f"Could not read {name!r} again: {exc}.") from exc
