"""What a job tolerates, with real workers: error budgets, hanging runs, and stragglers that are scored twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from batchyard.domain.scoring.ledger import Committed, read
from tests.support.server_home import ServerHome

BAD_ONES = """
    import os, time
    def run(mini_batch):
        time.sleep(0.02)
        if int(os.path.basename(mini_batch[0])[5:9]) in {bad}:
            raise ValueError("a bad one")
        return [os.path.basename(path) for path in mini_batch]
    """


def run(home: ServerHome, script: str, source: Path, *more: str, exit_code: int = 0, **settings: Any) -> str:
    """Score a folder with a local run and give what it told."""
    home.file("code/score.py", script)
    home.file("model/model.txt", "weights")
    document = {
        "name": "one",
        "endpoint_name": "nowhere",
        "type": "model",
        "model": {"path": "model"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": []}},
        "compute": "azureml:none",
        "settings": {"mini_batch_size": 1, "retry_settings": {"max_retries": 0}, **settings},
    }
    home.file("deployment.yml", document)
    arguments = ("run", "deployment.yml", "--input", str(source), "--output", "out", *more)
    return home.run(*arguments, exit_code=exit_code).stderr


def result(home: ServerHome) -> str:
    """What the one run that failed wrote into its logs."""
    (folder,) = (home.home / "runs").iterdir()
    return (folder / "logs" / "job_result.txt").read_text()


def committed(home: ServerHome) -> set[int]:
    """The mini-batches that the ledger of the one run that failed has as scored."""
    (ledger,) = (home.home / "runs").glob("*/jobs/*/ledger/1.log")
    with ledger.open("rb") as stream:
        records = [record for record, _ in read(stream)]
    return {m for record in records if isinstance(record, Committed) for m in range(record.first, record.stop)}


def test_a_budget_crossed_at_a_known_item_ends_the_job_within_what_was_in_flight(own_home: ServerHome) -> None:
    source = own_home.files("input", 300)
    told = run(own_home, BAD_ONES.format(bad={20, 40}), source, exit_code=1, error_threshold_percent=0.5)
    assert "2 of 300 items failed, more than error_threshold_percent 0.5 % tolerates (at most 1)" in told
    done = committed(own_home)
    assert set(range(40)) - {20} <= done
    # One worker has two leases at most, and after the crossing one group of the ledger, 100 ms, is still to be written.
    assert max(done) < 150
    assert f"Items: 300 in all, {len(done)} succeeded, 2 failed, 0 skipped, {298 - len(done)} incomplete." in result(
        own_home
    )


def test_a_budget_is_judged_when_retries_have_ended(own_home: ServerHome) -> None:
    marker = own_home.folder / "tried"
    script = f"""
        import os
        def run(mini_batch):
            if not os.path.exists({str(marker)!r}):
                open({str(marker)!r}, "w").close()
                raise ValueError("only the first time")
            return [os.path.basename(path) for path in mini_batch]
        """
    once = {"max_retries": 1}
    run(own_home, script, own_home.files("input", 5), retry_settings=once, mini_batch_error_threshold=0)
    manifest = json.loads((own_home.folder / "out" / "_manifest.json").read_text())
    assert (manifest["counts"]["succeeded"], manifest["counts"]["attempts"]) == (5, 6)


def test_a_job_that_completed_without_some_items_tells_it_wherever_it_is_shown(served: ServerHome) -> None:
    script = BAD_ONES.format(bad={1, 2, 5})
    served.deploy("partly", "partly", script, mini_batch_size=1, retry_settings={"max_retries": 0})
    job = served.finish(served.invoke("partly", served.files("partly-input", 8)))
    assert (job["status"], job["completed_with_errors"], job["outcome"]) == ("Completed", True, "3 of 8 items failed")
    (listed,) = served.json("job", "list", "--endpoint", "partly")
    assert (listed["completed_with_errors"], listed["outcome"]) == (True, "3 of 8 items failed")
    assert "Completed, 3 of 8 items failed" in served.run("job", "list", "--endpoint", "partly", "-o", "table").stdout
    streamed = served.run("job", "stream", "--name", job["name"]).stdout.splitlines()
    assert "Completed  8/8 items (100 %)  3 of 8 items failed" in streamed
    told = (served.logs(job["name"]) / "logs" / "job_result.txt").read_text().splitlines()
    assert told[:2] == ["Completed", "With errors: 3 of 8 items failed."]


def test_a_local_run_ends_with_how_many_items_failed(own_home: ServerHome) -> None:
    told = run(own_home, BAD_ONES.format(bad={1, 2}), own_home.files("input", 8))
    assert told.splitlines()[-1].startswith("Completed with errors: 2 of 8 items failed. Output: ")


def test_a_run_that_hangs_within_a_huge_time_limit_is_ended_by_the_guard(own_home: ServerHome) -> None:
    script = """
        import os, time
        def run(mini_batch):
            if os.path.basename(mini_batch[0]) > "item-0003":
                time.sleep(3600)
            time.sleep(0.1)  # More than a lease is worth, so that none is lost with the one beside it that hangs.
            return [os.path.basename(path) for path in mini_batch]
        """
    patient = {"max_retries": 3, "timeout": 100000}
    two = {"retry_settings": patient, "max_concurrency_per_instance": 2, "no_progress_timeout": 2}
    told = run(own_home, script, own_home.files("input", 6), exit_code=1, **two)
    assert "NoProgress (timeout): No progress update in 2 seconds" in told
    assert "has been on mini-batch 3 (item 3 of the listing) for " in told
    assert "First failing mini-batch starts at item: item-000" in told
    (folder,) = (own_home.home / "runs").iterdir()
    stacks = "".join(log.read_text() for log in (folder / "logs" / "user" / "error").rglob("*.txt"))
    assert 'score.py", line 5 in run' in stacks
    assert {0, 1, 2} <= committed(own_home)


STRAGGLER = """
    import os, time
    def run(mini_batch):
        item = os.path.basename(mini_batch[0])
        if item == "item-0005.txt":
            try:
                os.close(os.open({marker!r}, os.O_CREAT | os.O_EXCL))
                time.sleep(100000)
            except FileExistsError:
                pass
        {more}
        time.sleep(0.05)
        return [item]
    """


def test_a_straggler_is_scored_by_an_idle_worker_and_its_rows_come_once(own_home: ServerHome) -> None:
    script = STRAGGLER.format(marker=str(own_home.folder / "tried"), more="")
    patient = {"max_retries": 0, "timeout": 200000}
    two = {"retry_settings": patient, "max_concurrency_per_instance": 2, "speculative": True}
    run(own_home, script, own_home.files("input", 12), error_threshold=0, **two)
    rows = (own_home.folder / "out" / "predictions.csv").read_text().splitlines()
    assert rows == [f"item-{k:04d}.txt" for k in range(12)]
    counts = json.loads((own_home.folder / "out" / "_manifest.json").read_text())["counts"]
    assert (counts["succeeded"], counts["failed"], counts["attempts"]) == (12, 0, 12)
    assert own_home.processes() == {}


def test_a_script_that_writes_files_is_not_run_twice_whatever_the_setting_says(own_home: ServerHome) -> None:
    writes = 'open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], item), "w").close()'
    script = STRAGGLER.format(marker=str(own_home.folder / "tried"), more=writes)
    impatient = {"max_retries": 1, "timeout": 5}
    two = {"retry_settings": impatient, "max_concurrency_per_instance": 2, "speculative": True}
    run(own_home, script, own_home.files("input", 12), **two)
    counts = json.loads((own_home.folder / "out" / "_manifest.json").read_text())["counts"]
    assert (counts["succeeded"], counts["attempts"]) == (12, 13)
    assert len(list((own_home.folder / "out").glob("item-*.txt"))) == 12


def test_speculation_is_refused_beside_summary_only(own_home: ServerHome) -> None:
    source = own_home.files("input", 1)
    told = run(own_home, BAD_ONES, source, exit_code=1, speculative=True, output_action="summary_only")
    assert "settings.speculative: found 'true with output_action summary_only', expected false" in told
