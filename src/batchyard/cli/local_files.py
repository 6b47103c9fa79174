"""What the user's own files say before anything leaves this machine: YAML, folders to upload, scoring scripts."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.cli.failures import CommandFailed
from batchyard.cli.ignore_files import Rule, is_ignored, read_rules
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import parse_arm_id, parse_datastore_uri

if TYPE_CHECKING:
    from batchyard.wire.documents import Document

_REMOTE = ("azureml:", "https:", "http:", "file:", "runs:", "wasbs:", "abfss:")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload. relative: '/'-separated path below the tree's root; path: where its bytes are."""

    relative: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LocalTree:
    """A file or folder to upload, sorted by relative path. name: what stands above its files at the server.

    is_file: a single file, whose name is also its only entry's.
    """

    name: str
    files: tuple[LocalFile, ...]
    is_file: bool = False


def read_yaml(path: str) -> Document:
    """Read a YAML file that is a mapping. Raises: CommandFailed when unreadable; InvalidInput naming the line."""
    from batchyard.wire.documents import load_yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CommandFailed(f"The file {path!r} does not exist. Give the path of a YAML file.") from None
    except IsADirectoryError:
        raise CommandFailed(f"{path!r} is a folder. Give the path of a YAML file in it.") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandFailed(f"The file {path!r} cannot be read as text: {exc}.") from exc
    return load_yaml(text, subject=path)


def is_local(text: str) -> bool:
    """Whether a path in a document means this machine, not a datastore, a registry or the web.

    An ARM id looks like a path from the root of this machine, and is none.
    """
    return not text.lower().startswith(_REMOTE) and parse_arm_id(text) is None and parse_datastore_uri(text) is None


def resolve(text: str, folder: Path) -> Path:
    """Give the absolute path of a local path as written beside a document in `folder`."""
    return Path(os.path.normpath(folder / Path(text).expanduser()))


def tree_of(path: Path, *, field: str) -> tuple[LocalTree | None, list[Mistake]]:
    """List what would be uploaded of a file or folder, and every mistake in it. field: how mistakes call it.

    A link is followed only where it stays inside the folder: what lies outside was not meant to leave the machine.
    """
    if path.is_file():
        return LocalTree(path.name, (LocalFile(path.name, path, path.stat().st_size),), is_file=True), []
    if not path.is_dir():
        found = f"the local path {str(path)!r}, which does not exist"
        return None, [Mistake(field, found, "an existing file or folder", "Paths are relative to the YAML file.")]
    mistakes: list[Mistake] = []
    files = sorted(_walk(path, path, read_rules(path), mistakes, field), key=lambda file: file.relative)
    if not files and not mistakes:
        mistakes.append(Mistake(field, f"the empty folder {str(path)!r}", "a folder with at least one file"))
    return LocalTree(path.resolve().name, tuple(files)), mistakes


def script_mistakes(folder: Path, script: str, *, field: str) -> list[Mistake]:
    """Name what is wrong with a scoring script: missing, outside the folder, unparseable, or without `run`."""
    path = folder / script
    if not path.resolve().is_relative_to(folder.resolve()):
        return [Mistake(field, repr(script), "a path inside the code folder")]
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in folder.glob("*.py"))[:5]) or "none"
        return [Mistake(field, f"{script!r}, which is not in {str(folder)!r}", f"one of its scripts ({known})")]
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as exc:
        line = getattr(exc, "lineno", None)
        place = f", line {line}" if line else ""
        return [Mistake(field, f"{script!r}{place}: {getattr(exc, 'msg', exc)}", "a script that Python can parse")]
    if "run" not in _defined(tree.body):
        return [Mistake(field, f"{script!r} without `run`", "a script that defines run(mini_batch)")]
    return []


def first_file(folder: Path) -> Path | None:
    """Give any one file at or below a folder, None when there is none; stops at the first."""
    return next((Path(at) / name for at, _, names in os.walk(folder, followlinks=True) for name in names), None)


def _walk(root: Path, folder: Path, rules: list[Rule], mistakes: list[Mistake], field: str) -> Iterator[LocalFile]:
    for entry in os.scandir(folder):
        path = Path(entry.path)
        relative = path.relative_to(root).as_posix()
        is_folder = entry.is_dir()
        if is_ignored(relative, is_folder=is_folder, rules=rules):
            continue
        if entry.is_symlink() and (wrong := _link_mistake(root, path, field)) is not None:
            mistakes.append(wrong)
        elif is_folder:
            yield from _walk(root, path, rules, mistakes, field)
        elif entry.is_file():
            yield LocalFile(relative, path, entry.stat().st_size)


def _link_mistake(root: Path, link: Path, field: str) -> Mistake | None:
    name = f"the link {str(link)!r}"
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return Mistake(
            field, f"{name} that leads nowhere", "links to existing files", "Remove it or list it in .amlignore."
        )
    if not target.is_relative_to(root.resolve()):
        return Mistake(
            field, f"{name} that leads outside the folder", "links inside it", "Copy the file in, or ignore it."
        )
    # A link to a folder that holds the link would be walked for ever.
    is_loop = target.is_dir() and link.parent.resolve().is_relative_to(target)
    return Mistake(field, f"{name} that leads to a folder above itself", "no such loop") if is_loop else None


def _defined(body: list[ast.stmt]) -> set[str]:
    """Give the names that a module's top level may bind, also inside if and try."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            # What a star brings in cannot be seen; the script's import at deployment tells.
            names |= {"run"} if any(alias.name == "*" for alias in node.names) else set()
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                names |= _defined(getattr(node, part, []))
        names |= (
            {n for h in getattr(node, "handlers", []) for n in _defined(h.body)} if isinstance(node, ast.Try) else set()
        )
    return names
