"""The grammar: groups, commands and flags, as tables that cost next to nothing to read.

Only the group named on the command line is registered, and only the command's own module is imported.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any  # knack hands over untyped tables

from knack.commands import CLICommandsLoader
from knack.help_files import helps


@dataclass(frozen=True, slots=True)
class Command:
    """One command. name: as typed, `batch-endpoint show`; handler: function in the group's module.

    table: what `-o table` shows of the result. question: asked before it runs, answered by `--yes`; "" asks nothing.
    example: what it is for and how it is typed, shown by `--help`.
    """

    name: str
    handler: str
    table: Callable[[Any], Any] | None = None  # a JSON value in, rows out
    question: str = ""
    example: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Group:
    """The commands of one noun and where they live. handler: for a group that is itself the one command."""

    module: str
    summary: str
    handler: str = ""


_ROOM = "batchyard.cli."

GROUPS: Mapping[str, Group] = {
    "batch-endpoint": Group(_ROOM + "batch_endpoint", "Stable names and URLs in front of batch deployments."),
    "batch-deployment": Group(_ROOM + "batch_deployment", "What runs behind an endpoint: model, code, settings."),
    "model": Group(_ROOM + "model", "Registered models and their versions."),
    "data": Group(_ROOM + "data", "Registered names for data to score."),
    "environment": Group(_ROOM + "environment", "Registered environments and their versions."),
    "component": Group(_ROOM + "component", "Registered steps and pipelines, for deployments and jobs."),
    "datastore": Group(_ROOM + "datastore", "Named places of uploads, outputs and logs."),
    "schedule": Group(_ROOM + "schedule", "When which job is to be made; kept, not acted on by this version."),
    "compute": Group(_ROOM + "compute", "Named shares of instances that jobs run on."),
    "job": Group(_ROOM + "job", "Jobs that score or run pipelines: follow, read logs, download, cancel, resume."),
    "server": Group(_ROOM + "server", "The embedded server of this home."),
    "run": Group(_ROOM + "run", "Score a folder here and now, without a server.", "run"),
    "workspace": Group(_ROOM + "workspace", "What endpoints, jobs, assets and data are named in."),
    "az": Group(_ROOM + "az", "The command `az` for scripts that were written for Azure."),
    "account": Group(_ROOM + "az", "The local account, as `az account` shows it."),
    "group": Group(_ROOM + "az", "The local resource group, as `az group` shows it."),
    "diff": Group(_ROOM + "diff", "What differs between two workspaces or folders of YAML.", "diff"),
    "schema": Group(_ROOM + "schema", "JSON schemas of the YAML files, for editors."),
    "env": Group(_ROOM + "env", "Variables that lead Azure's own clients to this server.", "env"),
    "configure": Group(_ROOM + "configure", "Keep defaults for group, workspace and output.", "configure"),
    "doctor": Group(_ROOM + "doctor", "Check this machine, the home and the server.", "doctor"),
    "version": Group(_ROOM + "doctor", "Show the version.", "version"),
}


class InOrder(argparse.Action):
    """Keeps several flags of one meaning in the order in which they were typed, as (flag, words) each."""

    def __call__(self, _: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Append one; argparse hands over the whole flag where only a prefix of it was typed."""
        given = getattr(namespace, self.dest, None) or []
        flag = next(known for known in self.option_strings if known.startswith(option_string or ""))
        setattr(namespace, self.dest, [*given, (flag, list(values))])


_MANY = {"nargs": "+", "action": "append"}

_WORKSPACE = {"options_list": ["--name", "-n"], "help": "Its name; else that of -w, or the default."}

# One flag, one meaning, whatever the command: the parameter's name in the handler -> how it is typed.
FLAGS: Mapping[str, Mapping[str, Any]] = {  # argparse's own keywords
    "name": {"options_list": ["--name", "-n"], "help": "Its name."},
    "endpoint_name": {"options_list": ["--endpoint-name", "-e"], "help": "Name of the batch endpoint."},
    "deployment_name": {"options_list": ["--deployment-name", "-d"], "help": "The deployment; else the default."},
    "file": {"options_list": ["--file", "-f"], "help": "YAML file. Paths in it are relative to its folder."},
    "sets": {
        "options_list": ["--set"],
        "metavar": "KEY=VALUE",
        "help": "Change values by their path: a.b=c d=e. null removes.",
        **_MANY,
    },
    "changes": {
        "options_list": ["--set", "--add", "--remove"],
        "metavar": "CHANGE",
        "nargs": "+",
        "action": InOrder,
        "help": "What to change, in this order: --set a.b=c (null removes), --add a.list VALUE or a.map NAME=VALUE, "
        "--remove a.b or a.list INDEX. What is not named stays.",
    },
    "force_string": {
        "help": "Take values of --set and --add as text, also where they look like a number or null.",
        "action": "store_true",
    },
    "defaults": {
        "options_list": ["--defaults"],
        "metavar": "KEY:VALUE",
        "help": "Its defaults: deployment_name:NAME.",
        **_MANY,
    },
    "set_default": {"help": "Make it the endpoint's default once it is ready.", "action": "store_true"},
    "skip_script_validation": {"help": "Do not parse the scoring script first.", "action": "store_true"},
    "no_wait": {"help": "Return once the request is accepted.", "action": "store_true"},
    "force": {"help": "Delete it even if it is the endpoint's default.", "action": "store_true"},
    "reason": {"help": "Why; kept with the change."},
    "ticket": {"help": "Ticket of the change; kept with it."},
    "revision": {"type": int, "help": "An older revision, by its number; else the newest."},
    "version": {"options_list": ["--version", "-v"], "help": "The version."},
    "label": {"options_list": ["--label", "-l"], "help": "The label; only `latest`."},
    "path": {"options_list": ["--path", "-p"], "help": "Local path or azureml:// URI."},
    "type": {"options_list": ["--type", "-t"], "help": "The type."},
    "description": {"help": "What it is for."},
    "image": {"help": "Container image; kept and shown, not run by this version."},
    "conda_file": {"help": "conda file with the packages."},
    "tags": {"options_list": ["--tags"], "metavar": "KEY=VALUE", "help": "Tags: a=b c=d.", **_MANY},
    "size": {"help": "Size of an instance; kept and shown, without effect on this machine."},
    "tier": {"help": "dedicated or low_priority."},
    "min_instances": {"type": int, "help": "Instances kept ready."},
    "max_instances": {"type": int, "help": "Instances to share among jobs."},
    "idle_time_before_scale_down": {"type": int, "help": "Seconds."},
    "input": {"help": "Local path or azureml:// URI of the data to score."},
    "old_input": {
        "options_list": ["--input-path", "--input-local-path", "--input-data", "--input-dataset"],
        "help": "What `--input` was called in older versions.",
    },
    "input_type": {"help": "uri_folder or uri_file; guessed from a local path.", "choices": ["uri_folder", "uri_file"]},
    "inputs": {"metavar": "KEY=VALUE", "help": "Inputs by name: NAME.path=… NAME.type=…", **_MANY},
    "outputs": {"metavar": "KEY=VALUE", "help": "Outputs by name: NAME.path=… NAME.type=uri_file", **_MANY},
    "output_path": {"help": "Where to publish: azureml://datastores/NAME/paths/PATH."},
    "instance_count": {"options_list": ["--instance-count", "-c"], "help": "Instances for this job."},
    "mini_batch_size": {"options_list": ["--mini-batch-size", "-m"], "help": "Items for one run()."},
    "max_duration": {"metavar": "SECONDS", "help": "End the job after so many seconds of scoring; it can be resumed."},
    "estimate": {
        "help": "Make no job: score a sample, and say what the job would take.",
        "action": "store_true",
    },
    "sample": {"metavar": "ITEMS|PERCENT%", "help": "How much of the input to score for that; else about 1%."},
    "sample_time": {"metavar": "SECONDS", "help": "How long scoring a sample may take; else 60."},
    "job_name": {"help": "Name of the job; else a made one."},
    "experiment_name": {"help": "Experiment to show the job under."},
    "request_id": {"help": "The same id again gives the same job; else a made one."},
    "upload": {"help": "Upload a local input instead of reading it in place.", "action": "store_true"},
    "dry_run": {
        "help": "Make no job: look at everything it needs and score a sample of the data; exit 1 on an error.",
        "action": "store_true",
    },
    "wait": {"help": "Wait for the job's end; exit 1 unless it completed.", "action": "store_true"},
    "stream": {"help": "Like --wait, and print the logs of workers and steps.", "action": "store_true"},
    "web": {"options_list": ["--web", "-e"], "help": "Also print the job's URL.", "action": "store_true"},
    "status": {"help": "Only jobs in this status."},
    "endpoint": {"help": "Only jobs of this endpoint."},
    "deployment": {"help": "Only jobs of this deployment."},
    "tag": {"metavar": "NAME[=VALUE]", "help": "Only jobs with these tags; several must all be there.", **_MANY},
    "created_from": {"metavar": "TIME", "help": "Only jobs made at this time or later: 2026-11-23T08:00, in UTC."},
    "created_before": {"metavar": "TIME", "help": "Only jobs made before this time."},
    "parent_job_name": {"options_list": ["--parent-job-name", "-p"], "help": "The steps of this job."},
    "max_results": {"options_list": ["--max-results", "-r"], "type": int, "help": "At most so many, newest first."},
    "all_results": {"help": "All of them.", "action": "store_true"},
    "include_archived": {"help": "Archived ones too.", "action": "store_true"},
    "archived_only": {"help": "Only archived ones.", "action": "store_true"},
    "include_disabled": {"help": "Disabled ones too.", "action": "store_true"},
    "disabled_only": {"help": "Only disabled ones.", "action": "store_true"},
    "download_path": {"options_list": ["--download-path", "-p"], "help": "Folder to download into; else here."},
    "output_name": {"help": "The output; a batch job's is called score."},
    "all_": {"options_list": ["--all"], "help": "The output and the logs.", "action": "store_true"},
    "partial": {
        "help": "What was scored so far, of a job without an output, into partial-outputs/score.",
        "action": "store_true",
    },
    "follow": {"options_list": ["--follow", "-f"], "help": "Go on printing what is written.", "action": "store_true"},
    "process": {"options_list": ["--name"], "help": "doors or engine; else both.", "choices": ["doors", "engine"]},
    "errors": {"help": "Each kind of failure once, with its stack.", "action": "store_true"},
    "worker": {"help": "All logs of one worker, such as n0-s1-4."},
    "item": {"help": "What became of an item: its path relative to the input, or the end of it."},
    "lines": {"type": int, "help": "Lines from the end."},
}

# Where one command means something else by a flag: command -> its flags.
OWN_FLAGS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {  # as above
    "configure": {
        "list_defaults": {"options_list": ["--list-defaults", "-l"], "help": "Show them.", "action": "store_true"},
        "defaults": {
            "options_list": ["--defaults", "-d"],
            "metavar": "KEY=VALUE",
            "help": "Defaults to keep: group=x workspace=y subscription=z output=table. KEY= forgets one.",
            **_MANY,
        },
    },
    "schema show": {"name": {"options_list": [], "metavar": "NAME", "help": "Such as deployment; see `schema list`."}},
    "az install": {"folder": {"options_list": [], "metavar": "DIR", "help": "The folder; made if missing."}},
    "account set": {"subscription_id": {"options_list": ["--name", "-n", "-s"], "help": "Id of the subscription."}},
    "account get-access-token": {
        "resource": {"help": "Whom the token is for; else https://management.azure.com."},
        "scope": {"nargs": "+", "help": "The same as a scope, such as https://ml.azure.com/.default."},
        "tenant": {"options_list": ["--tenant", "-t"], "help": "Accepted; there is only one."},
        "resource_type": {"help": "The same by a short name: arm, aml or storage."},
    },
    "group show": {
        "group_name": {"options_list": ["--name", "-n"], "help": "Its name."},
    },
    "workspace show": {"workspace": _WORKSPACE},
    "workspace create": {
        "display_name": {"help": "A name to show."},
        "location": {"options_list": ["--location", "-l"], "help": "Kept and shown; everything is on this machine."},
    },
    "workspace delete": {
        "workspace": _WORKSPACE,
        "all_resources": {"help": "Azure's; without effect here.", "action": "store_true"},
        "permanently_delete": {
            "options_list": ["--permanently-delete", "-p"],
            "help": "Azure's; without effect here.",
            "action": "store_true",
        },
    },
    "diff": {
        "left": {"options_list": [], "metavar": "LEFT", "help": "A folder or file of YAML, or workspace:NAME."},
        "right": {"options_list": [], "metavar": "RIGHT", "help": "What to hold it against."},
    },
    "job verify": {
        "path": {"options_list": ["--path", "-p"], "help": "A folder with an output, instead of a job of the server."},
        "model": {"help": "With --path: the file or folder that was registered as the model, or a copy of its name."},
        "code": {"help": "With --path: the folder of the code that was run, or a copy."},
    },
    "job lineage": {
        "path": {"options_list": ["--path", "-p"], "help": "A folder with an output, instead of a job of the server."},
        "row": {"help": "A row of the predictions by its number, from 0 on, headers not counted."},
        "file": {"options_list": ["--file", "-f"], "help": "A published file, by its name in the output."},
        "item": {"help": "An item of the input: its path, or the end of it."},
    },
    "batch-deployment tune": {
        "input_type": {"help": "uri_folder or uri_file.", "choices": ["uri_folder", "uri_file"]},
        "target_duration": {"metavar": "SECONDS", "help": "What a job of all items may take; else as fast as can be."},
        "memory_limit": {"metavar": "SIZE", "help": "What all workers may take: 8GiB, 500MB; else what is free."},
        "max_workers": {"type": int, "help": "Workers to try at most; else as many as the cores could serve."},
        "max_trials": {"type": int, "help": "Settings to try at most; else 20."},
        "threads": {"nargs": "+", "type": int, "metavar": "N", "help": "Threads a worker to try beside the default."},
        "sample": {"metavar": "ITEMS|PERCENT%", "help": "How much of the input each trial scores; else 1%."},
        "trial_time": {"metavar": "SECONDS", "help": "How long a trial may score; else 5."},
        "from_jobs": {"help": "Try nothing: advise from this deployment's past jobs.", "action": "store_true"},
        "items": {"type": int, "help": "Items of the job to advise for, with --from-jobs; else those of the last job."},
        "chart": {"metavar": "FILE", "help": "Write a chart of throughput by setting, as SVG."},
        "write": {"metavar": "FILE", "help": "Write the deployment with the recommended settings, as YAML."},
    },
    "job create": {
        "stream": {
            "options_list": ["--stream", "-s"],
            "help": "Like --wait, and print the logs.",
            "action": "store_true",
        },
    },
    "job list": {"compute": {"help": "Only jobs on this compute."}},
    "env": {
        "config": {"help": "Write `config.json` for `MLClient.from_config` here.", "action": "store_true"},
        "words": {"options_list": [], "nargs": "*", "metavar": "-- COMMAND", "help": "Run it with the variables."},
    },
}


def group_of(args: Sequence[str]) -> str | None:
    """Give the group that the command line names, or None for help, a typing mistake or nothing."""
    return args[0].lower() if args and args[0].lower() in GROUPS else None


def commands_of(group: str) -> Sequence[Command]:
    """Import the group's module, which is cheap, and give its commands."""
    found: Sequence[Command] = import_module(GROUPS[group].module).COMMANDS
    return [command for command in found if command.name.split()[0] == group]


class Commands(CLICommandsLoader):  # type: ignore[misc]  # knack is untyped
    """knack's command table, filled from the tables above."""

    def __init__(self, cli_ctx: Any = None) -> None:
        super().__init__(cli_ctx=cli_ctx, excluded_command_handler_args=["server"])

    def load_command_table(self, args: list[str]) -> Any:
        """Register the named group's commands; without one, a single entry for each group's name."""
        group = group_of(args)
        for name, place in GROUPS.items():
            if name == group:
                for command in commands_of(name):
                    self._register(place.module, command)
            else:
                # Enough for help and suggestions: the group's name, with one entry that is never run.
                self._register(place.module, Command(name if place.handler else f"{name} show", place.handler))
        return super().load_command_table(args)

    def load_arguments(self, command: str) -> None:
        """Describe the flags of the one command that will run."""
        for dest, how in FLAGS.items():
            self.argument_registry.register_cli_argument("", dest, None, **how)
        for dest, how in OWN_FLAGS.get(command, {}).items():
            self.argument_registry.register_cli_argument(command, dest, None, **how)
        super().load_arguments(command)

    def _register(self, module: str, command: Command) -> None:
        options: dict[str, Any] = {"client_factory": self.cli_ctx.server_for}
        if command.table is not None:
            options["table_transformer"] = command.table
        if command.question:
            options["confirmation"] = lambda args: self.cli_ctx.is_confirmed(command.question, args)
        if command.example[0]:
            shown = [dict(zip(("name", "text"), command.example, strict=True))]
            helps[command.name] = json.dumps({"type": "command", "examples": shown})
        self.command_table[command.name] = self.create_command(command.name, f"{module}#{command.handler}", **options)
