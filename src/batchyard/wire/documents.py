"""YAML text and `--set` assignments as plain documents (dicts of JSON values), and patches of such documents.

No noun is known here: what a key means is told by the noun's file.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence

import yaml

from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.wire.removals import Removal

Document = dict[str, object]

_LARGEST_CHARS = 1 << 20
# Aliases share one node, so a few lines can mean billions of values; what is counted here is the expanded document.
_MOST_VALUES = 200_000
_PATH_PART = re.compile(r"[^.\[\]]+|\[\d+\]")
_DEEPEST_PATH = 100
_LONGEST_INDEX = 9
# What a document is made of; a tag such as `!!set` or `!!timestamp` would give values that no field knows.
_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map"))


def load_yaml(text: str, *, subject: str) -> Document:
    """Read one YAML document that is a mapping. subject: how messages call it, such as the file's name.

    Scalars are read narrowly: `on`, `1:30`, dates, `1.10`, `007` and `True` stay text, see `_Loader`. Anchors and
    merge keys work.
    Raises: InvalidInput telling line and column: broken YAML, a key given twice, no mapping, more than 1 MiB.
    """
    if len(text) > _LARGEST_CHARS:
        raise InvalidInput(subject, [Mistake("", f"{len(text)} characters", f"at most {_LARGEST_CHARS}")])
    try:
        loaded = _load(text)
    except yaml.YAMLError as exc:
        raise InvalidInput(subject, [_yaml_mistake(exc)]) from exc
    if not isinstance(loaded, dict):
        found = "nothing" if loaded is None else f"a {_kind_of(loaded)}"
        raise InvalidInput(subject, [Mistake("", found, "a mapping of keys to values, such as `name: my-endpoint`")])
    return loaded


# A generic change as typed: `--set`, `--add` or `--remove`, and the words behind it.
Change = tuple[str, Sequence[str]]


def apply_changes(
    document: Mapping[str, object],
    changes: Sequence[Change],
    *,
    force_string: bool = False,
    marks_removals: bool = False,
) -> Document:
    """Give a copy of the document with generic changes made, in the order in which they were typed.

    --set: as in `apply_set`. --add PATH VALUE…: appends to a list, or puts NAME=VALUE pairs into a mapping; one of
    them is made where there is nothing. --remove PATH [INDEX]: takes a key, or an entry of a list, away.
    force_string: values are text, whatever they look like.
    Raises: InvalidInput with the mistakes of all changes.
    """
    changed = copy.deepcopy(dict(document))
    absent = Removal.NOT_THERE if marks_removals else None
    read = str if force_string else _value_of
    mistakes: list[Mistake | None] = []
    for flag, words in changes:
        if flag == "--set":
            mistakes += [_assign(changed, word, absent, read) for word in words]
        else:
            mistakes.append(_add(changed, words, read) if flag == "--add" else _remove(changed, words))
    found = [mistake for mistake in mistakes if mistake is not None]
    if found:
        raise InvalidInput(", ".join(dict.fromkeys(flag for flag, _ in changes)), found)
    return changed


def apply_set(document: Mapping[str, object], assignments: Sequence[str], *, marks_removals: bool = False) -> Document:
    """Give a copy of the document with `a.b=c` assignments made, left to right.

    A value is read as a YAML scalar or a JSON container, else taken as text; `null` removes. Lists by index: `a.0=x`
    or `a[0]=x`, the index after the last appends. Missing mappings on the way are made.
    marks_removals: leave `Removal.NOT_THERE` where `null` finds nothing, for a reader that knows which keys there are.
    Raises: InvalidInput with the mistakes of all assignments.
    """
    return apply_changes(document, [("--set", assignments)], marks_removals=marks_removals)


def merge_patch(old: Mapping[str, object], patch: Mapping[str, object]) -> Document:
    """Merge a patch into a copy of a document: null removes, mappings merge, all else replaces (RFC 7386)."""
    merged = copy.deepcopy(dict(old))
    for key, value in patch.items():
        before = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merge_patch(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader that takes a scalar for a number or truth only where nothing of its text is lost.

    `1.10`, `007`, `1e3` and `True` stay text, so that a version or a variable arrives as written; numeric fields
    read numbers given as text. `on`, `1:30` and dates are text in YAML 1.2 anyway.
    """


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"0|-?[1-9][0-9]*", list("-0123456789")),
    ("float", r"(?=.{3,16}\Z)-?(?:0|[1-9][0-9]*)\.(?:0|[0-9]*[1-9])", list("-0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), _first)


def _load(text: str) -> object:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {}, ())
        return loader.construct_document(node)
    except (ValueError, KeyError, RecursionError) as exc:
        # KeyError: `!!bool x`.
        raise yaml.YAMLError(f"a value that cannot be read ({exc})") from exc
    finally:
        loader.dispose()


def _check(node: yaml.Node, counted: dict[int, int], path: tuple[int, ...]) -> int:
    """Count the values a node expands to, visiting each node once; refuse keys given twice and endless aliases."""
    if id(node) in path:
        raise _refused("an alias that contains itself", node)
    if node.tag not in _TAGS:
        raise _refused(f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')!r}", node)
    if id(node) not in counted:
        below = (*path, id(node))
        counted[id(node)] = 1 + sum(_check(child, counted, below) for child in _children(node))
        if counted[id(node)] > _MOST_VALUES:
            raise _refused(f"more than {_MOST_VALUES} values", node)
    return counted[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        return [value for _key, value in node.value]
    return []


def _check_keys(node: yaml.MappingNode) -> None:
    """See that all keys are scalars and different, and make them text."""
    seen: set[str] = set()
    for key, _value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _refused("a key that is itself a list or mapping", key)
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in seen:
            raise _refused(f"the key {key.value!r} a second time", key)
        seen.add(key.value)
        key.tag = "tag:yaml.org,2002:str"


def _refused(what: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)


def _yaml_mistake(exc: yaml.YAMLError) -> Mistake:
    if isinstance(exc, yaml.MarkedYAMLError):
        mark = exc.problem_mark or exc.context_mark
        problem = (exc.problem or exc.context or "something unreadable").removeprefix("found ")
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return Mistake("", problem + place, "valid YAML with each key once", "Correct that line and repeat.")
    return Mistake("", str(exc).replace("\n", " "), "valid YAML", "Save the file as UTF-8 text and repeat.")


def _kind_of(value: object) -> str:
    return "list" if isinstance(value, list) else f"single value ({str(value)[:60]!r})"


def _keys_of(path: str) -> list[str]:
    """Give the keys of `a.b[0]`, none for what is no path."""
    parts = _PATH_PART.findall(path.strip())
    is_path = 0 < len(parts) <= _DEEPEST_PATH and _joined(parts) == path.strip().replace("[", ".[")
    return [part.strip("[]") for part in parts] if is_path else []


def _assign(
    document: Document, assignment: str, absent: Removal | None, read: Callable[[str], object]
) -> Mistake | None:
    path, equals, text = assignment.partition("=")
    keys = _keys_of(path)
    if not equals or not keys:
        return Mistake("--set", repr(assignment[:80]), "KEY=VALUE, such as settings.mini_batch_size=5")
    value = read(text)
    at: object = document
    for i, key in enumerate(keys[:-1]):
        parent, (at, mistake) = at, _step(at, key, keys[: i + 1], removing=value is None)
        if mistake is not None:
            return mistake
        if at is None:
            return _put(parent, keys[: i + 1], None, absent)
    return _put(at, keys, value, absent)


def _joined(parts: Sequence[str]) -> str:
    return ".".join(parts)


def _step(
    at: object, key: str, path: Sequence[str], *, removing: bool
) -> tuple[dict[str, object] | list[object] | None, Mistake | None]:
    """Go one key down, making a mapping where there is none; (None, None) when there is nothing to remove from."""
    found: object
    if isinstance(at, list):
        if not _is_index(key) or int(key) >= len(at):
            return None, _no_index(path, at)
        found = at[int(key)]
    elif isinstance(at, dict):
        if at.get(key) is None:
            if removing:
                return None, None
            at[key] = {}
        found = at[key]
    else:
        found = at
    if isinstance(found, dict | list):
        return found, None
    return None, Mistake(".".join(path), repr(found)[:80], "a mapping or a list, since a key below it is set")


def _put(at: object, keys: Sequence[str], value: object, absent: Removal | None) -> Mistake | None:
    key = keys[-1]
    if isinstance(at, dict):
        if value is None and at.pop(key, absent) is Removal.NOT_THERE:
            at[key] = Removal.NOT_THERE
        elif value is not None:
            at[key] = value
        return None
    if not isinstance(at, list) or not _is_index(key) or int(key) > len(at):
        return _no_index(keys, at)
    if value is None:
        del at[int(key) : int(key) + 1]
    else:
        at[int(key) : int(key) + 1] = [value]
    return None


def _add(document: Document, words: Sequence[str], read: Callable[[str], object]) -> Mistake | None:
    keys, values = _keys_of(words[0]), words[1:]
    if not keys or not values:
        return Mistake("--add", repr(" ".join(words)[:80]), "PATH VALUE…, such as tags team=vision")
    parent: object = document
    for i, key in enumerate(keys[:-1]):
        parent, mistake = _step(parent, key, keys[: i + 1], removing=False)
        if mistake is not None:
            return mistake
    is_pairs = all(value.partition("=")[1] and not value.startswith("=") for value in values)
    target = _child(parent, keys[-1])
    if target is None and isinstance(parent, dict):
        target = parent[keys[-1]] = {} if is_pairs else []
    if isinstance(target, list):
        target += [read(value) for value in values]
    elif isinstance(target, dict) and is_pairs:
        target |= {name: read(text) for name, _, text in (value.partition("=") for value in values)}
    else:
        found = "a value without a name" if isinstance(target, dict) else repr(target)[:80]
        return Mistake(".".join(keys), found, "a list to add to, or NAME=VALUE for a mapping")
    return None


def _remove(document: Document, words: Sequence[str]) -> Mistake | None:
    keys = [*_keys_of(words[0]), *words[1:]]
    if not _keys_of(words[0]) or len(words) > 2 or (len(words) == 2 and not _is_index(words[1])):
        return Mistake("--remove", repr(" ".join(words)[:80]), "PATH, or PATH and the INDEX of an entry of a list")
    parent: object = document
    for key in keys[:-1]:
        parent = _child(parent, key)
    if _child(parent, keys[-1]) is None:
        return Mistake(".".join(keys), "nothing", "something that is there to be removed")
    if isinstance(parent, list):
        del parent[int(keys[-1])]
    elif isinstance(parent, dict):
        del parent[keys[-1]]
    return None


def _child(at: object, key: str) -> object:
    """Give what stands under a key or an index, None for nothing."""
    if isinstance(at, dict):
        return at.get(key)
    if isinstance(at, list) and _is_index(key) and int(key) < len(at):
        return at[int(key)]
    return None


def _is_index(key: str) -> bool:
    return key.isdecimal() and len(key) <= _LONGEST_INDEX


def _no_index(path: Sequence[str], at: object) -> Mistake:
    length = len(at) if isinstance(at, list) else 0
    allowed = f"an index from 0 to {length}" if length else "0, the list is empty"
    return Mistake(".".join(path), repr(path[-1])[:80], allowed)


def _value_of(text: str) -> object:
    """Read a value as JSON or YAML where it is a plain scalar, quoted, or a container; else it is the text itself."""
    stripped = text.strip()
    if not stripped:
        return text
    if stripped[0] in "[{\"'":
        return _container_of(stripped, text)
    if any(sign in stripped for sign in ": #&*!|>%@`"):
        return text
    try:
        value = _load(stripped)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, str) else value


def _container_of(stripped: str, text: str) -> object:
    """Read JSON first: YAML takes the two halves of a \\u pair for two characters."""
    try:
        value: object = json.loads(stripped)
    except (ValueError, RecursionError):
        try:
            value = _load(stripped)
        except yaml.YAMLError:
            return text
    return value
