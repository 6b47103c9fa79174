"""Reading what MLflow wrote: stores recorded from real versions, and stores that are damaged or hostile."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import pytest

from batchyard.domain.logged import gathered
from batchyard.engine.steps.mlflow_store import copy_artifacts, environment_of, read_store

STORES = Path(__file__).parent / "mlflow_stores"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORES / "skinny-3.17", tmp_path / "store"))


def run_folder(store: Path, name: str = "first") -> Path:
    return next(path.parent.parent for path in store.glob("*/*/tags/mlflow.runName") if path.read_text() == name)


@pytest.mark.parametrize("version", ["skinny-2.9", "skinny-3.17"])
def test_params_metrics_and_tags_of_a_real_store_are_read(version: str) -> None:
    store = read_store(STORES / version)
    assert [run.name for run in sorted(store.runs, key=lambda run: run.started_at)] == ["first", "inner", "second"]
    kept = gathered(store.runs)
    assert kept.params == {"rate": "0.5", "group/depth": "3", "text": "two\nlines"}
    assert [(point.step, point.value) for point in kept.metrics["loss"].points] == [
        (0, 1),
        (1, 0.5),
        (2, 1 / 3),
        (3, 0.25),
    ]
    assert kept.metrics["loss"].last == 0.25
    assert math.isnan(kept.metrics["odd"].last)
    assert (kept.metrics["inner/auc"].last, kept.metrics["second/loss"].last) == (0.9, 7.0)
    assert kept.tags == {"team": "blue"}
    assert sorted(store.artifacts) == ["inner/note.txt", "notes/deep/note.txt"]
    assert store.warnings == []


def test_what_autolog_writes_is_read_with_the_model_that_it_logged(tmp_path: Path) -> None:
    store = read_store(STORES / "autolog-3.17")
    kept = gathered(store.runs)
    assert kept.params["C"] == "1.0"
    assert kept.metrics["training_accuracy_score"].last == 1.0
    assert kept.tags["estimator_name"] == "LogisticRegression"
    copy_artifacts(store, tmp_path)
    assert (tmp_path / "estimator.html").stat().st_size > 0
    assert "flavors" in (tmp_path / "models/model/MLmodel").read_text()


def test_a_store_that_nobody_made_is_empty_and_no_reason_to_warn(tmp_path: Path) -> None:
    store = read_store(tmp_path / "store")
    assert (store.runs, store.artifacts, store.warnings) == ([], {}, [])


def test_the_variables_name_the_folder_and_allow_it() -> None:
    given = environment_of(Path("/home/x/mlruns"), experiment="nightly")
    assert given["MLFLOW_TRACKING_URI"] == "file:///home/x/mlruns"
    assert (given["MLFLOW_EXPERIMENT_NAME"], given["MLFLOW_ALLOW_FILE_STORE"]) == ("nightly", "true")


def test_what_is_damaged_is_told_and_the_rest_is_read(store: Path) -> None:
    folder = run_folder(store)
    (folder / "metrics/loss").write_bytes(b"1000 0.5 0\nrubbish\n\xff\n2000 0.25 1\n1000 0.1\n9999999999999999 1 0")
    (folder / "meta.yaml").write_bytes(b"\x00\xff: [")
    read = read_store(store)
    kept = gathered(read.runs)
    assert (kept.metrics["loss"].count, kept.params["rate"]) == (3, "0.5")
    assert read.warnings == ["3 values of metric 'loss' could not be read."]


def test_links_and_pipes_are_left_out_and_told(store: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not theirs")
    folder = run_folder(store)
    os.symlink(secret, folder / "artifacts/linked")
    os.link(secret, folder / "artifacts/hard")
    os.mkfifo(folder / "artifacts/pipe")
    os.symlink(tmp_path, folder / "artifacts/folder")
    (folder / "params/link").symlink_to(secret)
    read = read_store(store)
    copy_artifacts(read, tmp_path / "kept")
    kept = sorted(os.path.relpath(path, tmp_path / "kept") for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert kept == ["inner/note.txt", "notes/deep/note.txt"]
    assert not gathered(read.runs).params.get("link")
    assert [
        word for word in ("'linked'", "'hard'", "'pipe'", "'folder'", "'link'") if word not in str(read.warnings)
    ] == []


def test_a_folder_that_is_a_link_is_not_entered(store: Path, tmp_path: Path) -> None:
    folder = run_folder(store)
    shutil.rmtree(folder / "artifacts")
    (folder / "artifacts").symlink_to(tmp_path)
    read = read_store(store)
    assert sorted(read.artifacts) == ["inner/note.txt"]
    link = tmp_path / "whole"
    link.symlink_to(store)
    assert read_store(link).runs == []


def test_the_name_of_a_run_leads_nowhere(store: Path) -> None:
    (run_folder(store, "inner") / "tags/mlflow.runName").write_text("../../up")
    assert sorted(read_store(store).artifacts) == ["notes/deep/note.txt"]


def test_a_very_long_metric_is_read_at_both_ends(store: Path) -> None:
    lines = (f"{1000 + step} {step}.0 {step}\n" for step in range(200_000))
    (run_folder(store) / "metrics/loss").write_text("".join(lines))
    read = read_store(store)
    metric = gathered(read.runs).metrics["loss"]
    assert (metric.points[0].step, metric.last) == (0, 199_999.0)
    assert read.warnings == ["The middle of 'loss' was not read: it is longer than 1024 KiB."]


def test_a_run_that_was_deleted_and_what_is_no_run_count_for_nothing(store: Path) -> None:
    (run_folder(store, "second") / "meta.yaml").write_text("lifecycle_stage: deleted\n")
    shutil.copytree(run_folder(store), run_folder(store).parent / "copy")
    assert {run.name for run in read_store(store).runs} == {"first", "inner"}
