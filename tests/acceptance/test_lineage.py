"""`batchyard job lineage`: from any row or file back to what the script was given, and forward from an item."""

from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.support.changed_files import changed
from tests.support.server_home import WS, ServerHome

pytestmark = pytest.mark.xdist_group("verify")

# Each row says of which item it is; every fifth mini-batch gives two rows for each item, so that counts tell nothing.
SCRIPT = """
import os
def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    if any("bad" in name for name in names):
        raise ValueError("bad")
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], names[0] + ".seen"), "w") as file:
        file.write("\\n".join(names))
    if int(names[0][5:9]) % 5 == 0:
        return [name + " " + half for name in names for half in ("one", "two\\nlines")]
    return names
"""
ITEMS, SIZE = 240, 4


@pytest.fixture(scope="module")
def job(served: ServerHome) -> str:
    """A completed job of many mini-batches on two workers, with failed items, its rows kept."""
    served.files("traced", ITEMS)
    served.file("traced/item-0007-bad.txt", "x")
    served.deploy("traced", "one", SCRIPT, mini_batch_size=SIZE, max_concurrency_per_instance=2)
    name = served.invoke("traced", served.folder / "traced")
    assert served.finish(name)["status"] == "Completed"
    return name


@pytest.fixture(scope="module")
def whole(served: ServerHome, job: str) -> str:
    """The same without the failed item: its part files are gone."""
    served.files("whole", ITEMS)
    name = served.invoke("traced", served.folder / "whole")
    assert served.finish(name)["status"] == "Completed"
    return name


def lineage(served: ServerHome, job: str, **asked: str | int) -> dict[str, Any]:
    with served.rest() as client:
        answer = client.get(f"/history/v1.0{WS}/runs/{job}/lineage", params=asked)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def rows_of(served: ServerHome, job: str) -> list[str]:
    """Give the first word of each row; a row with a line break is quoted, and its second line starts with none."""
    lines = (served.output(job) / "predictions.csv").read_text().splitlines()
    return [line.split()[0].strip('"') for line in lines if not line.startswith("lines")]


@pytest.mark.parametrize("which", ["job", "whole"])
def test_a_hundred_random_rows_lead_to_the_items_that_the_script_was_given(
    served: ServerHome, which: str, request: pytest.FixtureRequest
) -> None:
    name = request.getfixturevalue(which)
    rows, manifest = rows_of(served, name), json.loads((served.output(name) / "_manifest.json").read_text())
    assert len(rows) == manifest["counts"]["rows"]
    ways = set()
    for row in random.Random(7).sample(range(len(rows)), 100):
        found = lineage(served, name, row=row)
        (trace,) = found["traced"]
        ways.add(trace["attribution"])
        items = [item["item"] for item in trace["items"]]
        if trace["attribution"] == "mini_batch":
            assert rows[row] in items and len(items) <= SIZE
        else:
            assert items == [rows[row]]
        (origin,) = trace["origins"]
        assert origin["firstRow"] <= row < origin["firstRow"] + origin["rows"]
        assert origin["miniBatches"] == 1 and origin["attempt"] >= 1 and origin["worker"].startswith("n0-s")
        assert {key: found["model"][key] for key in ("name", "version", "sha256")} == {
            key: manifest["model"][key] for key in ("name", "version", "sha256")
        }
        assert (found["code"]["sha256"], found["environment"]["sha256"], found["input"]["uri"]) == (
            manifest["code"]["sha256"],
            manifest["environment"]["sha256"],
            manifest["input"]["uri"],
        )
    assert {"by_position", "mini_batch"} <= ways


def test_an_item_leads_to_its_rows_and_a_failed_one_to_none(served: ServerHome, job: str) -> None:
    rows = rows_of(served, job)
    (trace,) = lineage(served, job, item="item-0013.txt")["traced"]
    first, count = trace["origins"][0]["firstRow"], trace["origins"][0]["rows"]
    assert "item-0013.txt" in rows[first : first + count]
    (failed,) = lineage(served, job, item="item-0007-bad.txt")["traced"]
    assert (failed["outcome"], failed["origins"]) == ("failed", [])


def test_a_file_of_the_script_leads_to_its_mini_batch(served: ServerHome, whole: str) -> None:
    written = sorted(path for path in served.output(whole).glob("*.seen"))
    assert len(written) == ITEMS // SIZE
    for path in random.Random(3).sample(written, 10):
        (trace,) = lineage(served, whole, file=path.name)["traced"]
        assert [item["item"] for item in trace["items"]] == path.read_text().split("\n")
        assert trace["origins"][0]["worker"].startswith("n0-s")


def test_the_command_tells_the_chain_and_refuses_what_is_not_there(served: ServerHome, whole: str) -> None:
    found = served.json("job", "lineage", "-n", whole, "--row", "0")
    assert found["deployment_revision"] >= 1 and found["model"]["name"] == "traced-model"
    assert found["traced"][0]["origins"][0]["mini_batch"] == 0
    assert "item-0000.txt" in served.run("job", "lineage", "-n", whole, "--row", "0", "-o", "table").stdout
    assert "counted from 0" in served.run("job", "lineage", "-n", whole, "--row", "100000", exit_code=3).stderr
    assert "no file 'x'" in served.run("job", "lineage", "-n", whole, "--file", "x", exit_code=3).stderr
    assert "row" in served.run("job", "lineage", "-n", whole, "--row", "-1", exit_code=1).stderr
    assert "exclude" in served.run("job", "lineage", "-n", whole, "--row", "1", "--item", "x", exit_code=2).stderr


def test_a_job_that_failed_is_told_to_be_resumed_and_not_waited_for(served: ServerHome, job: str) -> None:
    served.file("traced-bad/item-0001-bad.txt", "x")
    failed = served.invoke("traced", served.folder / "traced-bad")
    assert served.finish(failed)["status"] == "Failed"
    told = served.run("job", "lineage", "-n", failed, "--row", "0", exit_code=None)
    assert told.returncode != 0 and "Wait" not in told.stderr
    assert f"is Failed and has published nothing. `batchyard job resume -n {failed}`" in told.stderr


@pytest.mark.parametrize("asked", [("--row", "3"), ("--file", "item-0004.txt.seen"), ("--item", "item-0013.txt")])
def test_a_listing_that_was_changed_is_refused_instead_of_naming_other_items(
    served: ServerHome, whole: str, asked: tuple[str, str]
) -> None:
    listing = served.home / "jobs" / whole / "listing/1"
    index = listing.with_name("1.index")
    with changed(listing, listing.read_bytes().replace(b"item-", b"ITEM-")):
        refused = served.run("job", "lineage", "-n", whole, *asked, exit_code=None)
    assert refused.returncode != 0 and "ITEM" not in refused.stdout
    assert "listing/1" in refused.stderr and "job verify" in refused.stderr
    with changed(index, index.read_bytes()[8:]):
        refused = served.run("job", "lineage", "-n", whole, *asked, exit_code=None)
    assert refused.returncode != 0 and "listing/1.index" in refused.stderr
    served.run("job", "lineage", "-n", whole, *asked)


def test_a_download_tells_what_its_manifest_says_without_a_server(served: ServerHome, whole: str) -> None:
    folder = served.folder / "traced-download"
    served.run("job", "download", "-n", whole, "-p", str(folder))
    offline = ServerHome(served.folder, variables={"BATCHYARD_HOME": str(served.folder / "no-home")})
    found = offline.json("job", "lineage", "-p", str(folder), "--file", "item-0004.txt.seen")
    assert found["job"] == whole and len(found["model"]["sha256"]) == 64
    assert found["traced"][0]["origins"] == [{"mini_batch": 1}]
    assert "--name" in offline.run("job", "lineage", "-p", str(folder), "--row", "3", exit_code=1).stderr
    assert os.listdir(served.folder).count("no-home") == 0


@pytest.mark.parametrize("output_format", ["csv", "jsonl", "parquet"])
def test_rows_of_every_format_lead_to_their_items_and_are_verified(
    served: ServerHome, whole: str, output_format: str
) -> None:
    settings = (f"output_format={output_format}", f"output_file_name=rows.{output_format}", "output_shard_bytes=2048")
    name = served.invoke("traced", served.folder / "whole", "--set", *settings)
    assert served.finish(name)["status"] == "Completed"
    files = sorted(served.output(name).glob(f"rows-*.{output_format}"))
    assert len(files) > 1
    rows = [row for path in files for row in _predictions(path)]
    for row in random.Random(5).sample(range(len(rows)), 20):
        (trace,) = lineage(served, name, row=row)["traced"]
        assert rows[row].split()[0] in [item["item"] for item in trace["items"]] or trace["matches"] > 100
    with served.rest() as client:
        told = client.get(f"/history/v1.0{WS}/runs/{name}/verification").raise_for_status().text.splitlines()
    assert json.loads(told[-1])["end"]["wrong"] == 0
    content = files[1].read_bytes()
    files[1].write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    shown = served.run("job", "verify", "-n", name, exit_code=1).stdout
    assert f"wrong     output {files[1].name}: expected" in shown
    assert ("wrong     rows" in shown) == (output_format != "parquet")


def _predictions(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        found: list[str] = pyarrow.parquet.read_table(path)["prediction"].to_pylist()
        return found
    if path.suffix == ".jsonl":
        return [json.loads(line)["prediction"] for line in path.read_text().splitlines()]
    with open(path, newline="") as stream:
        return [row["prediction"] for row in csv.DictReader(stream)]
