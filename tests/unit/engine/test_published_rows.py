"""The rows of a published output by its manifest: where they begin, and whether they are as the workers wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchyard.cli.job_verify import LocalFiles
from batchyard.engine.published_rows import PublishedRows, row_files


def entry(**more: Any) -> dict[str, Any]:
    return {"outputs": [{"name": "p.csv", "rows": 2, "format": "csv", **more}]}


@pytest.mark.parametrize(
    ("header", "columns"),
    [(b'"a\n(%)","b ""x"""\n', [["a\n(%)", "int64"], ['b "x"', "int64"]]), (b"a,b\n", None), (b"", [])],
)
def test_rows_of_csv_begin_after_the_whole_header(tmp_path: Path, header: bytes, columns: list[Any] | None) -> None:
    (tmp_path / "p.csv").write_bytes(header + b"1,2\n3,4\n")
    files = LocalFiles(tmp_path, "_manifest.json")
    found = row_files(files, entry(size_bytes=len(header) + 8, **({} if columns is None else {"columns": columns})))
    assert found is not None
    rows = PublishedRows(files, found)
    assert b"".join(rows.read(0, 100)) == b"1,2\n3,4\n"
    rows.close()


def test_rows_that_were_rewritten_are_not_compared_with_those_of_workers(tmp_path: Path) -> None:
    assert row_files(LocalFiles(tmp_path, "_manifest.json"), entry(size_bytes=1, rewritten=True)) is None
