"""A datastore of 100,000 files, listed in pages of 5,000."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.many_files import check_pages


def test_pages_of_100_000_blobs_give_each_name_once_in_order_for_the_same_work_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_pages(tmp_path, monkeypatch, folders=100, files=1000)
