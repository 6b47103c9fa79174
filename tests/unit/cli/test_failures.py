from __future__ import annotations

import httpx2

from batchyard.cli import main
from batchyard.cli.embedded import connect
from batchyard.cli.failures import CommandFailed
from batchyard.settings import Settings

from .bench import failure


def test_a_missing_resource_ends_with_3_and_the_servers_words(terminal):
    assert terminal.run("compute", "show", "-n", "gone") == 3
    assert terminal.err == "ERROR: (ResourceNotFound) The thing 'computes/gone' does not exist.\n"
    assert terminal.out == ""


def test_deleting_what_is_not_there_succeeds_and_says_so(terminal):
    assert terminal.run("compute", "delete", "-n", "gone", "-y") == 0
    assert "'gone'" in terminal.err
    assert terminal.out == ""
    assert terminal.azure.sent("GET") == []


def test_every_mistake_of_an_answer_is_printed_on_its_own_line(terminal):
    lines = ["max_instances: found 0, expected 1 or more.", "tier: found 'gold', expected 'dedicated'."]
    wrong = failure(400, "ValidationError", "Compute 'cpu-cluster': 2 mistakes.", *lines)
    terminal.azure.answer_with("PUT", "computes/cpu-cluster", lambda _: wrong)

    assert terminal.run("compute", "create", "-n", "cpu-cluster") == 1
    assert terminal.err.splitlines() == [
        "ERROR: (ValidationError) Compute 'cpu-cluster': 2 mistakes.",
        f"  - {lines[0]}",
        f"  - {lines[1]}",
    ]


def test_details_that_the_message_already_has_are_not_repeated(terminal):
    wrong = failure(400, "ValidationError", "Compute 'c': tier: wrong.", "tier: wrong.")
    terminal.azure.answer_with("GET", "computes/c", lambda _: wrong)

    terminal.run("compute", "show", "-n", "c")

    assert terminal.err.count("tier: wrong.") == 1


def test_other_files_for_a_version_are_refused_with_what_to_do(terminal):
    azure_words = failure(409, "Conflict", "(UserError) Asset paths cannot be updated.")
    terminal.azure.answer_with("GET", "models/m/versions/1", lambda _: azure_words)

    assert terminal.run("model", "show", "-n", "m", "--version", "1") == 1
    assert "(Conflict) (UserError) Asset paths cannot be updated." in terminal.err
    assert "another `--version`" in terminal.err


def test_mistakes_found_here_are_all_told_and_nothing_is_sent(terminal):
    args = ["--set", "max_instances=0", "min_instances=-1", "no_such_key=1"]

    assert terminal.run("compute", "create", "-n", "cpu-cluster", *args) == 1
    assert all(word in terminal.err for word in ("max_instances", "min_instances", "no_such_key"))
    assert terminal.azure.requests == []


def test_a_broken_yaml_names_the_file_and_line(terminal, tmp_path):
    file = tmp_path / "compute.yml"
    file.write_text("name: cpu\n  type: amlcompute\n")

    assert terminal.run("compute", "create", "-f", str(file)) == 1
    assert str(file) in terminal.err
    assert "line 2" in terminal.err


def test_a_missing_file_is_named(terminal):
    assert terminal.run("compute", "create", "-f", "nowhere.yml") == 1
    assert "'nowhere.yml' does not exist" in terminal.err


def test_no_stack_without_debug_and_one_with_it(terminal):
    def broken(_):
        raise RuntimeError("boom")

    terminal.azure.answer_with("GET", "computes/c", broken, broken)

    assert terminal.run("compute", "show", "-n", "c") == 1
    assert "Traceback" not in terminal.err
    assert "--debug" in terminal.err
    terminal.run("compute", "show", "-n", "c", "--debug")
    assert "Traceback" in terminal.err


def test_an_answer_without_an_envelope_is_still_told(terminal):
    terminal.azure.answer_with("GET", "computes/c", lambda _: httpx2.Response(502, text="<html>"))

    assert terminal.run("compute", "show", "-n", "c") == 1
    assert "502" in terminal.err


def test_a_broken_connection_is_tried_again(terminal):
    def gone(request):
        raise httpx2.ConnectError("refused", request=request)

    terminal.azure.put("computes/c", {"computeType": "AmlCompute", "properties": {}})
    terminal.azure.answer_with("GET", "computes/c", gone, gone)

    assert terminal.run("compute", "show", "-n", "c") == 0
    assert terminal.waits == [0.1, 0.3]


def test_a_server_that_stays_away_is_named_with_what_to_do(terminal):
    def gone(request):
        raise httpx2.ConnectError("refused", request=request)

    terminal.azure.answer_with("GET", "computes/c", *[gone] * 6)

    assert terminal.run("compute", "show", "-n", "c") == 1
    assert "https://localhost:8443 does not answer" in terminal.err
    assert "The next command starts it again, and jobs go on then" in terminal.err


def test_a_delete_whose_answer_was_lost_is_not_sent_again(terminal):
    def lost(request):
        raise httpx2.ReadError("reset", request=request)

    terminal.azure.answer_with("DELETE", "computes/c", lost)

    assert terminal.run("compute", "delete", "-n", "c", "-y") == 1
    assert terminal.azure.sent("DELETE") == ["computes/c"]


def test_the_token_goes_to_its_own_server_only(terminal):
    def elsewhere(_):
        return httpx2.Response(200, json={"value": [], "nextLink": "https://elsewhere.example/more"})

    terminal.azure.answer_with("GET", "computes", elsewhere)

    terminal.run("compute", "list")

    ours, theirs = terminal.azure.requests
    assert ours.headers["authorization"] == "Bearer secret-token"
    assert "authorization" not in theirs.headers


def test_debug_shows_neither_token_nor_signature(terminal, caplog):
    terminal.azure.put("computes/c", {"computeType": "AmlCompute", "properties": {}})

    terminal.run("compute", "show", "-n", "c", "--debug")

    assert "secret-token" not in terminal.err + caplog.text


def test_a_url_without_a_token_says_which_variable_is_missing(tmp_path):
    try:
        connect(Settings(home=tmp_path, url="https://far.example"), say=print)
    except CommandFailed as error:
        assert "BATCHYARD_TOKEN" in str(error)
    else:
        raise AssertionError("connected without a token")


def test_a_variable_that_is_no_number_is_told_plainly(monkeypatch, capsys):
    monkeypatch.setenv("BATCHYARD_LOG_CAP_BYTES", "many")

    assert main.main(["version"]) == 1
    assert "BATCHYARD_LOG_CAP_BYTES" in capsys.readouterr().err
