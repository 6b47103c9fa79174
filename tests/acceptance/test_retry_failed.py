"""`job retry-failed`: only failed items are scored again, and the output is published whole as its next generation."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_home import ServerHome

ITEMS = 10_000
POISON = sorted({(k * 2711) % ITEMS for k in range(1, 38)})
# Notes each item that is scored without the poison, which is outside, and goes away with its marker.
SCRIPT = """
import os
HERE, POISON = {folder!r}, {poison!r}
def run(mini_batch):
    for path in mini_batch:
        number = int(os.path.basename(path)[5:9])
        if os.path.exists(os.path.join(HERE, "poison")):
            if number in POISON:
                raise ValueError("poisoned")
        else:
            with open(os.path.join(HERE, "scored"), "a") as out:
                out.write(os.path.basename(path) + "\\n")
    return [os.path.basename(path) + " " + str(int(os.path.basename(path)[5:9]) * 7) for path in mini_batch]
"""


def row(k: int) -> bytes:
    return b"item-%04d.txt %d\n" % (k, k * 7)


def deploy(served: ServerHome, folder: Path, name: str, poison: list[int], **settings: Any) -> None:
    (folder / "poison").touch()
    script = SCRIPT.format(folder=str(folder), poison=set(poison))
    served.deploy(name, "one", script, **{"mini_batch_size": 1, "retry_settings": {"max_retries": 0}, **settings})


def failed_items(path: Path) -> list[str]:
    return [json.loads(line)["item"] for line in path.read_text().splitlines()]


def check_whole(folder: Path, manifest: str = "_manifest.json") -> dict[str, Any]:
    """Check every file of an output against its manifest, and give the manifest."""
    found = dict(json.loads((folder / manifest).read_text()))
    for entry in found["outputs"]:
        content = (folder / entry["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size_bytes"], entry["sha256"])
    return found


@pytest.mark.parametrize("mini_batch_size", [1, 25])
def test_37_poisoned_items_of_10_000_are_retried_into_the_output_of_a_clean_run(
    served: ServerHome, tmp_path: Path, mini_batch_size: int
) -> None:
    source = tmp_path / "items"
    source.mkdir()
    for k in range(ITEMS):
        (source / f"item-{k:04d}.txt").touch()
    assert len(POISON) == 37
    settings = {"mini_batch_size": mini_batch_size, "max_concurrency_per_instance": 2}
    deploy(served, tmp_path, f"poisoned-{mini_batch_size}", POISON, **settings)
    job = served.invoke(f"poisoned-{mini_batch_size}", source)
    first = served.finish(job, within_s=100)
    output = served.output(job)
    assert (first["status"], first["counts"]["failed"], first["generation"]) == ("Completed", 37, 1)
    assert failed_items(output / "_failed_items.jsonl") == [f"item-{k:04d}.txt" for k in POISON]
    rows = (output / "predictions.csv").read_bytes()
    (tmp_path / "poison").unlink()
    served.run("job", "retry-failed", "-n", job, "--reason", "poison removed", "-o", "none")
    second = served.finish(job, within_s=100)
    assert (second["status"], second["counts"]["failed"], second["generation"]) == ("Completed", 0, 2)
    assert (second["run"], second["counts"]["succeeded"]) == (2, ITEMS)
    assert sorted((tmp_path / "scored").read_text().split()) == [f"item-{k:04d}.txt" for k in POISON]
    assert failed_items(output / "_failed_items.jsonl") == []
    after = (output / "predictions.csv").read_bytes()
    assert after == b"".join(row(k) for k in range(ITEMS)), "the union equals a clean run"
    kept = set(after.splitlines()) - {row(k).rstrip() for k in POISON}
    assert kept == set(rows.splitlines()), "rows of what had succeeded are as they were"
    assert check_whole(output)["generation"] == 2
    refused = served.run("job", "retry-failed", "-n", job, exit_code=1)
    assert "has no failed items" in refused.stderr


def test_what_still_fails_stays_listed_and_can_be_tried_again(served: ServerHome, tmp_path: Path) -> None:
    source = served.files("twenty", 20)
    deploy(served, tmp_path, "twice-bad", [3, 11])
    job = served.finish(served.invoke("twice-bad", source))["name"]
    again = served.json("job", "retry-failed", "-n", job, "--wait")
    assert again["status"] == "Completed"
    record = served.json("job", "show", "-n", job)
    assert (record["counts"]["failed"], record["generation"], record["completed_with_errors"]) == (2, 2, True)
    assert failed_items(served.output(job) / "_failed_items.jsonl") == ["item-0003.txt", "item-0011.txt"]
    (tmp_path / "poison").unlink()
    served.run("job", "retry-failed", "-n", job, "--wait", "-o", "none")
    assert check_whole(served.output(job))["generation"] == 3
    assert (served.output(job) / "predictions.csv").read_bytes() == b"".join(row(k) for k in range(20))


@pytest.mark.parametrize("beside_others", [False, True])
def test_an_output_that_was_asked_for_somewhere_is_replaced_there_and_downloads_whole(
    served: ServerHome, tmp_path: Path, beside_others: bool
) -> None:
    place = f"results/{tmp_path.name}"
    target = ["--output-path", f"azureml://datastores/workspaceblobstore/paths/{place}"]
    if beside_others:
        target += ["--set", "output_file_name=a.csv"]
    deploy(served, tmp_path, "placed", [2])
    job = served.finish(served.invoke("placed", served.files("five", 5), *target))["name"]
    folder = served.home / "datastores" / "workspaceblobstore" / place
    if beside_others:
        (folder / "mine.txt").write_text("mine")
    (tmp_path / "poison").unlink()
    served.run("job", "retry-failed", "-n", job, "--wait", "-o", "none")
    served.run("job", "download", "-n", job, "-p", str(tmp_path / "out"), "-o", "none")
    score = tmp_path / "out" / "named-outputs" / "score"
    name = "a.csv" if beside_others else "predictions.csv"
    assert (score / name).read_bytes() == b"".join(row(k) for k in range(5))
    assert check_whole(score, "a.csv.manifest.json" if beside_others else "_manifest.json")["generation"] == 2
    assert not beside_others or (folder / "mine.txt").read_text() == "mine"


def test_a_retry_that_comes_to_nothing_leaves_the_output_and_says_so(served: ServerHome, tmp_path: Path) -> None:
    script = f"""
        import os
        def init():
            if os.path.exists({str(tmp_path / "down")!r}):
                raise OSError("the share is not mounted")
        def run(mini_batch):
            if mini_batch[0].endswith("item-0002.txt"):
                raise ValueError("bad")
            return [os.path.basename(path) for path in mini_batch]
        """
    served.deploy("in-vain", "one", script, mini_batch_size=1, retry_settings={"max_retries": 0})
    job = served.finish(served.invoke("in-vain", served.files("five", 5)))
    before = {path.name: path.read_bytes() for path in served.output(job["name"]).iterdir()}
    (tmp_path / "down").touch()
    told = served.run("job", "retry-failed", "-n", job["name"], "--wait", exit_code=1)
    assert "ended Failed: (ScriptStartFailed)" in told.stderr
    assert "Generation 1 of its output stays as it was" in told.stderr
    record = served.json("job", "show", "-n", job["name"])
    assert (record["status"], record["generation"], record["counts"]) == ("Completed", 1, job["counts"])
    assert record["reruns"][0]["undone"]["error"]["code"] == "ScriptStartFailed"
    assert {path.name: path.read_bytes() for path in served.output(job["name"]).iterdir()} == before
    served.run("job", "download", "-n", job["name"], "-p", str(tmp_path / "out"), "-o", "none")


def test_the_output_is_there_while_its_failed_items_are_retried_and_a_cancel_keeps_it(
    served: ServerHome, tmp_path: Path
) -> None:
    script = f"""
        import os, time
        def run(mini_batch):
            if mini_batch[0].endswith("item-0002.txt"):
                while os.path.exists({str(tmp_path / "hold")!r}):
                    time.sleep(0.05)
                raise ValueError("bad")
            return [os.path.basename(path) for path in mini_batch]
        """
    served.deploy("held", "one", script, mini_batch_size=1, retry_settings={"max_retries": 0, "timeout": 900})
    job = served.finish(served.invoke("held", served.files("five", 5)))["name"]
    (tmp_path / "hold").touch()
    served.run("job", "retry-failed", "-n", job, "-o", "none")
    deadline = time.monotonic() + 120
    while served.json("job", "show", "-n", job)["status"] != "Running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    served.run("job", "download", "-n", job, "-p", str(tmp_path / "out"), "-o", "none")
    served.run("job", "cancel", "-n", job, "-o", "none")
    record = served.finish(job)
    assert (record["status"], record["generation"], record["counts"]["failed"]) == ("Completed", 1, 1)
    assert record["reruns"][0]["undone"]["status"] == "Canceled"
    assert check_whole(served.output(job))["generation"] == 1
