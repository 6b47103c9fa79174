"""What can be seen of a scoring script of sealed code without running it: present, parseable, `run` defined."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from batchyard.control import registry
from batchyard.control.script_sources import FIELD, source_mistakes
from batchyard.domain.assets import Sealed
from batchyard.domain.errors import InvalidInput, Mistake, near_names
from batchyard.ports.datastore import SealedStore

_LARGEST_SCRIPT_BYTES = 4 << 20
_MOST_NAMED = 5


def relative_path(script: str) -> str | None:
    """Give the script's path in normal form (`./a//b.py` is `a/b.py`), or None when it does not stay in the folder."""
    path = posixpath.normpath(script)
    outside = not script or path.startswith("/") or path == "." or path.split("/")[0] == ".."
    return None if outside else path


def script_mistakes(store: SealedStore, code: Sealed, script: str) -> list[Mistake]:
    """Name everything wrong with a script of a sealed code folder. script: as the user wrote it."""
    path = relative_path(script)
    if path is None:
        return [Mistake(FIELD, repr(script), "the path of a file, relative to the code folder")]
    try:
        text = store.read_text(code, path, limit_bytes=_LARGEST_SCRIPT_BYTES)
    except InvalidInput as exc:
        allowed = f"UTF-8 text of at most {_LARGEST_SCRIPT_BYTES} bytes"
        return registry.as_mistakes(exc, field=FIELD, found=repr(script), allowed=allowed)
    if text is None:
        return [_missing(script, path, store.names(code))]
    return source_mistakes(text, script)


def _missing(script: str, path: str, names: Sequence[str]) -> Mistake:
    scripts = [name for name in names if name.endswith(".py")]
    # A wrong folder is as common as a misspelt name, so the same file name elsewhere comes first.
    elsewhere = [name for name in scripts if posixpath.basename(name) == posixpath.basename(path)]
    others = [name for name in near_names(path, scripts) or scripts if name not in elsewhere]
    known = (elsewhere + others)[:_MOST_NAMED]
    allowed = (
        f"a file of the code folder, such as {', '.join(map(repr, known))}" if known else "a file of the code folder"
    )
    return Mistake(FIELD, repr(script), allowed, "" if known else "The folder has no .py file.")
