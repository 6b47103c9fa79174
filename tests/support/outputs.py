"""Reading an output's rows back, of any format and in any number of files, each checked against the manifest."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any  # rows as each format has them

from pyarrow import parquet


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "_manifest.json").read_bytes())
    return found


def row_files(folder: Path) -> list[dict[str, Any]]:
    """Give the manifest's entries of files of rows, in order; sizes and hashes are right."""
    entries = [entry for entry in manifest_of(folder)["outputs"] if "rows" in entry]
    for entry in entries:
        content = (folder / entry["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size_bytes"], entry["sha256"])
    return entries


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Give the rows of all files, each as its format has it; the manifest counts them right."""
    rows: list[dict[str, Any]] = []
    for entry in row_files(folder):
        read = read_rows(folder / entry["name"], entry["format"])
        assert len(read) == entry["rows"]
        rows += read
    return rows


def read_rows(path: Path, output_format: str) -> list[dict[str, Any]]:
    """Give the rows of one file."""
    if output_format == "parquet":
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return rows
    if output_format == "csv":
        with open(path, newline="") as stream:
            return list(csv.DictReader(stream))
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines] if output_format == "jsonl" else [{"line": line} for line in lines]
