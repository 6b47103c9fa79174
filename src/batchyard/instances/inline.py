"""A scoring script on the caller's terminal, in the interpreter of its environment: for debugging."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from batchyard.instances.launch import RUNTIME, make_environment


def run_inline(
    python: Path,
    code_dir: Path,
    script: str,
    *,
    items: Iterable[bytes],
    input_root: Path,
    mini_batch_size: int,
    model_dir: Path,
    scratch: Path,
    environment_variables: Mapping[str, str],
    row_format: str,
    has_pdb: bool,
) -> int:
    """Score every item in one process that shares our terminal, and give its exit code.

    code_dir: the user's own folder, so that a debugger shows the file they edit. items: absolute paths, below
    input_root. row_format: value of OutputFormat; rows with columns are printed as lines of JSON.
    scratch: gets the listing, HOME, TMPDIR and what the script writes to AZUREML_BI_OUTPUT_PATH (`output`).
    """
    listing = scratch / "inline-listing"
    listing.write_bytes(b"".join(item + b"\0" for item in items))
    (scratch / "output").mkdir(exist_ok=True)
    fixed = {"AZUREML_MODEL_DIR": str(model_dir), "AZUREML_BI_OUTPUT_PATH": str(scratch / "output")}
    environment = make_environment(python, scratch=scratch, chosen=environment_variables, fixed=fixed)
    if "TERM" in os.environ:
        environment["TERM"] = os.environ["TERM"]
    debugger = "pdb" if has_pdb else "-"
    command = [os.fspath(python), os.fspath(RUNTIME), "--inline", os.fspath(listing), str(os.getpid())]
    done = subprocess.run(
        [*command, str(mini_batch_size), os.fspath(code_dir), script, os.fspath(input_root), row_format, debugger],
        env=environment,
        check=False,
    )
    return done.returncode
