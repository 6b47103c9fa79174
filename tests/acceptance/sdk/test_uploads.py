"""Files through azure-storage-blob as azure-ai-ml uses it: in one piece, in blocks, empty, of odd names."""

from __future__ import annotations

from tests.acceptance.sdk.conftest import Notebook
from tests.support.server_home import ServerHome

# The SDK sends what is longer than 64 MiB in blocks.
IN_BLOCKS = (65 << 20) + 12_345


def test_a_file_in_blocks_and_an_odd_folder_come_back_as_they_were(notebook: Notebook, served: ServerHome) -> None:
    found = notebook("large_data", str(IN_BLOCKS), "with-a-folder")

    assert (found["same"], found["again"]) == (True, True)
    assert found["model"] == {"empty.txt": "", "ü #+%41.txt": "odd"}
    assert list((served.home / "blob-blocks").iterdir()) == []
