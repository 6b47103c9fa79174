"""The command `batchyard`: puts knack together, turns every failure into one text and one exit code.

Start-up time is the budget here: nothing heavier than knack is imported before a command needs it.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any  # knack is untyped

from knack.cli import CLI
from knack.events import EVENT_INVOKER_FILTER_RESULT, EVENT_INVOKER_POST_PARSE_ARGS, EVENT_PARSER_GLOBAL_CREATE
from knack.help_files import helps

from batchyard.cli import grammar
from batchyard.cli.configure import Defaults
from batchyard.cli.failures import CommandFailed, exit_code, explain
from batchyard.cli.usage import OneLineParser
from batchyard.cli.visible import visible, visible_result
from batchyard.settings import Settings, from_environment

if TYPE_CHECKING:
    from batchyard.cli.rest import Server


# As typed: a flag may be shortened and joined with its value.
_FORMAT_FLAGS = ("-o", "--out", "--query")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. argv: without the program's name; sys.argv's when None."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        settings = from_environment()
    except (ValueError, RuntimeError) as exc:
        # RuntimeError: `~` of a user that the machine does not know.
        print(f"ERROR: {exc}", file=sys.stderr)
        return 1
    return run(args, settings)


def run(args: list[str], settings: Settings, *, open_server: Callable[[BatchyardCLI], Server] | None = None) -> int:
    """Run one command under the given settings. open_server: how commands get their server; the real one when None."""
    for name, group in grammar.GROUPS.items():
        helps[name] = f"type: {'command' if group.handler else 'group'}\nshort-summary: {json.dumps(group.summary)}"
    try:
        cli = BatchyardCLI(settings, args, open_server or _open_server)
    except CommandFailed as exc:
        print(f"ERROR: {visible(str(exc))}", file=sys.stderr)
        return exit_code(exc)
    try:
        code = int(cli.invoke(args or ["--help"]) or 0)
        return code or (cli.server.exit_code if cli.server is not None else 0)
    except SystemExit as ended:
        # argparse ends the process itself: 0 after help, 2 after a usage error.
        return ended.code if isinstance(ended.code, int) else 1
    except BrokenPipeError:
        return 0


class BatchyardCLI(CLI):  # type: ignore[misc]  # knack is untyped
    """knack's CLI with our table of commands, scope flags on every command, and our words for failures."""

    def __init__(self, settings: Settings, args: Sequence[str], open_server: Callable[[BatchyardCLI], Server]) -> None:
        self.settings = settings
        self.is_debug = "--debug" in args
        self.scope_flags: dict[str, str] = {}
        self.is_format_asked = any(arg.startswith(_FORMAT_FLAGS) for arg in args)
        self._open_server = open_server
        self.server: Server | None = None
        super().__init__(
            cli_name="batchyard",
            config_dir=str(settings.home),
            out_file=sys.stdout,
            config_cls=Defaults,
            commands_loader_cls=grammar.Commands,
            parser_cls=OneLineParser,
        )
        # knack reads the flag only where it sets up logging itself; a caller that logs already counts as well.
        if "--only-show-errors" in args:
            self.only_show_errors = True
        self.register_event(EVENT_PARSER_GLOBAL_CREATE, _add_scope_flags)
        self.register_event(EVENT_INVOKER_POST_PARSE_ARGS, _keep_scope_flags)
        self.register_event(EVENT_INVOKER_FILTER_RESULT, _make_visible)

    def get_cli_version(self) -> str:
        """Give what `--version` prints first."""
        from batchyard.cli.doctor import installed_version

        return f"batchyard {installed_version()}"

    def server_for(self, _: Mapping[str, Any]) -> Server:
        """Give a command its server; nothing is contacted before the first request."""
        self.server = self._open_server(self)
        return self.server

    def is_confirmed(self, question: str, args: Mapping[str, Any]) -> bool:
        """Ask on stderr whether to go on; without a terminal nobody can answer.

        Raises: CommandFailed when there is no terminal.
        """
        asked = question.format(**args)
        if not sys.stdin.isatty():
            raise CommandFailed(f"{asked} Nobody can answer without a terminal; repeat with `--yes` to go on.")
        print(f"{asked} (y/n): ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def say(self, text: str) -> None:
        """Tell the user something on stderr, unless they asked for errors alone."""
        if not self.only_show_errors:
            print(visible(text), file=sys.stderr, flush=True)

    def exception_handler(self, ex: Exception) -> int:
        """Print one failure and give its exit code."""
        from knack.util import CLIError

        if self.is_debug:
            traceback.print_exception(ex)
        if isinstance(ex, BrokenPipeError):
            raise ex
        print(visible(f"ERROR: {ex if isinstance(ex, CLIError) else explain(ex)}"), file=sys.stderr)
        return exit_code(ex)


def _open_server(cli: BatchyardCLI) -> Server:
    import functools
    from dataclasses import replace

    from batchyard.cli import embedded
    from batchyard.cli.rest import Server
    from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope

    flags = cli.scope_flags
    given = {
        "subscription": flags.get("subscription") or cli.config.get("defaults", "subscription", ""),
        "resource_group": flags.get("resource_group") or cli.config.get("defaults", "group", ""),
        "workspace": flags.get("workspace_name") or cli.config.get("defaults", "workspace", ""),
    }
    named = {part: name for part, name in given.items() if name}
    scope: Scope = replace(DEFAULT_SCOPE, **named)
    connect = functools.partial(embedded.connect, cli.settings, say=cli.say)
    return Server(
        connect,
        scope=scope,
        settings=cli.settings,
        say=cli.say,
        shows_progress=not cli.only_show_errors,
        is_format_asked=cli.is_format_asked,
        named=frozenset(named),
    )


def _add_scope_flags(_: Any, *, arg_group: Any) -> None:
    flags = (
        (("--resource-group", "-g"), "_resource_group", "Resource group; else `local`."),
        (("--workspace-name", "-w"), "_workspace_name", "Workspace; else `default`."),
        (("--subscription",), "_subscription", "Subscription id."),
    )
    for names, dest, text in flags:
        arg_group.add_argument(*names, dest=dest, metavar="NAME", help=text)


def _make_visible(_: Any, *, event_data: Any, **__: object) -> None:
    # On a terminal only: a pipe gets every sign as it is.
    if sys.stdout.isatty():
        event_data["result"] = visible_result(event_data["result"])


def _keep_scope_flags(cli: Any, *, args: Any, **_: object) -> None:
    for flag in ("resource_group", "workspace_name", "subscription"):
        cli.scope_flags[flag] = getattr(args, f"_{flag}", None) or ""


if __name__ == "__main__":
    sys.exit(main())
