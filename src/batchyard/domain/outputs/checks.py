"""Holding an output against its manifest: every file, every count, what is missing and what is too much."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Protocol  # Any: JSON values

from batchyard.domain.errors import BatchyardError, NotFound
from batchyard.domain.outputs.manifests import read_manifest
from batchyard.domain.outputs.row_counts import RowCount, count_for
from batchyard.domain.outputs.verification import Check, Event, compare_bytes, ok, read_through, unchecked, wrong

_LARGEST_MANIFEST_BYTES = 256 << 20
_MANIFEST, _FAILED = "_manifest.json", "_failed_items.jsonl"


class OutputFiles(Protocol):
    """The files of one output, by the names that its manifest has for them."""

    def names(self) -> Iterable[str]:
        """Give the names of all files that are there and belong to nobody else."""

    def open(self, name: str) -> BinaryIO:
        """Open a file. Raises: BatchyardError, NotFound among them; OSError; ValueError for what is no name."""


def check_output(files: OutputFiles, manifest: str) -> Generator[Event, None, Mapping[str, Any] | None]:
    """Check everything that can be told from an output alone, and give its manifest, if there is one to be read.

    manifest: its name. All that is wrong is told, not only the first of it.
    """
    document = yield from _read_manifest(files, manifest)
    if document is None:
        yield unchecked("output", "", "Without a manifest nothing says what the files were.")
        return None
    expected = {str(entry["name"]): entry for entry in _list_of(document.get("outputs")) if _is_entry(entry)}
    rows, failed = 0, FailedCount()
    for name, entry in expected.items():
        rows += yield from _check_file(files, name, entry, failed if name == failed_list_beside(manifest) else None)
    for name in sorted({*files.names()} - {manifest, *expected}):
        yield wrong("output", name, expected="no such file", found="a file that the manifest does not name")
    yield from _check_counts(document, rows=rows, failed=failed.items)
    return document


def failed_list_beside(manifest: str) -> str:
    """Name the list of failed items by its manifest: both are plain in a folder of their own, else after the rows."""
    if manifest == _MANIFEST:
        return _FAILED
    return manifest.removesuffix(".manifest.json") + ".failed.jsonl"


def _read_manifest(files: OutputFiles, name: str) -> Generator[Event, None, Mapping[str, Any] | None]:
    try:
        with files.open(name) as stream:
            content = stream.read(_LARGEST_MANIFEST_BYTES)
    except (BatchyardError, OSError, ValueError) as exc:
        yield wrong("manifest", name, expected="a file that can be read", found=_why(exc))
        return None
    document, check = read_manifest(content, name)
    yield check
    return document


def _check_file(
    files: OutputFiles, name: str, entry: Mapping[str, Any], failed: FailedCount | None
) -> Generator[Event, None, int]:
    """Check one file and give how many rows it has; a file of other kinds has none."""
    counted = RowCount()
    has_rows = isinstance(entry.get("rows"), int)
    taker = failed.take if failed is not None else counted.take
    try:
        with files.open(name) as stream:
            found = yield from read_through(stream, "output", name, *([taker] if has_rows or failed else []))
    except (BatchyardError, OSError, ValueError) as exc:
        yield wrong("output", name, expected="a file that can be read", found=_why(exc))
        return 0
    yield compare_bytes("output", name, expected=(str(entry.get("sha256")), entry.get("size_bytes", -1)), found=found)
    if not has_rows:
        return 0
    rows = count_for(str(entry.get("format") or ""), counted, entry["rows"])
    if rows is not None and rows != entry["rows"]:
        yield wrong("output", name, expected=f"{entry['rows']} rows", found=f"{rows} rows")
    return int(entry["rows"] if rows is None else rows)


def _check_counts(document: Mapping[str, Any], *, rows: int, failed: int) -> Iterator[Check]:
    """Look whether what the manifest counts adds up, and is what the files have."""
    counts = document.get("counts")
    names = ("items", "succeeded", "failed", "skipped", "rows")
    if not isinstance(counts, Mapping) or not all(isinstance(counts.get(name), int) for name in names):
        yield wrong("counts", "", expected="numbers of items and rows", found="none in the manifest")
        return
    ended = sum(counts[name] for name in names[1:4])
    has_rows = any("rows" in entry for entry in _list_of(document.get("outputs")) if _is_entry(entry))
    pairs = [("items", counts["items"], ended, "succeeded, failed and skipped together")]
    pairs.append(("failed", counts["failed"], failed, "in the list of failed items"))
    if has_rows:
        pairs.append(("rows", counts["rows"], rows, "in the files"))
    for name, expected, found, where in pairs:
        if expected == found:
            yield ok("counts", name, f"{found} {where}")
        else:
            yield wrong("counts", name, expected=str(expected), found=f"{found} {where}")


class FailedCount:
    """Counts the items in a list of failed ones, piece by piece; a line that stands for several says how many."""

    def __init__(self) -> None:
        self.items = 0
        self._rest = b""

    def take(self, piece: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self.items += sum(map(_failed_items, lines))


def _failed_items(line: bytes) -> int:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return 0
    count = found.get("count", 1) if isinstance(found, dict) else 0
    return count if isinstance(count, int) else 0


def _is_entry(entry: object) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("name"), str)


def _list_of(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _why(exc: Exception) -> str:
    if isinstance(exc, NotFound | FileNotFoundError):
        return "nothing: it is missing"
    return str(getattr(exc, "strerror", None) or exc)
