from __future__ import annotations

from batchyard.cli.documents import differences

from .bench import failure


def endpoint(azure, default=None, **properties):
    body = {"description": "Digits.", "authMode": "AADToken", "defaults": {"deploymentName": default}, "properties": {}}
    azure.put(
        "batchEndpoints/digits", {**body, **properties}, tags={"team": "vision", "stage": "test"}, location="local"
    )


def test_update_changes_what_is_named_and_keeps_the_rest(terminal):
    endpoint(terminal.azure, "stable")

    done = terminal.json("batch-endpoint", "update", "-n", "digits", "--set", "defaults.deployment_name=candidate")

    sent = terminal.azure.body("PUT", "batchEndpoints/digits")
    assert done["defaults"] == {"deployment_name": "candidate"}
    assert sent["properties"]["defaults"] == {"deploymentName": "candidate"}
    assert (sent["properties"]["description"], sent["tags"]) == ("Digits.", {"team": "vision", "stage": "test"})


def test_the_shorthand_of_defaults_does_the_same(terminal):
    endpoint(terminal.azure, "stable")

    terminal.json("batch-endpoint", "update", "-n", "digits", "--defaults", "deployment_name:candidate")

    sent = terminal.azure.body("PUT", "batchEndpoints/digits")
    assert sent["properties"]["defaults"] == {"deploymentName": "candidate"}


def test_update_writes_only_over_what_it_read(terminal):
    endpoint(terminal.azure)
    etag = terminal.azure.documents["batchEndpoints/digits"]["etag"]

    terminal.json("batch-endpoint", "update", "-n", "digits", "--set", "description=New")

    assert terminal.azure.requests[-1].headers["if-match"] == etag


def test_update_shows_the_changed_fields_on_stderr(terminal):
    endpoint(terminal.azure, "stable")

    terminal.run(
        "batch-endpoint", "update", "-n", "digits", "--set", "defaults.deployment_name=candidate", "tags.stage=null"
    )

    assert '  defaults.deployment_name: "stable" → "candidate"\n' in terminal.err
    assert '  tags.stage: "test" → (none)\n' in terminal.err


def test_null_removes(terminal):
    endpoint(terminal.azure)

    terminal.json("batch-endpoint", "update", "-n", "digits", "--set", "tags.team=null")

    assert terminal.azure.body("PUT", "batchEndpoints/digits")["tags"] == {"stage": "test"}


def test_update_is_repeated_on_what_somebody_else_wrote(terminal):
    endpoint(terminal.azure, "stable")

    def overtaken(_):
        endpoint(terminal.azure, "other")
        return failure(412, "PreconditionFailed", "It changed.")

    terminal.azure.answer_with("PUT", "batchEndpoints/digits", overtaken)

    terminal.json("batch-endpoint", "update", "-n", "digits", "--set", "description=New")

    sent = terminal.azure.body("PUT", "batchEndpoints/digits")["properties"]
    assert (sent["description"], sent["defaults"]) == ("New", {"deploymentName": "other"})


def test_update_gives_up_when_it_is_overtaken_every_time(terminal):
    endpoint(terminal.azure)
    late = failure(412, "PreconditionFailed", "It changed.")
    terminal.azure.answer_with("PUT", "batchEndpoints/digits", *[lambda _: late] * 4)

    assert terminal.run("batch-endpoint", "update", "-n", "digits", "--set", "description=New") == 1
    assert len(terminal.azure.sent("PUT")) == 4


def test_an_update_that_changes_nothing_writes_nothing(terminal):
    endpoint(terminal.azure, "stable")

    terminal.json("batch-endpoint", "update", "-n", "digits", "--set", "defaults.deployment_name=stable")

    assert terminal.azure.sent("PUT") == []


def test_an_unknown_key_is_refused_with_near_names_before_anything_is_written(terminal):
    endpoint(terminal.azure)

    assert terminal.run("batch-endpoint", "update", "-n", "digits", "--set", "descripton=New") == 1
    assert "description" in terminal.err
    assert terminal.azure.sent("PUT") == []


def test_a_file_about_another_endpoint_is_refused(terminal, tmp_path):
    endpoint(terminal.azure)
    file = tmp_path / "endpoint.yml"
    file.write_text("name: letters\ndescription: x\n")

    assert terminal.run("batch-endpoint", "update", "-n", "digits", "-f", str(file)) == 1
    assert "'letters'" in terminal.err


def test_reason_and_ticket_travel_as_utf8_headers(terminal):
    endpoint(terminal.azure)
    why = ["--reason", "Größere Stichprobe", "--ticket", "OPS-7"]

    terminal.json("batch-endpoint", "update", "-n", "digits", "--set", "description=New", *why)

    headers = dict(terminal.azure.requests[-1].headers.raw)
    assert headers[b"x-batchyard-reason"] == "Größere Stichprobe".encode()
    assert headers[b"x-batchyard-ticket"] == b"OPS-7"


def test_the_history_of_the_default_can_be_queried(terminal):
    change = {"time": "t", "actor": "me", "before": None, "after": "stable", "reason": "go", "ticket": ""}
    endpoint(terminal.azure, "stable", defaultHistory=[change])

    history = terminal.json("batch-endpoint", "show", "-n", "digits", "--query", "default_history")

    assert [(row["actor"], row["after"]) for row in history] == [("me", "stable")]


def test_create_needs_a_name_from_somewhere(terminal):
    assert terminal.run("batch-endpoint", "create") == 2


def test_create_takes_file_then_flags_then_set(terminal, tmp_path):
    file = tmp_path / "endpoint.yml"
    file.write_text("$schema: https://azuremlschemas.azureedge.net/x.json\nname: digits\ndescription: one\n")

    terminal.json("batch-endpoint", "create", "-f", str(file), "-n", "letters", "--set", "description=two")

    assert terminal.azure.body("PUT", "batchEndpoints/letters")["properties"]["description"] == "two"


def test_differences_leave_out_what_is_empty_on_both_sides():
    assert differences({"a": 1, "b": {}, "c": {"d": None}}, {"a": 2, "b": None}) == ["  a: 1 → 2"]


def test_generic_changes_are_made_in_the_order_in_which_they_were_typed(terminal):
    endpoint(terminal.azure)

    update = ("batch-endpoint", "update", "-n", "digits")
    terminal.json(*update, "--rem", "tags.team", "--add", "tags", "a=1", "b=x", "--set", "tags.b=y", "description=New")

    sent = terminal.azure.body("PUT", "batchEndpoints/digits")
    assert sent["tags"] == {"stage": "test", "a": "1", "b": "y"}
    assert sent["properties"]["description"] == "New"


def test_a_value_that_looks_like_null_is_kept_as_text_where_that_is_asked_for(terminal):
    endpoint(terminal.azure)

    terminal.json("batch-endpoint", "update", "-n", "digits", "--set", "description=null", "--force-string")

    assert terminal.azure.body("PUT", "batchEndpoints/digits")["properties"]["description"] == "null"


def test_removing_what_is_not_there_is_told_and_nothing_is_sent(terminal):
    endpoint(terminal.azure)

    assert (
        terminal.run("batch-endpoint", "update", "-n", "digits", "--remove", "tags.nobody", "--add", "tags", "x") == 1
    )

    assert "tags.nobody" in terminal.err and "NAME=VALUE" in terminal.err
    assert terminal.azure.sent("PUT") == []


def test_a_file_of_another_noun_is_named_with_the_command_that_takes_it(terminal, tmp_path):
    endpoint(terminal.azure)
    file = tmp_path / "endpoint.yml"
    file.write_text("$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json\nname: digits\n")
    terminal.azure.put("computes/digits", {"computeType": "AmlCompute", "properties": {}})
    wrong = ("compute create", "model create", "environment create", "data create", "batch-deployment create")

    for command in (*wrong, "compute update -n digits", "batch-deployment update -e digits -n blue"):
        assert terminal.run(*command.split(), "--file", str(file)) in (1, 2), command
        assert "found the YAML of a batch endpoint" in terminal.err, (command, terminal.err)
        assert "`batchyard batch-endpoint create --file`" in terminal.err
    assert terminal.azure.sent("PUT") == []
