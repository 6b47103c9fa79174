"""What is said of a command line that was put together wrongly: one line, and where to read on."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable
from typing import Any, NoReturn  # argparse's values are of any type

from knack.parser import CLICommandParser

from batchyard.cli.failures import EXIT_USAGE


class OneLineParser(CLICommandParser):  # type: ignore[misc]  # knack is untyped
    """knack's parser, which prints all flags of a command for a letter too many."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read a command line; what is left over is told with the help of the command that it was typed for."""
        self._expand_prefixed_files(args)
        read, left_over = self.parse_known_args(args, namespace)
        if left_over:
            command: Any = getattr(read, "_parser", self)  # knack sets it; untyped
            flag = left_over[0].partition("=")[0]
            near = _nearest(flag, command._option_string_actions) if flag.startswith("--") else ""
            refuse(command.prog, f"unrecognized arguments: {' '.join(left_over)}{near}")
        return read

    def error(self, message: str) -> NoReturn:
        """Tell a mistake and end with exit code 2."""
        refuse(self.prog, message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        if action.dest in ("_command", "_subcommand"):
            refuse(self.prog, f"there is no command {value!r}{_nearest(str(value), choices)}")
        flags = "/".join(action.option_strings) or action.dest
        refuse(self.prog, f"{flags} is {value!r}, must be one of {', '.join(choices)}")


def refuse(command: str, message: str) -> NoReturn:
    """Print one line to stderr and end with exit code 2. command: as typed, `batchyard job show`."""
    text = " ".join(message.split()).rstrip(".")
    sys.stderr.write(f"ERROR: {command}: {text}. See `{command} --help`.\n")
    sys.exit(EXIT_USAGE)


def _nearest(typed: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(typed, list(known), n=1, cutoff=0.6)
    return f"; perhaps {found[0]!r}" if found else ""
