"""What every peer does in the same way: load the script, list the input, cut it, turn a result into text."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType
from typing import Any  # what a script returns


def load(script: str) -> ModuleType:
    """Import the scoring script and call its `init()`."""
    spec = importlib.util.spec_from_file_location("score", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.init()
    return module


def list_input(folder: str) -> list[str]:
    """Give the paths of all files below a folder, sorted."""
    paths, folders = [], [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                (folders if entry.is_dir() else paths).append(entry.path)
    return sorted(paths)


def cut(paths: list[str], size: int) -> list[list[str]]:
    """Cut paths into mini-batches."""
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def text_of(result: Any) -> str:
    """Give the lines of a result: a list of texts, or a DataFrame."""
    if isinstance(result, list):
        return "\n".join(result) + "\n" if result else ""
    text: str = result.to_csv(sep=" ", header=False, index=False)
    return text


def arguments() -> tuple[str, list[list[str]], str]:
    """Read the command line: the script, the mini-batches, the file to write."""
    script, folder, output, size = sys.argv[1:5]
    return script, cut(list_input(folder), int(size)), output
