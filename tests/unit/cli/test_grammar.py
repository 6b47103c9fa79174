from __future__ import annotations

import json

import pytest

from batchyard.cli import grammar

# B.1 to B.4, as far as this version has them.
COMMANDS = {
    "batch-endpoint": ["create", "show", "list", "update", "delete", "invoke", "list-jobs"],
    "batch-deployment": ["create", "show", "tune", "list", "update", "delete", "validate", "list-jobs"],
    "model": ["create", "show", "list", "update", "archive", "restore", "download"],
    "environment": ["create", "show", "list", "update", "archive", "restore"],
    "compute": ["create", "show", "list", "update", "delete"],
    "job": [
        "create",
        *["show", "list", "update", "archive", "restore", "stream", "logs", "download"],
        *["cancel", "pause", "continue", "resume", "retry-failed", "verify", "lineage"],
    ],
    "server": ["start", "stop", "status", "logs"],
    "component": ["create", "show", "list", "archive", "restore"],
    "datastore": ["show", "list"],
    "schema": ["show", "list"],
    "schedule": ["create", "show", "list", "enable", "disable", "delete"],
}

FLAGS = {
    "batch-endpoint create": ["--file", "-f", "--name", "-n", "--set", "--no-wait"],
    "batch-endpoint delete": ["--name", "-n", "--yes", "-y", "--no-wait"],
    "batch-endpoint invoke": [
        *[
            "--name",
            "-n",
            "--deployment-name",
            "-d",
            "--input",
            "--input-type",
            "--inputs",
            "--outputs",
            "--file",
            "-f",
        ],
        *["--output-path", "--instance-count", "-c", "--mini-batch-size", "-m", "--job-name", "--experiment-name"],
        *["--set", "--wait", "--stream", "--request-id", "--upload"],
    ],
    "batch-deployment create": [
        *["--file", "-f", "--endpoint-name", "-e", "--name", "-n", "--set", "--set-default"],
        *["--skip-script-validation", "--no-wait"],
    ],
    "batch-deployment update": [
        *["--endpoint-name", "-e", "--name", "-n", "--file", "-f", "--no-wait"],
        *["--set", "--add", "--remove", "--force-string"],
    ],
    "batch-deployment list": ["--endpoint-name", "-e"],
    "batch-deployment delete": ["--endpoint-name", "-e", "--name", "-n", "--yes", "-y", "--force", "--no-wait"],
    "model create": ["--file", "--name", "--version", "-v", "--path", "-p", "--type", "--set"],
    "model show": ["--name", "-n", "--version", "-v", "--label", "-l"],
    "environment create": ["--file", "--name", "--version", "--image", "--conda-file"],
    "compute create": [
        "--file",
        "--name",
        "--type",
        "--size",
        "--tier",
        "--min-instances",
        "--max-instances",
        "--tags",
    ],
    "job list": [
        *["--status", "--endpoint", "--deployment", "--compute", "--tag", "--created-from", "--created-before"],
        *["--max-results", "-r", "--all-results", "--include-archived", "--archived-only", "--parent-job-name", "-p"],
    ],
    "batch-endpoint update": [
        *["--name", "-n", "--file", "--defaults", "--no-wait"],
        *["--set", "--add", "--remove", "--force-string"],
    ],
    **{
        command: ["--set", "--add", "--remove", "--force-string"]
        for command in (
            *["compute update", "model update", "environment update", "data update"],
            "job update",
        )
    },
    "job download": ["--name", "-n", "--download-path", "-p", "--output-name", "--all"],
    "server logs": ["--follow", "-f", "--name"],
}
GLOBAL = ["--debug", "--verbose", "--only-show-errors", "--output", "-o", "--query", "--subscription", "-g", "-w"]


def test_every_command_of_the_grammar_is_registered():
    found = {group: [c.name.split()[1] for c in grammar.commands_of(group)] for group in COMMANDS}

    assert {group: sorted(names) for group, names in found.items()} == {g: sorted(n) for g, n in COMMANDS.items()}


@pytest.mark.parametrize("command", FLAGS)
def test_help_of_a_command_names_its_flags_and_the_global_ones(terminal, command):
    assert terminal.run(*command.split(), "--help") == 0

    words = terminal.out.split()
    assert [flag for flag in [*FLAGS[command], *GLOBAL] if flag not in words] == []


def test_help_names_every_group_and_asks_no_server(terminal):
    assert terminal.run("--help") == 0

    assert [group for group in grammar.GROUPS if group not in terminal.out] == []
    assert terminal.azure.requests == []
    assert not terminal.home.exists()


def test_no_words_at_all_show_the_help(terminal):
    assert terminal.run() == 0
    assert "batch-endpoint" in terminal.out


@pytest.mark.parametrize("args", [["nonsense"], ["job"], ["job", "show"], ["job", "show", "--nam", "x", "--no-such"]])
def test_typing_mistakes_end_with_2(terminal, args):
    assert terminal.run(*args) == 2
    assert terminal.out == ""


def test_a_unique_prefix_of_a_flag_is_enough(terminal, tmp_path):
    file = tmp_path / "compute.yml"
    file.write_text("name: cpu-cluster\ntype: amlcompute\nmax_instances: 3\n")

    assert terminal.json("compute", "create", "--fi", str(file))["max_instances"] == 3


def test_set_takes_several_values_and_may_be_repeated(terminal):
    given = ["--set", "max_instances=2", "tags.team=x", "--set", "description=for tests"]

    done = terminal.json("compute", "create", "-n", "cpu-cluster", *given)

    assert (done["max_instances"], done["tags"], done["description"]) == (2, {"team": "x"}, "for tests")


def test_delete_without_a_terminal_needs_yes(terminal):
    terminal.azure.put("computes/cpu", {"computeType": "AmlCompute", "properties": {}})

    assert terminal.run("compute", "delete", "-n", "cpu") == 1
    assert "--yes" in terminal.err
    assert terminal.azure.sent("DELETE") == []


def test_delete_with_yes_deletes(terminal):
    terminal.azure.put("computes/cpu", {"computeType": "AmlCompute", "properties": {}})

    assert terminal.run("compute", "delete", "-n", "cpu", "--yes") == 0
    assert (terminal.out, terminal.azure.sent("DELETE")) == ("", ["computes/cpu"])


def test_scope_flags_choose_the_workspace(tmp_path):
    from batchyard.cli import main
    from batchyard.settings import Settings

    seen = []

    def open_server(cli):
        seen.append((cli.scope_flags, main._open_server(cli).scope))
        raise ValueError("enough")

    main.run(["job", "list", "-g", "g1", "-w", "w1"], Settings(home=tmp_path), open_server=open_server)

    assert (seen[0][1].resource_group, seen[0][1].workspace) == ("g1", "w1")


def test_configured_defaults_are_kept_in_the_home_and_used(tmp_path, terminal):
    from batchyard.cli import main
    from batchyard.settings import Settings

    assert terminal.json("configure", "--defaults", "group=g2", "workspace=w2") == {"group": "g2", "workspace": "w2"}
    cli = main.BatchyardCLI(Settings(home=terminal.home), [], main._open_server)
    scope = main._open_server(cli).scope

    assert (scope.resource_group, scope.workspace) == ("g2", "w2")
    assert terminal.home.stat().st_mode & 0o777 == 0o700


def test_defaults_are_listed_as_azure_lists_them(terminal):
    terminal.run("configure", "--defaults", "workspace=w2")

    rows = terminal.json("configure", "-l")

    assert {row["name"]: row["value"] for row in rows if row["name"] != "subscription"} == {
        "workspace": "w2",
        "group": "local",
    }
    assert {row["name"]: row["source"] for row in rows}["group"] == "batchyard"


def test_an_unknown_default_is_a_usage_mistake(terminal):
    assert terminal.run("configure", "--defaults", "colour=red") == 2
    assert "colour" in terminal.err


def test_version_is_a_result(terminal):
    assert json.loads(json.dumps(terminal.json("version"))).keys() == {"batchyard", "python"}


def test_defaults_are_explained_by_each_command_in_its_own_words(terminal):
    terminal.run("configure", "--help")
    assert "workspace=" in terminal.out
    assert "deployment_name" not in terminal.out

    terminal.run("batch-endpoint", "update", "--help")
    assert "deployment_name:" in terminal.out
    assert "workspace=" not in terminal.out
