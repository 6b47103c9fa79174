"""The lines of a conda file's pip part: requirements by name pass, everything that reaches elsewhere is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchyard.domain.errors import Mistake
from batchyard.environments.conda import canonical
from batchyard.environments.masking import mask

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_ONE = r"(?:===\s*[^\s,;()]+|(?:==|!=)\s*[\w.!+-]+(?:\.\*)?|(?:~=|>=|<=|>|<)\s*[\w.!+-]+)"
_MANY = rf"{_ONE}(?:\s*,\s*{_ONE})*\s*,?"
_REQUIREMENT = re.compile(
    rf"(?P<name>{_NAME})\s*(?P<extras>\[[\w\s.,-]*\])?\s*(?P<versions>{_MANY}|\(\s*{_MANY}\s*\))?\s*(?P<marker>;\s*\S.*)?"
)
_ALLOWED = "a requirement by name, like numpy==1.26.4 or pandas[excel]>=2; python_version < '3.12'"
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2")


@dataclass(frozen=True, slots=True)
class PipLine:
    """One requirement. name: canonical. text: the line without its comment."""

    name: str
    text: str


def read_pip_line(line: str, *, field: str) -> PipLine | Mistake | None:
    """Read one line under `pip:`; None for a comment. A refused line is named in the mistake, credentials masked."""
    text = re.sub(r"(^|\s)#.*$", "", line).strip()
    if not text:
        return None
    refused = _refused(text)
    if refused is not None:
        kind, remedy = refused
        return Mistake(field, f"{mask(text)!r}, {kind}", _ALLOWED, remedy)
    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        return Mistake(field, f"{mask(text)!r}, which is not a requirement", _ALLOWED)
    return PipLine(canonical(match["name"]), text)


def _refused(text: str) -> tuple[str, str] | None:
    """Name what the line is where it reaches beyond the package index, with what to do instead."""
    requirement = text.partition(";")[0]
    if text.startswith("-"):
        return "an option line", _option_remedy(text)
    if re.match(r"(git|hg|svn|bzr)\+", requirement) or re.search(r"@\s*(git|hg|svn|bzr)\+", requirement):
        return "a version control address", "Publish the package to the index that this server uses, and name it."
    if "://" in requirement or re.search(r"\s@\s|@\s*file:", requirement):
        return "a URL", "Publish the package to the index that this server uses, and name it."
    if requirement.startswith((".", "/", "~")) or "/" in requirement or requirement.strip().endswith(_ARCHIVES):
        return "a local path", "Put modules of your own into the deployment's code folder."
    if re.search(r"\s--?\w", requirement):
        return "a requirement with an option", "Leave the option out; packages are locked with their hashes anyway."
    return None


def _option_remedy(text: str) -> str:
    if re.match(r"(-r|--requirement|-c|--constraint)", text):
        return "List the requirements themselves."
    if re.match(r"(-e|--editable)", text):
        return "Put modules of your own into the deployment's code folder."
    return "Package indexes are set where the server is started (UV_DEFAULT_INDEX, UV_INDEX, UV_FIND_LINKS)."
