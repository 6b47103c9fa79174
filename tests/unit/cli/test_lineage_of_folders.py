"""What a downloaded output tells by itself of where its rows come from."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from batchyard.cli.failures import CommandFailed
from batchyard.cli.job_lineage import lineage_of_folder
from batchyard.domain.outputs.manifests import FORMAT, manifest_bytes

ROWS = [{"item": f"a/{k}.txt", "position": k, "mini_batch": k // 2, "text": 'two\nlines, "q"'} for k in range(6)]


def write(folder: Path, *, output_format: str, with_columns: bool = True) -> None:
    """Write an output of two files with three rows each."""
    rows = ROWS if with_columns else [{"text": row["text"]} for row in ROWS]
    entries = []
    for number in (0, 1):
        path = folder / f"predictions-{number}.{output_format}"
        with open(path, "w", newline="") as stream:
            if output_format == "jsonl":
                stream.writelines(json.dumps(row) + "\n" for row in rows[3 * number : 3 * number + 3])
            else:
                writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows[3 * number : 3 * number + 3])
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        entry = {"name": path.name, "size_bytes": len(content), "sha256": digest, "rows": 3, "format": output_format}
        entries.append(entry)
    document: dict[str, Any] = {"format": FORMAT, "job": "j", "outputs": entries, "counts": {"rows": 6}}
    document |= {key: {"name": key, "sha256": "0" * 64} for key in ("model", "code", "environment", "input")}
    (folder / "_manifest.json").write_bytes(manifest_bytes(document))


@pytest.mark.parametrize("output_format", ["csv", "jsonl"])
def test_a_row_that_says_what_it_is_of_is_traced_over_all_files(tmp_path: Path, output_format: str) -> None:
    write(tmp_path, output_format=output_format)
    for k, row in enumerate(ROWS):
        (traced,) = lineage_of_folder(tmp_path, row=str(k), file=None)["traced"]
        assert traced["items"] == [{"item": row["item"], "position": k}]
        assert traced["origins"] == [{"mini_batch": row["mini_batch"]}]


@pytest.mark.parametrize(("row", "told"), [("6", "has 6"), ("-1", "--row"), ("x", "--row")])
def test_a_row_that_is_not_there_is_refused(tmp_path: Path, row: str, told: str) -> None:
    write(tmp_path, output_format="csv")
    with pytest.raises(CommandFailed, match=told):
        lineage_of_folder(tmp_path, row=row, file=None)


def test_a_row_that_does_not_say_what_it_is_of_is_left_to_the_server(tmp_path: Path) -> None:
    write(tmp_path, output_format="jsonl", with_columns=False)
    with pytest.raises(CommandFailed, match="--name"):
        lineage_of_folder(tmp_path, row="0", file=None)


def test_a_manifest_that_was_changed_tells_nothing(tmp_path: Path) -> None:
    write(tmp_path, output_format="csv")
    manifest = tmp_path / "_manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"job": "j"', b'"job": "k"'))
    with pytest.raises(CommandFailed, match="verify"):
        lineage_of_folder(tmp_path, row=None, file=None)
