"""Which files of a folder are left out of an upload: `.amlignore`, else `.gitignore`, in the folder's root."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Never worth uploading, and different on each machine: they would change the hash of unchanged code.
_ALWAYS = ("__pycache__/", ".git/", ".amlignore", ".gitignore")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file. is_kept: the line began with `!`; only_folders: it ended with `/`."""

    pattern: re.Pattern[str]
    is_kept: bool
    only_folders: bool


def read_rules(folder: Path) -> list[Rule]:
    """Give the rules for a folder, the built-in ones first. Azure: `.amlignore` replaces `.gitignore`."""
    lines: list[str] = list(_ALWAYS)
    for name in (".amlignore", ".gitignore"):
        if (folder / name).is_file():
            lines += (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
            break
    return [rule for line in lines if (rule := _rule(line)) is not None]


def is_ignored(relative: str, *, is_folder: bool, rules: Sequence[Rule]) -> bool:
    """Whether the last rule that matches a path says to leave it out. relative: '/'-separated, without a leading one.

    An ignored folder is not looked into, so that what is in it cannot be kept by a later `!` (as git does).
    """
    ignored = False
    for rule in rules:
        if (is_folder or not rule.only_folders) and rule.pattern.fullmatch(relative):
            ignored = not rule.is_kept
    return ignored


def _rule(line: str) -> Rule | None:
    text = line.rstrip("\n")
    text = text.rstrip(" ") if not text.endswith("\\ ") else text
    if not text or text.startswith("#"):
        return None
    is_kept = text.startswith("!")
    text = text[1:] if is_kept else text.removeprefix("\\") if text.startswith(("\\!", "\\#")) else text
    only_folders = text.endswith("/")
    text = text.rstrip("/")
    # A slash inside or in front ties the pattern to the root; without one it matches at any depth.
    is_anchored = "/" in text
    body = _to_regex(text.lstrip("/"))
    return (
        Rule(re.compile(body if is_anchored else f"(?:.*/)?{body}", re.DOTALL), is_kept, only_folders) if body else None
    )


def _to_regex(text: str) -> str:
    out, i = "", 0
    while i < len(text):
        if text.startswith("**/", i) and (i == 0 or text[i - 1] == "/"):
            out, i = out + "(?:.*/)?", i + 3
        elif text.startswith("**", i):
            out, i = out + ".*", i + 2
        elif text[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif text[i] == "?":
            out, i = out + "[^/]", i + 1
        elif text[i] == "[" and (end := text.find("]", i + 2)) > 0:
            inside = text[i + 1 : end].replace("\\", "\\\\")
            out, i = out + "[" + ("^" + inside[1:] if inside[0] in "!^" else inside) + "]", end + 1
        elif text[i] == "\\" and i + 1 < len(text):
            out, i = out + re.escape(text[i + 1]), i + 2
        else:
            out, i = out + re.escape(text[i]), i + 1
    return out
