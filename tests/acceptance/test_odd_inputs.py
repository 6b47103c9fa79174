"""Odd and unreadable inputs: each works, or is a failure that is counted, named and blamed on the data."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from tests.support.server_home import ServerHome

NAMES = [
    "a b",
    "a#b",
    "a%41b",
    "a?b",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "a'b",
    'a"b',
    "a;b",
    "a\\b",
    "-rf",
    "--help",
    "*",
    "$(id)",
]
NAMES += ["~", " ", "\x1b[2J", "ü", "u\u0308", "x" * 255, "deep/" * 200 + "file"]
ODD = [*(name.encode() for name in NAMES), b"a\xff", b"\xed\xa0\x80"]
READS = """
import os
def run(mini_batch):
    return [os.fsencode(open(path, encoding="utf-8").read()).hex() for path in mini_batch]
"""


def write_names(root: Path, names: list[bytes]) -> Path:
    """Make files that hold a number each, under any names."""
    for number, name in enumerate(sorted(names)):
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(str(number))
    return root


def failed_items(output: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (output / "_failed_items.jsonl").read_text().splitlines()]


def test_every_name_that_a_file_can_have_is_scored(served: ServerHome, tmp_path: Path) -> None:
    source = write_names(tmp_path / "odd", ODD)
    served.deploy("names", "one", READS, mini_batch_size=3, error_threshold=0)
    job = served.finish(served.invoke("names", source))
    assert (job["status"], job["counts"]["succeeded"]) == ("Completed", len(ODD))
    rows = (served.output(job["name"]) / "predictions.csv").read_text().splitlines()
    assert rows == [str(number).encode().hex() for number in range(len(ODD))]


def test_every_name_comes_back_from_the_failed_list_byte_for_byte(served: ServerHome, tmp_path: Path) -> None:
    names = [*ODD, b"good"]
    source = write_names(tmp_path / "odd", names)
    script = """
        def run(mini_batch):
            if not mini_batch[0].endswith("good"):
                raise ValueError("no " + mini_batch[0])
            return list(mini_batch)
        """
    served.deploy("refused", "one", script, mini_batch_size=1, retry_settings={"max_retries": 0})
    job = served.finish(served.invoke("refused", source))
    assert (job["status"], job["counts"]["failed"]) == ("Completed", len(ODD))
    found = [
        unquote_to_bytes(str(entry["item_percent_encoded"]))
        if "item_percent_encoded" in entry
        else str(entry["item"]).encode()
        for entry in failed_items(served.output(job["name"]))
    ]
    assert found == sorted(ODD)
    assert {sample["item"] for group in job["failure_groups"] for sample in group["samples"]} <= {
        name.decode("utf-8", "backslashreplace") for name in ODD
    }


@pytest.mark.parametrize("size", [1, 6])
def test_what_cannot_be_read_is_a_data_failure_by_name_and_spoils_nothing_else(
    served: ServerHome, tmp_path: Path, size: int
) -> None:
    source = write_names(tmp_path / "bad", [b"good-1", b"good-2", b"vanishes", b"becomes-a-folder"])
    (source / "leads-nowhere").symlink_to("nothing")
    (source / "circle").symlink_to("circle")
    script = f"""
        import os
        def run(mini_batch):
            # The input is listed by now; it changes before the first item is read.
            vanishing, other = {str(source / "vanishes")!r}, {str(source / "becomes-a-folder")!r}
            if os.path.isfile(vanishing):
                os.unlink(vanishing)
                os.unlink(other)
                os.mkdir(other)
            return [open(path).read() for path in mini_batch]
        """
    served.deploy(f"unreadable-{size}", "one", script, mini_batch_size=size, retry_settings={"max_retries": 1})
    job = served.finish(served.invoke(f"unreadable-{size}", source))
    assert (job["status"], job["counts"]["succeeded"], job["counts"]["failed"]) == ("Completed", 2, 4)
    failed = {str(entry["item"]): entry for entry in failed_items(served.output(job["name"]))}
    assert {item: (entry["error_class"], entry["error"]) for item, entry in failed.items()} == {
        "becomes-a-folder": ("data", "IsADirectoryError"),
        "circle": ("data", "OSError"),
        "leads-nowhere": ("data", "FileNotFoundError"),
        "vanishes": ("data", "FileNotFoundError"),
    }
    assert str(failed["vanishes"]["message"]).startswith("'vanishes' cannot be read: No such file or directory.")
    assert {group["error_class"] for group in job["failure_groups"]} == {"data"}


def test_a_script_that_misses_a_file_of_its_own_is_not_blamed_on_the_data(served: ServerHome) -> None:
    source = served.files("own-file", 2)
    script = "def run(b):\n    return [open('lookup.csv').read() for _ in b]\n"
    served.deploy("lookup", "one", script, retry_settings={"max_retries": 0})
    job = served.finish(served.invoke("lookup", source))
    assert [(g["error_class"], g["error"]) for g in job["failure_groups"]] == [("script", "FileNotFoundError")]


def test_pipes_sockets_and_devices_hang_nothing_and_are_counted_as_skipped(served: ServerHome, tmp_path: Path) -> None:
    source = write_names(tmp_path / "special", [b"one", b"two"])
    os.mkfifo(source / "pipe")
    (source / "zeros").symlink_to("/dev/zero")
    served.deploy("special", "one", READS, mini_batch_size=1, error_threshold=0)
    began = time.monotonic()
    job = served.finish(served.invoke("special", source))
    assert time.monotonic() - began < 60
    counts = job["counts"]
    assert (job["status"], counts["items"], counts["succeeded"], counts["skipped"]) == ("Completed", 4, 2, 2)
    manifest = json.loads((served.output(job["name"]) / "_manifest.json").read_text())
    assert manifest["input"]["skipped_items"] == [{"item": "pipe"}, {"item": "zeros"}]


def test_an_input_of_pipes_alone_says_so(served: ServerHome, tmp_path: Path) -> None:
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "pipe")
    served.deploy("pipes", "one", READS)
    job = served.finish(served.invoke("pipes", tmp_path / "pipes"))
    assert (job["status"], job["error"]["code"]) == ("Failed", "EmptyInput")
    assert "only 1 pipes, sockets or devices, such as 'pipe'" in job["error"]["message"]
