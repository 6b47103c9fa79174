"""`batchyard job logs`: the overview, the errors, one worker, one item."""

from __future__ import annotations

import os

import pytest

from tests.support.server_home import WS, ServerHome

pytestmark = pytest.mark.xdist_group("job-logs")

SCRIPT = """
import os, sys
def run(mini_batch):
    print("scoring", len(mini_batch))
    print("warned", file=sys.stderr)
    for path in mini_batch:
        if os.path.basename(path).startswith("bad"):
            raise ValueError("cannot read " + os.path.basename(path))
    return list(mini_batch)
"""


@pytest.fixture(scope="module")
def logged(served: ServerHome) -> str:
    """A completed job with two items that failed, of mini-batches of two items."""
    for name in ("a/good-1", "a/bad-1", "b/good-1", "b/good-2", "c/bad-2", "c/good-3"):
        served.file(f"logged/{name}", "x")
    (served.folder / "logged" / os.fsdecode(b"c/\xffnamed")).write_text("x")
    served.deploy("logged", "one", SCRIPT, mini_batch_size=2, retry_settings={"max_retries": 1})
    job = served.finish(served.invoke("logged", served.folder / "logged"))
    assert job["status"] == "Completed"
    return str(job["name"])


def test_without_flags_it_shows_progress_causes_and_the_last_lines(served: ServerHome, logged: str) -> None:
    shown = served.run("job", "logs", "-n", logged).stdout
    assert "Completed" in shown
    assert "2 items in 2 mini-batches: script ValueError: cannot read bad-<n>" in shown
    assert "scoring 2" in shown
    assert "warned" in shown


def test_errors_are_shown_once_for_each_cause_with_a_stack(served: ServerHome, logged: str) -> None:
    shown = served.run("job", "logs", "-n", logged, "--errors").stdout
    assert shown.count("Traceback") == 1
    assert "c/bad-2" in shown


def test_a_worker_is_shown_with_all_its_streams_and_an_unknown_one_names_the_known(
    served: ServerHome, logged: str
) -> None:
    shown = served.run("job", "logs", "-n", logged, "--worker", "n0-s0-0").stdout
    for name in ("logs/user/stdout/n0/n0-s0-0.stdout.txt", "logs/user/stderr/", "logs/user/error/", "logs/sys/node/"):
        assert f"==> {name}" in shown
    missed = served.run("job", "logs", "-n", logged, "--worker", "../../../token", exit_code=1).stderr
    assert "Known: n0-s0-0" in missed


def test_following_prints_what_workers_wrote_and_ends_with_the_job(served: ServerHome, logged: str) -> None:
    done = served.run("job", "logs", "-n", logged, "--follow")
    assert "scoring 2" in done.stdout
    assert "is Completed." in done.stderr


def test_an_item_is_found_by_its_path_and_shown_with_every_attempt_and_stack(served: ServerHome, logged: str) -> None:
    shown = served.run("job", "logs", "-n", logged, "--item", "a/bad-1").stdout
    assert shown.startswith("a/bad-1: failed (position 0, mini-batch 0)\n")
    assert shown.count("by n0-s0-0: script ValueError: cannot read bad-1") >= 2
    assert "Traceback" in shown
    assert "[logs/user/error/n0/n0-s0-0.txt]" in shown
    good = served.run("job", "logs", "-n", logged, "--item", "b/good-1").stdout
    assert good.startswith("b/good-1: succeeded (position 2, mini-batch 1)")


def test_an_item_is_found_by_the_end_of_its_path_and_all_that_fit_are_shown(served: ServerHome, logged: str) -> None:
    shown = served.run("job", "logs", "-n", logged, "--item", "good-1").stdout
    assert [line.split(":")[0] for line in shown.splitlines() if "position" in line] == ["a/good-1", "b/good-1"]


@pytest.mark.parametrize("spelling", ["c/\\xffnamed", "c/%FFnamed", "%FFnamed", os.fsdecode(b"c/\xffnamed")])
def test_a_name_that_is_not_utf_8_is_found_in_each_of_its_spellings(
    served: ServerHome, logged: str, spelling: str
) -> None:
    shown = served.run("job", "logs", "-n", logged, "--item", spelling).stdout
    assert shown.startswith("c/\\xffnamed: succeeded")


def test_an_unknown_item_or_job_is_missing_and_two_questions_at_once_are_refused(
    served: ServerHome, logged: str
) -> None:
    missing = served.run("job", "logs", "-n", logged, "--item", "nothing", exit_code=3).stderr
    assert "has no item 'nothing'" in missing
    served.run("job", "logs", "-n", "no-such-job", "--item", "x", exit_code=3)
    served.run("job", "logs", "-n", "no-such-job", exit_code=3)
    both = served.run("job", "logs", "-n", logged, "--item", "x", "--errors", exit_code=2).stderr
    assert "--errors and --item exclude each other" in both


def test_logs_are_given_as_rows_where_a_format_is_asked_for(served: ServerHome, logged: str) -> None:
    show = ("job", "logs", "-n", logged)
    overview = served.json(*show, "-o", "json")
    assert overview[0]["log"] == "logs/job_progress_overview.txt"
    assert "Completed" in overview[0]["text"]
    (errors,) = served.json(*show, "--errors", "-o", "json")
    assert errors["text"].count("Traceback") == 1
    worker = served.json(*show, "--worker", "n0-s0-0", "--query", "[].log")
    assert "logs/user/stdout/n0/n0-s0-0.stdout.txt" in worker
    (item,) = served.json(*show, "--item", "a/bad-1", "-o", "json")
    assert (item["item"], item["outcome"], item["mini_batch"]) == ("a/bad-1", "failed", 0)
    assert item["attempts"][0]["error"] == "ValueError"
    assert "Traceback" in item["attempts"][0]["stack"]
    served.run(*show, "--worker", "nobody", "-o", "json", exit_code=1)


@pytest.mark.parametrize("query", ["", "item=", "item=%00", "item=/", "itemPercentEncoded=%25zz%25"])
def test_the_question_for_no_item_is_answered_with_a_clear_refusal(served: ServerHome, logged: str, query: str) -> None:
    with served.rest() as client:
        answer = client.get(f"/history/v1.0{WS}/runs/{logged}/items?{query}")
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["message"]


def test_the_logs_of_a_job_need_a_token(served: ServerHome, logged: str) -> None:
    with served.rest(with_token=False) as client:
        assert client.get(f"/history/v1.0{WS}/runs/{logged}/items", params={"item": "a"}).status_code == 401
