"""MLflow's file store as a step's script left it: its runs, and the artifacts that are copied out of it.

The script could write anything there: links and pipes are not followed or waited for, everything is bounded, and what
cannot be read is told in words and left out. Nothing here fails the job.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchyard.domain.logged import MOST_NAMES, MOST_PARAM_CHARS, LoggedRun, Point

MOST_RUNS = 100
MOST_ARTIFACTS = 1_000
MOST_ARTIFACT_BYTES = 256 << 20
_MOST_METRIC_BYTES = 1 << 20
_MOST_BYTES_IN_ALL = 32 << 20
_MOST_WARNINGS = 20
_MOST_TEXT_BYTES = 4 * MOST_PARAM_CHARS
_MOST_ENTRIES = 10 * MOST_NAMES
_MOST_MS = 4_000_000_000_000  # The year 2096; what is later is no time.
_CHUNK_BYTES = 1 << 20
_RUN = re.compile(r"[0-9a-f]{32}")
_MODEL = re.compile(r"m-[0-9a-f]{32}")
# Of a `meta.yaml` only plain numbers and words are wanted, of the form that every version of MLflow writes.
_STARTED = re.compile(r"^start_time: ([0-9]{1,15})\s*$", re.MULTILINE)
_STAGE = re.compile(r"^lifecycle_stage: (\w+)\s*$", re.MULTILINE)
_NAME = re.compile(r"^name: '?([\w .-]+?)'?\s*$", re.MULTILINE)


@dataclass(slots=True)
class Store:
    """A store as it was found. artifacts: where each is to be copied to, relative -> the file. warnings: in words.
    left_bytes: of runs that are still read."""

    runs: list[LoggedRun] = field(default_factory=list)
    artifacts: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    left_bytes: int = _MOST_BYTES_IN_ALL

    def warn(self, warning: str) -> None:
        """Keep a warning, once, unless there are very many."""
        if warning not in self.warnings and len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(warning)


def environment_of(store: Path, *, experiment: str) -> Mapping[str, str]:
    """Give the variables by which MLflow of any version, skinny too, logs into this folder and asks nobody else."""
    return {
        "MLFLOW_TRACKING_URI": store.as_uri(),
        "MLFLOW_EXPERIMENT_NAME": experiment,
        # Since MLflow 3.13 a folder is taken for a mistake unless this says otherwise. Its database needs SQLAlchemy,
        # which mlflow-skinny has not.
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def read_store(root: Path) -> Store:
    """Read what is there; nothing for a folder that nobody made. Bounded in size, whatever the script wrote."""
    store = Store()
    for experiment in _folders(root, store):
        for folder in _folders(experiment, store):
            if _RUN.fullmatch(folder.name):
                _take_run(folder, store)
        for model in _folders(experiment / "models", store):
            if _MODEL.fullmatch(model.name):
                name = _found(_NAME, _text(model / "meta.yaml", store)) or model.name
                _take_artifacts(model / "artifacts", f"models/{name}", store)
    return store


def copy_artifacts(store: Store, target: Path) -> None:
    """Copy the artifacts into a folder, as many as there is room for; adds warnings. Raises: OSError of the target."""
    left = MOST_ARTIFACT_BYTES
    for relative, path in store.artifacts.items():
        source = _open(path, store)
        if source is None:
            continue
        with os.fdopen(source, "rb") as stream:
            size = os.fstat(source).st_size
            if size > left:
                store.warn(f"Artifact {relative!r} was not kept: all together are more than 256 MiB.")
                continue
            left -= size
            place = target / relative
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(place, "wb") as out:
                while size > 0 and (chunk := stream.read(min(size, _CHUNK_BYTES))):
                    out.write(chunk)
                    size -= len(chunk)


def _take_run(folder: Path, store: Store) -> None:
    meta = _text(folder / "meta.yaml", store)
    if _found(_STAGE, meta) == "deleted":
        return
    if len(store.runs) >= MOST_RUNS:
        store.warn(f"More than {MOST_RUNS} runs were logged; the others were not read.")
        return
    tags = _texts(folder / "tags", store)
    run = LoggedRun(
        id=folder.name,
        name=tags.get("mlflow.runName", "").strip(),
        started_at=int(_found(_STARTED, meta) or 0) / 1000,
        parent=tags.get("mlflow.parentRunId", "").strip(),
        params=_texts(folder / "params", store),
        metrics={name: _points(path, store) for name, path in _files(folder / "metrics", store)},
        tags=tags,
    )
    store.runs.append(run)
    _take_artifacts(folder / "artifacts", "" if not run.parent else run.name or run.id, store)


def _take_artifacts(folder: Path, below: str, store: Store) -> None:
    for name, path in _files(folder, store):
        relative = os.path.normpath(os.path.join(below, name))
        if len(store.artifacts) >= MOST_ARTIFACTS:
            store.warn(f"More than {MOST_ARTIFACTS} artifacts were logged; the others were not kept.")
            return
        if not relative.startswith(("..", "/")):
            store.artifacts[relative] = path


def _texts(folder: Path, store: Store) -> dict[str, str]:
    return {name: _text(path, store) for name, path in _files(folder, store)}


def _points(path: Path, store: Store) -> Sequence[Point]:
    """Read lines of `time in ms, value, step`, and in later versions more; a line that is none is left out."""
    points, wrong = [], 0
    for line in _read(path, store, most=_MOST_METRIC_BYTES, has_lines=True).splitlines():
        words = line.split()
        try:
            points.append(_point([word.decode("ascii") for word in words]))
        except (ValueError, IndexError):
            wrong += 1
    if wrong:
        store.warn(f"{wrong} values of metric {path.name!r} could not be read.")
    return points


def _point(words: Sequence[str]) -> Point:
    """Raises: ValueError, IndexError for what MLflow does not write."""
    # Before MLflow 1.0 there were no steps.
    at_ms, value, step = int(words[0]), float(words[1]), int(words[2]) if len(words) > 2 else 0
    if not 0 <= at_ms < _MOST_MS or abs(step) >= 1 << 63:
        raise ValueError(f"{at_ms} ms, step {step}")
    return Point(step, value, at_ms / 1000)


def _text(path: Path, store: Store) -> str:
    return _read(path, store, most=_MOST_TEXT_BYTES).decode("utf-8", "replace")


def _read(path: Path, store: Store, *, most: int, has_lines: bool = False) -> bytes:
    """Read the beginning of a file; of many lines their end too, since the last values are there."""
    descriptor = _open(path, store)
    if descriptor is None:
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        try:
            size = os.fstat(descriptor).st_size
            if min(most, size) > store.left_bytes:
                store.warn("More was logged than is read; the rest was left out.")
                return b""
            found = stream.read(most // 2 if has_lines and size > most else most)
            if has_lines and size > most:
                store.warn(f"The middle of {path.name!r} was not read: it is longer than {most >> 10} KiB.")
                stream.seek(size - most // 2)
                # Whole lines, on both sides of the gap.
                found = found[: found.rfind(b"\n") + 1] + stream.read(most // 2).partition(b"\n")[2]
        except OSError as exc:
            store.warn(f"{path.name!r} could not be read: {exc.strerror}.")
            return b""
    store.left_bytes -= len(found)
    return found


def _open(path: Path, store: Store) -> int | None:
    """Open a plain file of the script's own: no link, in whatever sense, to what it may not read itself."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        store.warn(f"{path.name!r} could not be read: {exc.strerror}.")
        return None
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    store.warn(f"{path.name!r} was left out: it is a link, or no file.")
    return None


def _folders(folder: Path, store: Store) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder, store) if entry.is_dir(follow_symlinks=False)]


def _files(folder: Path, store: Store) -> Iterator[tuple[str, Path]]:
    """Give everything below a folder that is no folder itself, with its path in it: names may have slashes."""
    todo, seen = [folder], 0
    while todo:
        for entry in _entries(todo.pop(), store):
            seen += 1
            if seen > _MOST_ENTRIES:
                store.warn(f"{folder.name!r} of a run has more than {_MOST_ENTRIES} entries; the others were not read.")
                return
            if entry.is_dir(follow_symlinks=False):
                todo.append(Path(entry.path))
            else:
                name = os.path.relpath(entry.path, folder)
                yield name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), Path(entry.path)


def _entries(folder: Path, store: Store) -> list[os.DirEntry[str]]:
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            store.warn(f"{folder.name!r} was left out: it is no folder.")
            return []
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as exc:
        store.warn(f"{folder.name!r} could not be read: {exc.strerror}.")
        return []


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
