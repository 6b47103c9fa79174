"""An output held against its manifest: all that is wrong is named."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from typing import Any, BinaryIO

import pytest

from batchyard.domain.errors import NotFound
from batchyard.domain.outputs.checks import check_output
from batchyard.domain.outputs.manifests import FORMAT, manifest_bytes
from batchyard.domain.outputs.verification import Check, Result

ROWS = b"a 1\nb 2\nc 3\n"
FAILED = (
    json.dumps({"item": "d", "position": 3}).encode() + b"\n" + json.dumps({"item": None, "count": 2}).encode() + b"\n"
)
COUNTS = {"items": 6, "succeeded": 3, "failed": 3, "skipped": 0, "rows": 3}


class InMemory:
    """An output in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def names(self) -> Iterable[str]:
        return list(self.files)

    def open(self, name: str) -> BinaryIO:
        if name not in self.files:
            raise NotFound(name)
        return io.BytesIO(self.files[name])


def entry(name: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **more}


def output(**changed: bytes | None) -> dict[str, bytes]:
    files = {"predictions.csv": ROWS, "_failed_items.jsonl": FAILED, "own/plot.png": b"png"}
    outputs = [entry("predictions.csv", ROWS, rows=3)]
    outputs += [entry(name, content) for name, content in files.items() if name != "predictions.csv"]
    files["_manifest.json"] = manifest_bytes({"format": FORMAT, "counts": COUNTS, "outputs": outputs})
    return files


def wrong(files: dict[str, bytes]) -> list[Check]:
    checks = [event for event in check_output(InMemory(files), "_manifest.json") if isinstance(event, Check)]
    return [check for check in checks if check.result is Result.WRONG]


def test_an_output_as_it_was_published_is_right_in_everything() -> None:
    assert wrong(output()) == []


@pytest.mark.parametrize("name", ["predictions.csv", "_failed_items.jsonl", "own/plot.png"])
def test_a_flipped_byte_names_the_file_with_what_it_was_and_what_it_is(name: str) -> None:
    files = output()
    before = hashlib.sha256(files[name]).hexdigest()
    files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]
    (found, *_) = wrong(files)
    assert (found.subject, found.file) == ("output", name)
    assert before in found.expected and hashlib.sha256(files[name]).hexdigest() in found.found


def test_everything_that_is_wrong_is_named_at_once() -> None:
    files = output()
    files["predictions.csv"] = ROWS + b"d 4\n"
    del files["own/plot.png"]
    files["added.txt"] = b"x"
    found = [(check.subject, check.file) for check in wrong(files)]
    expected = [("output", "predictions.csv"), ("output", "predictions.csv"), ("output", "own/plot.png")]
    assert found == [*expected, ("output", "added.txt"), ("counts", "rows")]


def test_a_manifest_that_counts_what_is_not_there_is_wrong_although_all_hashes_fit() -> None:
    files = {"_failed_items.jsonl": FAILED}
    outputs = [entry("_failed_items.jsonl", FAILED)]
    counts = {**COUNTS, "failed": 2, "succeeded": 3}
    files["_manifest.json"] = manifest_bytes({"format": FORMAT, "counts": counts, "outputs": outputs})
    assert [(check.subject, check.file) for check in wrong(files)] == [("counts", "items"), ("counts", "failed")]


@pytest.mark.parametrize("document", [{}, {"outputs": 1}, {"outputs": [1, {}]}, {"counts": {"items": "x"}}])
def test_a_manifest_of_another_shape_is_told_and_breaks_nothing(document: dict[str, Any]) -> None:
    found = wrong({"_manifest.json": manifest_bytes({"format": FORMAT, **document})})
    assert ("counts", "") in [(check.subject, check.file) for check in found]


def test_without_a_manifest_that_is_what_is_wrong() -> None:
    files = output()
    del files["_manifest.json"]
    assert [(check.subject, check.file) for check in wrong(files)] == [("manifest", "_manifest.json")]
