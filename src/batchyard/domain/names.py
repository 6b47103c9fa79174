"""Which names are allowed for what, and how a broken rule is told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchyard.domain.errors import Mistake


@dataclass(frozen=True, slots=True)
class NameRule:
    """A pattern with its lengths and the sentence that explains it."""

    pattern: re.Pattern[str]
    shortest: int
    longest: int
    sentence: str


_ENDPOINT = NameRule(
    re.compile(r"[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"),
    3,
    32,
    "3 to 32 letters, digits and '-', starting with a letter, ending with a letter or digit",
)
_ASSET = NameRule(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]*"),
    1,
    255,
    "1 to 255 letters, digits, '-', '_' and '.', starting with a letter or digit",
)

_PORT = NameRule(
    re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*"), 1, 255, "1 to 255 letters, digits and '_', not starting with a digit"
)

# Azure: A.1, A.2, A.6, A.7. Its REST takes a laxer endpoint name than its CLI; the CLI rule holds everywhere here.
RULES: dict[str, NameRule] = {
    "endpoint": _ENDPOINT,
    "deployment": _ENDPOINT,
    "compute": NameRule(
        re.compile(r"[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"),
        3,
        24,
        "3 to 24 letters, digits and '-', starting with a letter, ending with a letter or digit",
    ),
    "model": _ASSET,
    "environment": _ASSET,
    "code": _ASSET,
    "data asset": _ASSET,
    "component": _ASSET,
    "schedule": _ASSET,
    # Azure: what can be written in ${{inputs.NAME}}; its clients make names of Python of them.
    "input": _PORT,
    "output": _PORT,
    "step": NameRule(_PORT.pattern, 1, 64, _PORT.sentence.replace("255", "64")),
    # Azure: 255 as well; folders and the child's name are made of it with something before or behind.
    "job": NameRule(_ASSET.pattern, 1, 200, _ASSET.sentence.replace("255", "200")),
    # Azure: from 3 letters on; the examples of its own SDK say `ws`.
    "workspace": NameRule(
        re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]*"),
        1,
        33,
        "1 to 33 letters, digits, '-' and '_', starting with a letter or digit",
    ),
    "resource group": NameRule(
        re.compile(r"[a-zA-Z0-9_\-.()]*[a-zA-Z0-9_\-()]"),
        1,
        90,
        "1 to 90 letters, digits, '-', '_', '.', '(' and ')', not ending with '.'",
    ),
    "subscription": NameRule(re.compile(r"[a-zA-Z0-9\-]+"), 1, 64, "an id of 1 to 64 letters, digits and '-'"),
    # Azure: 30; its SDK itself names environments that nobody named by 64 digits of their hash.
    "version": NameRule(re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]*"), 1, 64, "1 to 64 letters, digits, '-', '_' and '.'"),
}

# Azure: the v1 run-time forbids these in output_file_name; a slash or a leading dot would leave the folder or hide.
_FORBIDDEN_IN_FILE_NAME = set('~"#%&*:<>?/\\{|}') | {chr(c) for c in range(32)}


def name_mistake(kind: str, name: object, *, field: str = "name") -> Mistake | None:
    """Say what is wrong with a name of this kind, or None. kind: a key of `RULES`."""
    rule = RULES[kind]
    is_good = (
        isinstance(name, str)
        and rule.shortest <= len(name) <= rule.longest
        and rule.pattern.fullmatch(name) is not None
    )
    return None if is_good else Mistake(field, repr(name), rule.sentence)


def file_name_mistake(name: str, *, field: str) -> Mistake | None:
    """Say what is wrong with an output file name, or None."""
    bad = sorted(set(name) & _FORBIDDEN_IN_FILE_NAME)
    if not bad and name and not name.startswith((".", "_")) and len(name.encode()) <= 200:
        return None
    return Mistake(
        field,
        repr(name),
        "a plain file name of at most 200 bytes, not starting with '.' or '_', without ~ \" # % & * : < > ? / \\ { | }",
    )
