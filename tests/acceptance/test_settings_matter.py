"""Each setting of a deployment, changed alone, changes what its jobs do (R3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from tests.support.server_home import ServerHome, copy_deployment, ended

# One home and one set-up for the whole file.
pytestmark = pytest.mark.xdist_group("settings")

# Behaves as the items say; each row tells who scored it, with what, and when.
SCRIPT = """
import importlib.util, json, os, time
def init():
    global model
    model = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.txt")).read()
def run(mini_batch):
    begin, words = time.time(), [open(path).read() for path in mini_batch]
    if "bad" in words:
        raise ValueError("a bad item")
    time.sleep(max(float(word) if word.replace(".", "").isdigit() else 0.0 for word in words))
    if "slow-once" in words:
        try:
            os.close(os.open(os.path.dirname(mini_batch[0]) + ".tried", os.O_CREAT | os.O_EXCL))
            time.sleep(300)
        except FileExistsError:
            pass
    if "write" in words:
        with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "same.txt"), "w") as out:
            out.write(os.path.basename(mini_batch[0]))
    row = {"pid": os.getpid(), "model": model, "script": SCRIPT, "word": os.environ.get("WORD"),
           "six": importlib.util.find_spec("six") is not None, "begin": begin, "end": time.time()}
    return [json.dumps(row) for word in words for _ in range(2 if word == "double" else 1)]
"""

# Every field of ExecutionSettings, and every key of a model deployment's YAML (reference A.2, A.3): its proof.
PROOFS = {
    "mini_batch_size": "test_mini_batch_size_is_the_number_of_items_for_one_run",
    "mini_batch_max_bytes": "test_mini_batch_max_bytes_limits_the_bytes_for_one_run",
    "max_concurrency_per_instance": "test_max_concurrency_per_instance_is_the_number_of_processes_of_one_instance",
    "instance_count": "test_instance_count_is_the_number_of_instances_that_score",
    "resources.instance_count": "test_instance_count_is_the_number_of_instances_that_score",
    "resources.instance_type": "test_settings_without_effect_are_accepted_and_said_to_have_none",
    "retry_settings.max_retries": "test_max_retries_is_the_number_of_tries_after_the_first",
    "retry_settings.timeout": "test_timeout_ends_a_run_that_takes_longer",
    "error_threshold": "test_error_threshold_decides_whether_failed_items_fail_the_job",
    "mini_batch_error_threshold": "test_mini_batch_error_threshold_counts_failed_mini_batches_and_not_items",
    "error_threshold_percent": "test_error_threshold_percent_is_of_all_items",
    "allowed_failed_percent": "test_allowed_failed_percent_is_of_all_mini_batches",
    "no_progress_timeout": "test_no_progress_timeout_ends_a_job_that_hangs",
    "max_duration": "test_max_duration_ends_a_job_that_takes_longer",
    "speculative": "test_speculative_scores_a_straggler_a_second_time",
    "output_action": "test_output_action_decides_whether_rows_are_published",
    "output_file_name": "test_output_file_name_names_the_published_rows",
    "output_format": "test_output_format_decides_how_rows_are_written",
    "output_columns": "test_output_columns_stand_in_front_of_the_scripts_own",
    "output_shard_bytes": "test_output_shard_bytes_cuts_the_rows_into_files",
    "logging_level": "test_logging_level_lets_debug_lines_of_the_runtime_appear_only_at_debug",
    "same_name": "test_same_name_refuses_or_joins_different_files_of_one_name",
    "isolate_failing_items": "test_isolate_failing_items_decides_whether_a_bad_item_fails_its_mini_batch",
    "output_contract": "test_output_contract_fails_results_that_break_it",
    "input_contract": "test_input_contract_fails_items_before_they_are_scored",
    "output_path": "test_output_path_is_this_deployments_alone",
    "environment_variables": "test_environment_variables_reach_the_script",
    "model": "test_model_is_what_the_script_loads",
    "code_configuration.code": "test_code_is_what_runs",
    "code_configuration.scoring_script": "test_scoring_script_is_the_file_of_the_code_that_runs",
    "environment": "test_environment_is_what_the_script_can_import",
    "compute": "test_compute_limits_the_instances_of_a_job",
    "description": "test_description_and_tags_are_shown_and_nothing_else_changes",
    "tags": "test_description_and_tags_are_shown_and_nothing_else_changes",
    "properties": "test_description_and_tags_are_shown_and_nothing_else_changes",
    "type": "test_the_legacy_form_without_type_means_the_same_as_the_new_one",
}


@dataclass
class Bench:
    """One prototype, and a client; each test makes a deployment of its own like it."""

    home: ServerHome
    client: httpx2.Client
    url: str

    def make(self, name: str, **properties: Any) -> str:
        copy_deployment(self.client, "settings/prototype", f"settings/{name}", **properties)
        return name

    def change(self, name: str, *assignments: str) -> None:
        """Change these settings alone."""
        update = ("batch-deployment", "update", "--endpoint-name", "settings", "--name", name, "--set", *assignments)
        self.home.run(*update)

    def score(self, name: str, words: list[str]) -> dict[str, Any]:
        """Score items that hold these words, and give the job as its record has it."""
        folder = "words-" + "-".join(words)
        for k, word in enumerate(words):
            self.home.file(f"{folder}/item-{k}.txt", word)
        source = {"jobInputType": "UriFolder", "uri": (self.home.folder / folder).as_uri()}
        answer = self.client.post(
            self.url, json={"properties": {"inputData": {"data": source}}}, headers={"azureml-model-deployment": name}
        )
        assert answer.status_code == 201, answer.text
        job = answer.json()["name"]
        record = ended(self.client, job)
        return {"name": job, "status": record["status"], **record["batchyard"]}

    def rows(self, job: dict[str, Any], file_name: str = "predictions.csv") -> list[dict[str, Any]]:
        lines = (self.home.output(job["name"]) / file_name).read_text().splitlines()
        return [json.loads(line) for line in lines]

    def names(self, job: dict[str, Any]) -> set[str]:
        return {path.name for path in self.home.output(job["name"]).iterdir()}


@pytest.fixture(scope="module")
def bench(served: ServerHome) -> Iterator[Bench]:
    served.deploy("settings", "prototype", SCRIPT.replace("SCRIPT", "'score.py'"))
    url = served.json("batch-endpoint", "show", "--name", "settings")["scoring_uri"]
    with served.rest() as client:
        yield Bench(served, client, url)


def test_mini_batch_size_is_the_number_of_items_for_one_run(bench: Bench) -> None:
    name = bench.make("batches", miniBatchSize=5)
    assert bench.score(name, ["a"] * 5)["counts"]["miniBatches"] == 1
    bench.change(name, "settings.mini_batch_size=2")
    assert bench.score(name, ["a"] * 5)["counts"]["miniBatches"] == 3


def test_mini_batch_max_bytes_limits_the_bytes_for_one_run(bench: Bench) -> None:
    name = bench.make("bytes", miniBatchSize=5)
    bench.change(name, "settings.mini_batch_max_bytes=2")
    assert bench.score(name, ["a"] * 5)["counts"]["miniBatches"] == 3
    job = bench.score(name, ["a", "a", "large", "a", "a"])
    assert (job["status"], job["counts"]["miniBatches"], job["counts"]["succeeded"]) == ("Completed", 3, 5)


def test_max_concurrency_per_instance_is_the_number_of_processes_of_one_instance(bench: Bench) -> None:
    name = bench.make("workers", miniBatchSize=1)
    alone = bench.rows(bench.score(name, ["0.3"] * 6))
    assert len({row["pid"] for row in alone}) == 1
    assert not overlap(alone)
    bench.change(name, "settings.max_concurrency_per_instance=2")
    job = bench.score(name, ["0.3"] * 6)
    assert len({row["pid"] for row in bench.rows(job)}) == 2
    assert overlap(bench.rows(job))
    assert nodes(bench, job) == 1


def test_instance_count_is_the_number_of_instances_that_score(bench: Bench) -> None:
    name = bench.make("instances", miniBatchSize=1)
    assert nodes(bench, bench.score(name, ["0.3"] * 6)) == 1
    bench.change(name, "resources.instance_count=2")
    job = bench.score(name, ["0.3"] * 6)
    assert nodes(bench, job) == 2
    assert overlap(bench.rows(job))


def overlap(rows: list[dict[str, Any]]) -> bool:
    spans = sorted((row["begin"], row["end"]) for row in rows)
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def nodes(bench: Bench, job: dict[str, Any]) -> int:
    return len(list((bench.home.logs(job["name"]) / "logs" / "user" / "stdout").iterdir()))


def test_max_retries_is_the_number_of_tries_after_the_first(bench: Bench) -> None:
    name = bench.make("retries", miniBatchSize=1, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    assert bench.score(name, ["a", "bad"])["counts"]["attempts"] == 2
    bench.change(name, "settings.retry_settings.max_retries=2")
    assert bench.score(name, ["a", "bad"])["counts"]["attempts"] == 4


def test_timeout_ends_a_run_that_takes_longer(bench: Bench) -> None:
    name = bench.make("patience", miniBatchSize=1, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    assert bench.score(name, ["a", "2"])["counts"]["failed"] == 0
    bench.change(name, "settings.retry_settings.timeout=1")
    job = bench.score(name, ["a", "2"])
    assert (job["counts"]["succeeded"], job["counts"]["failed"]) == (1, 1)


def test_error_threshold_decides_whether_failed_items_fail_the_job(bench: Bench) -> None:
    name = bench.make("threshold", miniBatchSize=1, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    assert bench.score(name, ["a", "bad"])["status"] == "Completed"
    bench.change(name, "settings.error_threshold=0")
    assert bench.score(name, ["a", "bad"])["status"] == "Failed"


def test_mini_batch_error_threshold_counts_failed_mini_batches_and_not_items(bench: Bench) -> None:
    name = bench.make("mini-batch-threshold", miniBatchSize=2, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    bench.change(name, "settings.mini_batch_error_threshold=1")
    assert bench.score(name, ["bad", "bad", "a"])["status"] == "Completed"
    bench.change(name, "settings.mini_batch_error_threshold=0")
    job = bench.score(name, ["bad", "bad", "a"])
    assert (job["status"], job["error"]["code"]) == ("Failed", "MiniBatchErrorThresholdExceeded")
    assert job["error"]["message"] == "1 mini-batch failed, more than mini_batch_error_threshold 0 tolerates."


def test_error_threshold_percent_is_of_all_items(bench: Bench) -> None:
    name = bench.make("item-percent", miniBatchSize=1, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    bench.change(name, "settings.error_threshold_percent=25")
    assert bench.score(name, ["bad", "a", "a", "a"])["status"] == "Completed"
    bench.change(name, "settings.error_threshold_percent=24.9")
    job = bench.score(name, ["bad", "a", "a", "a"])
    assert (job["status"], job["error"]["code"]) == ("Failed", "ErrorThresholdPercentExceeded")
    assert "1 of 4 items failed, more than error_threshold_percent 24.9 % tolerates" in job["error"]["message"]


def test_allowed_failed_percent_is_of_all_mini_batches(bench: Bench) -> None:
    name = bench.make("mini-batch-percent", miniBatchSize=2, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    bench.change(name, "settings.allowed_failed_percent=50")
    assert bench.score(name, ["bad", "bad", "a"])["status"] == "Completed"
    bench.change(name, "settings.allowed_failed_percent=49")
    job = bench.score(name, ["bad", "bad", "a"])
    assert (job["status"], job["error"]["code"]) == ("Failed", "AllowedFailedPercentExceeded")


def test_no_progress_timeout_ends_a_job_that_hangs(bench: Bench) -> None:
    name = bench.make("stall", miniBatchSize=1, retrySettings={"maxRetries": 0, "timeout": "PT300S"})
    assert bench.score(name, ["a", "4"])["status"] == "Completed"
    bench.change(name, "settings.no_progress_timeout=3")
    job = bench.score(name, ["a", "30"])
    assert (job["status"], job["error"]["code"]) == ("Failed", "NoProgress")
    assert (job["error"]["item"], job["counts"]["incomplete"]) == ("item-1.txt", 1)


def test_max_duration_ends_a_job_that_takes_longer(bench: Bench) -> None:
    name = bench.make("capped", miniBatchSize=1)
    assert bench.score(name, ["a", *["1"] * 4])["status"] == "Completed"
    bench.change(name, "settings.max_duration=3")
    job = bench.score(name, ["a", *["1"] * 9])  # The start of a worker counts, too.
    assert (job["status"], job["error"]["code"]) == ("Failed", "MaxDurationReached")
    assert 0 < job["counts"]["incomplete"] < 10


def test_speculative_scores_a_straggler_a_second_time(bench: Bench) -> None:
    once = {"maxRetries": 0, "timeout": "PT8S"}
    name = bench.make("stragglers", miniBatchSize=1, maxConcurrencyPerInstance=2, retrySettings=once)
    assert bench.score(name, [*["0.1"] * 5, "slow-once"])["counts"]["failed"] == 1
    bench.change(name, "settings.speculative=true")
    job = bench.score(name, [*["0.1"] * 6, "slow-once"])
    assert (job["counts"]["failed"], job["counts"]["succeeded"], job["counts"]["attempts"]) == (0, 7, 7)


def test_output_path_is_this_deployments_alone(bench: Bench) -> None:
    name, other = bench.make("pinned"), bench.make("unpinned")
    store = "azureml://datastores/workspaceblobstore/paths"
    bench.change(name, f"settings.output_path={store}/candidates/pinned")
    job = bench.score(name, ["a"])
    shown = bench.home.json("job", "show", "--name", job["name"])
    assert f"{store}/candidates/pinned/{job['name']}/score" in json.dumps(shown)
    for deployment, path in ((other, f"{store}/candidates/pinned/x"), (name, f"{store}/elsewhere")):
        command = ("batch-endpoint", "invoke", "--name", "settings", "--deployment-name", deployment)
        refused = bench.home.run(*command, "--input", "words-a", "--output-path", path, exit_code=1)
        assert "--output-path: found" in refused.stderr
        assert "candidates/pinned" in refused.stderr


def test_output_action_decides_whether_rows_are_published(bench: Bench) -> None:
    name = bench.make("action")
    appended = bench.score(name, ["a", "b"])
    assert "predictions.csv" in bench.names(appended)
    bench.change(name, "settings.output_action=summary_only")
    summary = bench.score(name, ["a", "b"])
    assert "predictions.csv" not in bench.names(summary)
    assert summary["counts"]["succeeded"] == appended["counts"]["succeeded"] == 2


def test_output_file_name_names_the_published_rows(bench: Bench) -> None:
    name = bench.make("file-name")
    bench.change(name, "settings.output_file_name=scores.txt")
    job = bench.score(name, ["a", "b"])
    assert "predictions.csv" not in bench.names(job)
    assert len(bench.rows(job, "scores.txt")) == 2


def test_output_shard_bytes_cuts_the_rows_into_files(bench: Bench) -> None:
    name = bench.make("shards", miniBatchSize=1, outputFileName="scores.jsonl")
    bench.change(name, "settings.output_shard_bytes=1024")
    job = bench.score(name, ["a"] * 12)
    names = sorted(found for found in bench.names(job) if found.startswith("scores"))
    assert len(names) > 1
    assert names == [f"scores-{k:05}-of-{len(names):05}.jsonl" for k in range(1, len(names) + 1)]


def test_output_contract_fails_results_that_break_it(bench: Bench) -> None:
    name = bench.make("output-contract", miniBatchSize=4, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    assert bench.score(name, ["a", "double", "a"])["counts"]["rows"] == 4
    bench.change(name, "settings.output_contract.rows_per_item=one")
    job = bench.score(name, ["a", "double", "a"])
    assert (job["counts"]["succeeded"], job["counts"]["failed"], job["counts"]["rows"]) == (2, 1, 2)
    assert failed_items(bench, job) == [("item-1.txt", "contract", "RowCount", "item")]


def test_input_contract_fails_items_before_they_are_scored(bench: Bench) -> None:
    name = bench.make("input-contract", miniBatchSize=4, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    bench.change(name, "settings.input_contract.format=json")
    job = bench.score(name, ["1", "2", "three"])
    assert (job["counts"]["succeeded"], job["counts"]["failed"]) == (2, 1)
    assert failed_items(bench, job) == [("item-2.txt", "contract", "InputFormat", "item")]
    (group,) = job["failureGroups"]
    assert (group["errorClass"], group["error"], group["items"]) == ("contract", "InputFormat", 1)


def failed_items(bench: Bench, job: dict[str, Any]) -> list[tuple[str, ...]]:
    found = bench.rows(job, "_failed_items.jsonl")
    return [(item["item"], item["error_class"], item["error"], item["attribution"]) for item in found]


def test_logging_level_lets_debug_lines_of_the_runtime_appear_only_at_debug(bench: Bench) -> None:
    name = bench.make("levels")
    levels = []
    for level in ("info", "debug", "warning"):
        bench.change(name, f"settings.logging_level={level}")
        logs = bench.home.logs(bench.score(name, ["a"])["name"]) / "logs" / "sys" / "node"
        text = "".join(path.read_text() for path in logs.rglob("*.txt"))
        levels.append([word for word in ("DEBUG", "INFO") if f" {word} " in text])
    assert levels == [["INFO"], ["DEBUG", "INFO"], []]


def test_output_format_decides_how_rows_are_written(bench: Bench) -> None:
    name = bench.make("formats")
    bench.change(name, "settings.output_format=csv")
    job = bench.score(name, ["a", "b"])
    header, *lines = (bench.home.output(job["name"]) / "predictions.csv").read_text().splitlines()
    assert (header, len(lines), lines[0][:7]) == ("prediction", 2, '"{""pid')
    bench.change(name, "settings.output_format=jsonl", "settings.output_file_name=rows.jsonl")
    rows = bench.rows(bench.score(name, ["a"]), "rows.jsonl")
    assert json.loads(rows[0]["prediction"])["word"] is None
    update = ("batch-deployment", "update", "--endpoint-name", "settings", "--name", name, "--set")
    refused = bench.home.run(*update, "settings.output_format=parquet", "settings.output_columns=row", exit_code=1)
    assert "settings.output_format" in refused.stderr
    assert "settings.output_columns" in refused.stderr
    assert "rows.parquet" in refused.stderr


def test_output_columns_stand_in_front_of_the_scripts_own(bench: Bench) -> None:
    name = bench.make("columns")
    columns = "item,position,mini_batch,job,deployment_revision,model_version"
    change = ("settings.output_format=jsonl", "settings.output_file_name=rows.jsonl")
    bench.change(name, *change, f"settings.output_columns={columns}", "settings.mini_batch_size=1")
    shown = bench.home.json("batch-deployment", "show", "--endpoint-name", "settings", "--name", name)
    job = bench.score(name, ["a", "b"])
    rows = bench.rows(job, "rows.jsonl")
    assert [list(row.values())[:-1] for row in rows] == [
        [f"item-{k}.txt", k, k, job["name"], shown["serving_revision"], "settings-model:1"] for k in range(2)
    ]
    assert list(rows[0]) == [*columns.split(","), "prediction"]


def test_same_name_refuses_or_joins_different_files_of_one_name(bench: Bench) -> None:
    name = bench.make("same-name", miniBatchSize=1)
    refused = bench.score(name, ["write", "write"])
    assert refused["status"] == "Failed"
    assert "same.txt" in refused["error"]["message"]
    bench.change(name, "settings.same_name=concatenate")
    joined = bench.score(name, ["write", "write"])
    assert (bench.home.output(joined["name"]) / "same.txt").read_text() == "item-0.txtitem-1.txt"


def test_isolate_failing_items_decides_whether_a_bad_item_fails_its_mini_batch(bench: Bench) -> None:
    name = bench.make("isolation", miniBatchSize=4, retrySettings={"maxRetries": 0, "timeout": "PT30S"})
    words = ["a", "a", "bad", "a", "a"]
    counts = bench.score(name, words)["counts"]
    assert (counts["succeeded"], counts["failed"]) == (4, 1)
    bench.change(name, "settings.isolate_failing_items=false")
    counts = bench.score(name, words)["counts"]
    assert (counts["succeeded"], counts["failed"]) == (1, 4)


def test_environment_variables_reach_the_script(bench: Bench) -> None:
    name = bench.make("variables")
    assert bench.rows(bench.score(name, ["a"]))[0]["word"] is None
    bench.change(name, "settings.environment_variables.WORD=given")
    assert bench.rows(bench.score(name, ["a"]))[0]["word"] == "given"


def test_model_is_what_the_script_loads(bench: Bench) -> None:
    name = bench.make("models")
    assert bench.rows(bench.score(name, ["a"]))[0]["model"] == "weights"
    bench.home.file("other/model/model.txt", "other weights")
    bench.home.run("model", "create", "--name", "settings-model", "--version", "2", "--path", "other/model")
    bench.change(name, "model=azureml:settings-model:2")
    job = bench.score(name, ["a"])
    assert bench.rows(job)[0]["model"] == "other weights"
    assert job["model"]["id"] == "azureml:settings-model:2"


def test_code_is_what_runs(bench: Bench) -> None:
    name = bench.make("codes")
    bench.home.file("other-code/score.py", SCRIPT.replace("SCRIPT", "'other code'"))
    before = bench.score(name, ["a"])
    bench.change(name, "code_configuration.code=other-code")
    after = bench.score(name, ["a"])
    assert [bench.rows(job)[0]["script"] for job in (before, after)] == ["score.py", "other code"]
    assert before["code"]["sha256"] != after["code"]["sha256"]


def test_scoring_script_is_the_file_of_the_code_that_runs(bench: Bench) -> None:
    name = bench.make("scripts")
    bench.home.file("both/score.py", SCRIPT.replace("SCRIPT", "'score.py'"))
    bench.home.file("both/inner/second.py", SCRIPT.replace("SCRIPT", "'second.py'"))
    bench.change(name, "code_configuration.code=both")
    before = bench.score(name, ["a"])
    bench.change(name, "code_configuration.scoring_script=inner/second.py")
    after = bench.score(name, ["a"])
    assert [bench.rows(job)[0]["script"] for job in (before, after)] == ["score.py", "second.py"]
    assert before["code"]["sha256"] == after["code"]["sha256"]


def test_environment_is_what_the_script_can_import(bench: Bench) -> None:
    name = bench.make("environments")
    assert bench.rows(bench.score(name, ["a"]))[0]["six"] is False
    bench.home.file("conda.yml", {"dependencies": [{"pip": ["six==1.17.0"]}]})
    bench.home.run("environment", "create", "--name", "with-six", "--version", "1", "--conda-file", "conda.yml")
    bench.change(name, "environment=azureml:with-six:1")
    job = bench.score(name, ["a"])
    assert bench.rows(job)[0]["six"] is True
    assert job["environment"]["id"] == "azureml:with-six:1"


def test_compute_limits_the_instances_of_a_job(bench: Bench) -> None:
    name = bench.make("computes")
    source = str(bench.home.files("few", 2))
    invoke = ("batch-endpoint", "invoke", "-n", "settings", "-d", name, "--input", source, "--instance-count", "2")
    assert bench.home.finish(bench.home.json(*invoke)["name"])["compute"] == "cpu"
    bench.home.run("compute", "create", "--name", "tiny", "--max-instances", "1")
    bench.change(name, "compute=azureml:tiny")
    refused = bench.home.run(*invoke, exit_code=1)
    assert "'tiny'" in refused.stderr
    assert bench.score(name, ["a"])["compute"] == "tiny"


def test_description_and_tags_are_shown_and_nothing_else_changes(bench: Bench) -> None:
    name = bench.make("words")
    show = ("batch-deployment", "show", "--endpoint-name", "settings", "--name", name)
    before = bench.home.json(*show)
    bench.change(name, "description=for people", "tags.team=vision", "properties.origin=test")
    after = bench.home.json(*show)
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"description", "tags", "properties", "revision", "serving_revision", "creation_context"}
    assert (after["description"], after["tags"]) == ("for people", {"team": "vision"})
    assert after["properties"] == {"origin": "test"}
    assert bench.score(name, ["a"])["status"] == "Completed"


def test_settings_without_effect_are_accepted_and_said_to_have_none(bench: Bench) -> None:
    create = ("batch-deployment", "create", "--file", "prototype/deployment.yml", "--name", "typed")
    done = bench.home.run(*create, "--set", "resources.instance_type=Standard_NC6", "resources.instance_count=1")
    assert "instance_type" in done.stderr


def test_the_legacy_form_without_type_means_the_same_as_the_new_one(bench: Bench) -> None:
    settings: dict[str, Any] = {
        "mini_batch_size": 3,
        "mini_batch_max_bytes": 4096,
        "max_concurrency_per_instance": 2,
        "error_threshold": 4,
        "mini_batch_error_threshold": 3,
        "error_threshold_percent": 50,
        "allowed_failed_percent": 12.5,
        "no_progress_timeout": 7200,
        "max_duration": 86400,
        "speculative": True,
        "retry_settings": {"max_retries": 1, "timeout": 11},
        "output_action": "append_row",
        "output_file_name": "legacy.csv",
        "output_format": "azure_text",
        "output_columns": [],
        "output_shard_bytes": 1000000,
        "logging_level": "warning",
        "environment_variables": {"WORD": "legacy"},
        "output_contract": {
            "rows_per_item": "one",
            "columns": {},
            "extra_columns": "allow",
            "nulls": "allow",
            "key_column": None,
            "unique_key": False,
        },
        "input_contract": {"format": "text", "columns": {}},
    }
    document = {
        "endpoint_name": "settings",
        "model": "azureml:settings-model:1",
        "code_configuration": {"code": "prototype/code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": []}},
        "compute": "azureml:cpu",
    }
    forms = {"legacy": {**document, **settings}, "modern": {**document, "type": "model", "settings": settings}}
    made = []
    for name, form in forms.items():
        bench.home.file(f"{name}.yml", {"name": name, **form})
        made.append(bench.home.json("batch-deployment", "create", "--file", f"{name}.yml"))
    # Two deployments cannot be pinned to one path.
    others = {"same_name": "refuse", "isolate_failing_items": True, "output_path": None}
    assert made[0]["settings"] == made[1]["settings"] == {**settings, **others}
    job = bench.score("legacy", ["a", "b", "c", "d"])
    assert job["counts"]["miniBatches"] == 2
    assert bench.rows(job, "legacy-00001-of-00001.csv")[0]["word"] == "legacy"


def test_a_deployment_without_settings_shows_the_documented_defaults(bench: Bench) -> None:
    shown = bench.home.json("batch-deployment", "show", "--endpoint-name", "settings", "--name", "prototype")
    assert shown["resources"] == {"instance_count": 1}
    assert shown["settings"] == {
        "mini_batch_size": 10,
        "mini_batch_max_bytes": None,
        "max_concurrency_per_instance": 1,
        "error_threshold": -1,
        "mini_batch_error_threshold": -1,
        "error_threshold_percent": 100,
        "allowed_failed_percent": 100,
        "no_progress_timeout": None,
        "max_duration": None,
        "speculative": False,
        "retry_settings": {"max_retries": 3, "timeout": 30},
        "output_action": "append_row",
        "output_file_name": "predictions.csv",
        "output_format": None,
        "output_columns": [],
        "output_shard_bytes": None,
        "logging_level": "info",
        "environment_variables": {},
        "output_contract": None,
        "input_contract": None,
        "output_path": None,
        "same_name": "refuse",
        "isolate_failing_items": True,
    }


def test_every_setting_has_a_proof_in_this_file() -> None:
    ours = set(names_of(ExecutionSettings, {"retry": ("retry_settings", RetrySettings)}))
    azures = {
        "model",
        "code_configuration.code",
        "code_configuration.scoring_script",
        "environment",
        "compute",
        "resources.instance_count",
        "resources.instance_type",
        "instance_count",
        "mini_batch_size",
        "max_concurrency_per_instance",
        "error_threshold",
        "retry_settings.max_retries",
        "retry_settings.timeout",
        "output_action",
        "output_file_name",
        "logging_level",
        "environment_variables",
        "description",
        "tags",
        "properties",
        "type",
    }
    assert set(PROOFS) == ours | azures
    missing = [name for name in PROOFS.values() if not callable(globals().get(name))]
    assert missing == []


def names_of(kind: type, inner: dict[str, tuple[str, type]]) -> Iterator[str]:
    """Give the settings of a dataclass as YAML names them; a unit at a field's end is no part of the name."""
    assert is_dataclass(kind)
    for field in fields(kind):
        if field.name in inner:
            name, part = inner[field.name]
            yield from (f"{name}.{sub}" for sub in names_of(part, {}))
        else:
            yield field.name.removesuffix("_s")
