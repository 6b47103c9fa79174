"""`batchyard job verify`: a byte of anything that a job left or rests on is flipped, and the file is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.changed_files import changed
from tests.support.server_home import WS, ServerHome

pytestmark = pytest.mark.xdist_group("verify")

SCRIPT = """
import os
def run(mini_batch):
    for path in mini_batch:
        if "bad" in path:
            raise ValueError("bad")
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(mini_batch[0]) + ".seen"), "w") as f:
        f.write("seen")
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.fixture(scope="module")
def jobs(served: ServerHome) -> dict[str, str]:
    """A job with a failed item, whose rows are kept, and one without, whose part files are gone."""
    for number in range(7):
        served.file(f"good/item-{number}.txt", "x")
        served.file(f"mixed/item-{number}.txt", "x")
    served.file("mixed/bad.txt", "x")
    served.deploy("verified", "one", SCRIPT, mini_batch_size=2)
    found = {name: served.invoke("verified", served.folder / name) for name in ("good", "mixed")}
    for job in found.values():
        assert served.finish(job)["status"] == "Completed"
    return found


def flipped(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


def verify(served: ServerHome, *where: str, exit_code: int) -> list[dict[str, Any]]:
    """Give the checks of a verification, having looked at its exit code."""
    checks: list[dict[str, Any]] = json.loads(
        served.run("job", "verify", *where, "-o", "json", exit_code=exit_code).stdout
    )
    return checks


def asked(served: ServerHome, job: str) -> list[dict[str, Any]]:
    """Give the checks that the server makes, without the command."""
    with served.rest() as client:
        answer = client.get(f"/history/v1.0{WS}/runs/{job}/verification")
    lines = [json.loads(line) for line in answer.raise_for_status().text.splitlines()]
    assert "end" in lines[-1]
    return [line["check"] for line in lines if "check" in line]


def wrong(served: ServerHome, *where: str) -> list[tuple[str, str]]:
    checks = asked(served, where[1]) if where[0] == "-n" else verify(served, *where, exit_code=1)
    return [(check["subject"], check["file"]) for check in checks if check["result"] == "wrong"]


@pytest.mark.parametrize("which", ["good", "mixed"])
def test_a_job_as_it_was_is_right_and_what_cannot_be_told_is_said(
    served: ServerHome, jobs: dict[str, str], which: str
) -> None:
    checks = verify(served, "-n", jobs[which], exit_code=0)
    assert {"manifest", "output", "counts", "ledger", "listing", "rows", "spec", "model", "code", "environment"} <= {
        check["subject"] for check in checks if check["result"] == "ok"
    }
    untold = {check["subject"] for check in checks if check["result"] == "unchecked"}
    assert untold == ({"input", "parts"} if which == "good" else {"input"})
    *lines, summary = served.run("job", "verify", "-n", jobs[which]).stdout.splitlines()
    assert "0 wrong" in summary
    assert "ok        environment: it has no packages" in lines
    right, listed = [check for check in checks if check["result"] == "ok"], [k for k in lines if k.startswith("ok ")]
    unlisted = f"{len(right) - len(listed)} of them files of model, code and environment, which are not listed"
    assert summary.startswith(f"{len(right)} as they were ({unlisted}), 0 wrong")


def _place(served: ServerHome, job: str, what: str) -> Path:
    """Give the path of what a job left or rests on."""
    home, output = served.home / "jobs" / job, served.output(job)
    manifest = json.loads((output / "_manifest.json").read_text())
    sealed = {what: served.home / "sealed" / manifest[what]["sha256"] for what in ("model", "code")}
    (part,) = list((home / "parts").glob("*.part"))[:1] or [Path()]
    return {
        "predictions": output / "predictions.csv",
        "failed": output / "_failed_items.jsonl",
        "manifest": output / "_manifest.json",
        "own": output / "item-1.txt.seen",
        "ledger": home / "ledger/1.log",
        "listing": home / "listing/1",
        "index": home / "listing/1.index",
        "spec": home / "spec.json",
        "part": part,
        "model": sealed["model"] / "model/model.txt",
        "code": sealed["code"] / "score.py",
        "environment": served.home / "environments" / manifest["environment"]["sha256"] / "batchyard-environment.json",
    }[what]


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("predictions", ("output", "predictions.csv")),
        ("failed", ("output", "_failed_items.jsonl")),
        ("manifest", ("manifest", "_manifest.json")),
        ("own", ("output", "item-1.txt.seen")),
        ("ledger", ("ledger", "ledger/1.log")),
        ("listing", ("listing", "listing/1")),
        ("index", ("listing", "listing/1.index")),
        ("spec", ("spec", "spec.json")),
        ("part", ("parts", "parts/1-n0-s0-0.part")),
        ("model", ("model", "model/model.txt")),
        ("code", ("code", "score.py")),
        ("environment", ("environment", "batchyard-environment.json")),
    ],
)
def test_a_flipped_byte_and_a_missing_file_are_named(
    served: ServerHome, jobs: dict[str, str], what: str, named: tuple[str, str]
) -> None:
    path = _place(served, jobs["mixed"], what)
    with changed(path, flipped(path)):
        assert named in wrong(served, "-n", jobs["mixed"])
    with changed(path, None):
        missing = wrong(served, "-n", jobs["mixed"])
        assert named in missing or (named[0], "") in missing


@pytest.mark.parametrize("content", [None, b"no json"])
def test_parts_that_were_rightly_deleted_are_not_missing_where_the_manifest_is_bad(
    served: ServerHome, jobs: dict[str, str], content: bytes | None
) -> None:
    with changed(_place(served, jobs["good"], "manifest"), content):
        checks = asked(served, jobs["good"])
    assert [check["result"] for check in checks if check["subject"] == "parts"] == ["unchecked"]
    assert {check["subject"] for check in checks if check["result"] == "wrong"} == {"manifest"}


def test_everything_that_is_wrong_is_named_at_once_and_rows_by_their_mini_batch(
    served: ServerHome, jobs: dict[str, str]
) -> None:
    job = jobs["good"]
    rows, model, added = (_place(served, job, "predictions"), _place(served, job, "model"), served.output(job) / "more")
    with changed(rows, flipped(rows)), changed(model, flipped(model)), changed(added, b"x"):
        checks = verify(served, "-n", job, exit_code=1)
    found = {(check["subject"], check["file"]): check for check in checks if check["result"] == "wrong"}
    assert {("output", "predictions.csv"), ("model", "model/model.txt"), ("output", "more")} <= found.keys()
    assert "mini-batches" in found["rows", "predictions.csv"]["note"]


def test_rows_that_were_changed_together_with_their_manifest_are_still_not_those_of_the_ledger(
    served: ServerHome, jobs: dict[str, str]
) -> None:
    import hashlib

    from batchyard.domain.outputs.manifests import manifest_bytes

    job = jobs["good"]
    rows, manifest = _place(served, job, "predictions"), _place(served, job, "manifest")
    forged = json.loads(manifest.read_text())
    del forged["sha256"]
    forged["outputs"][0]["sha256"] = hashlib.sha256(flipped(rows)).hexdigest()
    with changed(rows, flipped(rows)), changed(manifest, manifest_bytes(forged)):
        assert wrong(served, "-n", job) == [("rows", "predictions.csv")]
    forged["model"]["version"] = "2"
    with changed(manifest, manifest_bytes(forged)):
        assert ("manifest", "_manifest.json") in wrong(served, "-n", job)


def test_a_downloaded_output_is_checked_without_a_server(served: ServerHome, jobs: dict[str, str]) -> None:
    folder = served.folder / "fetched"
    served.run("job", "download", "-n", jobs["mixed"], "-p", str(folder))
    offline = ServerHome(served.folder, variables={"BATCHYARD_HOME": str(served.folder / "no-home")})
    verify(offline, "-p", str(folder), exit_code=0)
    score = folder / "named-outputs" / "score"
    for name in ("predictions.csv", "_failed_items.jsonl", "_manifest.json", "item-1.txt.seen"):
        with changed(score / name, flipped(score / name)):
            assert name in [file for _, file in wrong(offline, "-p", str(score))]
        with changed(score / name, None):
            where = [file for _, file in wrong(offline, "-p", str(score))] if name != "_manifest.json" else [name]
            assert name in where
    with changed(score / "more", b"x"):
        assert wrong(offline, "-p", str(score)) == [("output", "more")]
    assert not (served.folder / "no-home").exists()


def test_copies_of_model_and_code_are_held_against_a_manifest_without_a_server(
    served: ServerHome, jobs: dict[str, str]
) -> None:
    model, code = served.folder / "model", served.folder / "one" / "code"
    where = ("-p", str(served.output(jobs["good"])), "--model", str(model), "--code", str(code))
    with changed(code / "__pycache__.pyc", b"x"):
        checks = verify(served, *where, exit_code=0)
    assert {"model", "code"} <= {check["subject"] for check in checks if check["result"] == "ok" and not check["file"]}
    for file, named in ((model / "model.txt", ("model", "model/model.txt")), (code / "score.py", ("code", "score.py"))):
        with changed(file, flipped(file)):
            assert wrong(served, *where) == [named]
        with changed(file, None):
            assert wrong(served, *where) == [named]
    assert "--path" in served.run("job", "verify", "-n", jobs["good"], "--code", str(code), exit_code=2).stderr
    assert "nothing at" in served.run("job", "verify", *where[:2], "--model", "no-such", exit_code=1).stderr


def test_what_cannot_be_verified_is_refused_with_what_to_do(served: ServerHome, tmp_path: Path) -> None:
    assert "--path" in served.run("job", "verify", exit_code=2).stderr
    assert "manifest" in served.run("job", "verify", "-p", str(tmp_path), exit_code=1).stderr
    assert "no-such" in served.run("job", "verify", "-n", "no-such", exit_code=3).stderr


def test_a_job_that_published_nothing_is_verified_as_far_as_it_came(served: ServerHome, jobs: dict[str, str]) -> None:
    served.file("bad/bad.txt", "x")
    job = served.invoke("verified", served.folder / "bad")
    assert served.finish(job)["status"] == "Failed"
    checks = verify(served, "-n", job, exit_code=0)
    assert ("output", "unchecked") in [(check["subject"], check["result"]) for check in checks]
    spec = served.home / "jobs" / job / "spec.json"
    with changed(spec, spec.read_bytes().replace(b"verified-model", b"verified-modem")):
        assert wrong(served, "-n", job) == [("spec", "spec.json")]


def test_an_output_beside_other_files_is_verified_by_its_own_alone(served: ServerHome, jobs: dict[str, str]) -> None:
    place = served.home / "datastores/workspaceblobstore/shared"
    place.mkdir(parents=True)
    (place / "others.txt").write_text("x")
    target = "azureml://datastores/workspaceblobstore/paths/shared"
    more = ("--output-path", target, "--set", "output_file_name=a.csv")
    job = served.invoke("verified", served.folder / "good", *more)
    assert served.finish(job)["status"] == "Completed"
    for where in (("-n", job), ("-p", str(place))):
        verify(served, *where, exit_code=0)
        with changed(place / "a.csv", flipped(place / "a.csv")), changed(place / "a.csv.files/more", b"x"):
            assert {("output", "a.csv"), ("output", "a.csv.files/more")} <= set(wrong(served, *where))
    shutil.rmtree(place)


def test_later_generations_and_runs_that_came_to_nothing_are_verified_as_what_they_are(
    served: ServerHome, jobs: dict[str, str]
) -> None:
    for number in range(6):
        served.file(f"again/item-{number}.txt", "x")
    served.file("again/bad.txt", "x")
    job = served.invoke("verified", served.folder / "again")
    assert served.finish(job)["status"] == "Completed"
    for generation in (2, 3):
        served.run("job", "retry-failed", "-n", job, "--wait")
        assert wrong(served, "-n", job) == []
        assert served.json("job", "show", "-n", job)["generation"] == generation
    served.run("job", "retry-failed", "-n", job, "--set", "error_threshold=0", "--wait", exit_code=1)
    assert served.json("job", "show", "-n", job)["reruns"][-1]["undone"]["status"] == "Failed"
    assert wrong(served, "-n", job) == []
    ledger = served.home / "jobs" / job / "ledger/1.log"
    with changed(ledger, flipped(ledger)):
        assert ("ledger", "ledger/1.log") in wrong(served, "-n", job)


def test_where_mini_batches_begin_is_verified_where_bytes_bound_them(served: ServerHome, jobs: dict[str, str]) -> None:
    job = served.invoke("verified", served.folder / "good", "--set", "mini_batch_max_bytes=2")
    assert served.finish(job)["status"] == "Completed"
    assert wrong(served, "-n", job) == []
    starts = served.home / "jobs" / job / "listing/1.starts"
    with changed(starts, flipped(starts)):
        assert wrong(served, "-n", job) != []
    content = bytearray(starts.read_bytes())
    content[8] += 1  # Still in order, and the first and the last are right.
    with changed(starts, bytes(content)):
        assert ("listing", "listing/1.starts") in wrong(served, "-n", job)
