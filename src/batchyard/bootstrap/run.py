"""One local run without a server: `batchyard run deployment.yml --input DIR --output DIR`.

The same engine over the same files, obeying every setting; neither the database nor the web framework is imported.
Ends with 0 when completed, 1 when failed or refused, 4 with --strict when completed with failed items, 130 by Ctrl-C.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from batchyard.bootstrap.reading import start_reading
from batchyard.domain.errors import BatchyardError
from batchyard.settings import from_environment

FAILED, INTERRUPTED = 1, 130


def main(arguments: list[str] | None = None) -> int:
    """Run once and give the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    # Asked to end, it ends what it started, as by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(given)
    except (BatchyardError, ValueError) as exc:
        print(f"ERROR: {exc}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Stopped; nothing was published.", file=sys.stderr)
        return INTERRUPTED


def _run(given: argparse.Namespace) -> int:
    settings = from_environment()
    cap = [] if given.max_duration is None else [f"settings.max_duration={given.max_duration}"]
    # What is imported stays: looking through it for garbage, again and again, would find none.
    gc.disable()
    reading = start_reading(given.deployment, [*(given.set or []), *cap])
    # Beside the child, which imports what reads YAML: one after the other would take about twice as long.
    from batchyard.bootstrap.local_run import dry_run, run_inline_once, run_once

    gc.freeze()
    gc.enable()
    deployment = reading.wait()
    if settings.sandbox and (given.inline or given.pdb):
        raise ValueError("--inline and --pdb know no sandbox; set BATCHYARD_SANDBOX=off to use them on code you trust.")
    if given.inline or given.pdb:
        return run_inline_once(settings, deployment, given)
    if given.dry_run:
        return dry_run(settings, deployment, given)
    if given.output is None:
        raise ValueError("--output is missing: name a folder to publish to, or say --inline.")
    return run_once(settings, deployment, given)


class _Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line, as the other commands do."""

    def error(self, message: str) -> NoReturn:
        """Tell a mistake and end with exit code 2."""
        self.exit(2, f"ERROR: {self.prog}: {message}. See `{self.prog} --help`.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="batchyard run", description="Score a folder here and now, without a server.")
    parser.add_argument("deployment", type=Path, help="YAML file of a deployment; its compute need not exist")
    parser.add_argument("--input", type=Path, required=True, help="folder of files, or one file")
    parser.add_argument("--output", type=Path, help="folder to publish; must not exist or be empty")
    parser.add_argument("--set", nargs="+", action="extend", metavar="KEY=VALUE", help="change values of the YAML")
    parser.add_argument("--max-duration", metavar="SECONDS", help="the same as --set settings.max_duration=SECONDS")
    parser.add_argument("--inline", action="store_true", help="one process on this terminal, rows to standard output")
    parser.add_argument("--pdb", action="store_true", help="like --inline, and open the debugger where it fails")
    parser.add_argument("--dry-run", action="store_true", help="score a sample, publish nothing, say what was found")
    parser.add_argument("-o", dest="format", choices=["json", "table"], help="how --dry-run says it")
    parser.add_argument("--strict", action="store_true", help="exit 4 when completed with failed items")
    return parser


def _leave(code: int) -> NoReturn:
    """End here: nothing is left to be tidied up, and taking all modules apart would take longer than to import some."""
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _leave(main())
