"""From a file, flags and `--set` to one document; from a stored document to a changed one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import CommandFailed, ServerError, UsageMistake
from batchyard.cli.local_files import read_yaml
from batchyard.domain.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Answer, Server
    from batchyard.wire.documents import Change, Document

_TRIES = 4


def flatten(many: Sequence[Sequence[str]] | None) -> list[str]:
    """Give the values of a flag that takes several and may be repeated, in order."""
    return [text for group in many or () for text in group]


def key_values(many: Sequence[Sequence[str]] | None, *, flag: str, separators: str = "=") -> dict[str, str]:
    """Read `a=b c=d`. separators: each of its signs may stand between key and value, the first one found counts.

    Raises: UsageMistake naming the flag for a value without a separator.
    """
    found: dict[str, str] = {}
    for text in flatten(many):
        at = min((i for sign in separators if (i := text.find(sign)) > 0), default=-1)
        if at < 0:
            raise UsageMistake(f"{flag}: {text!r} is not KEY{separators[0]}VALUE.")
        found[text[:at]] = text[at + 1 :]
    return found


def document_from(
    noun: str,
    file: str | None,
    flags: Mapping[str, object],
    sets: Sequence[Sequence[str]] | None,
    *,
    needs: str = "name",
) -> Document:
    """Build the document of a `create`: the file, then flags that were given, then `--set`.

    noun: what the file must be about, such as `batch-endpoint`, as far as its `$schema` tells.
    Raises: InvalidInput for the file of another noun; UsageMistake when there is no file and no flag gives `needs`. A
    file without it is read on, so that it is told together with the file's other mistakes.
    """
    from batchyard.wire.documents import apply_set, merge_patch
    from batchyard.wire.schema_nouns import check_noun

    document = read_yaml(file) if file else {}
    check_noun(document, noun, subject=file or "")
    document = merge_patch(document, {key: value for key, value in flags.items() if value not in (None, {})})
    document = apply_set(document, flatten(sets), marks_removals=True) if sets else document
    if not file and document.get(needs) in (None, ""):
        raise UsageMistake(f"Give --file, or --{needs.replace('_', '-')}.")
    document.pop("$schema", None)
    return document


def patch_from(
    noun: str,
    document: Document,
    file: str | None,
    flags: Mapping[str, object],
    changes: Sequence[Change] | None,
    *,
    force_string: bool = False,
    to_stored_form: Callable[[Document], Document] = lambda document: document,
) -> Document:
    """Change a stored document: the file merged in, then flags, then `--set`, `--add` and `--remove` as typed; null
    removes, and is marked where there was nothing (`wire.removals`).

    noun: what the file must be about. to_stored_form: gives the file's document in the form of the stored one.
    Raises: InvalidInput when the file is about another object.
    """
    from batchyard.wire.documents import apply_changes, merge_patch
    from batchyard.wire.schema_nouns import check_noun

    changed = document
    if file:
        given = read_yaml(file)
        check_noun(given, noun, subject=file)
        given = to_stored_form(given)
        given.pop("$schema", None)
        fixed = [key for key in ("name", "endpoint_name", "version") if key in document and key in given]
        wrong = [key for key in fixed if str(given[key]) != str(document[key])]
        if wrong:
            raise InvalidInput(
                file, [Mistake(k, repr(given[k]), repr(document[k]), "It cannot change.") for k in wrong]
            )
        changed = merge_patch(changed, given)
    changed = merge_patch(changed, {key: value for key, value in flags.items() if value not in (None, {})})
    return apply_changes(changed, changes or (), force_string=force_string, marks_removals=True)


def update(
    server: Server,
    path: str,
    *,
    to_document: Callable[[Mapping[str, Any]], Document],
    change: Callable[[Document], Document],
    to_body: Callable[[Document], Mapping[str, object]],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Read, change, check and write one resource; when somebody else wrote meanwhile, do it over on what they wrote.

    to_document: gives the document of an answer. to_body: checks a document, registers what is local, and gives what to
    write. Says on stderr which fields change, local parts as what they were registered as: files of the same content
    are no change. Nothing is written when nothing changes.
    Raises: CommandFailed when it was overtaken every time.
    """
    for _ in range(_TRIES):
        answer = server.get(path)
        before = to_document(answer.body)
        body = to_body(change(before))
        changes = differences(before, to_document({**answer.body, **body}))
        if not changes:
            server.say("Nothing to change.")
            return replace(answer, is_unchanged=True)
        etag = answer.headers.get("etag") or answer.body.get("etag")
        try:
            done = server.put(path, body, headers={**(headers or {}), **({"If-Match": etag} if etag else {})})
        except ServerError as error:
            if error.status == 412:
                continue
            raise
        for line in changes:
            server.say(line)
        return done
    raise CommandFailed(
        f"Somebody else changed it {_TRIES} times meanwhile. Look at it with `show` and run this again."
    )


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Give one line for each field that differs, `path: old → new`, sorted."""
    old, new = _flat(before), _flat(after)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key, _NOTHING) != new.get(key, _NOTHING))
    return [f"  {key}: {_shown(old.get(key, _NOTHING))} → {_shown(new.get(key, _NOTHING))}" for key in changed]


_NOTHING = object()


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if isinstance(value, Mapping) and value:
        return {
            k: v for key, inner in value.items() for k, v in _flat(inner, f"{prefix}.{key}" if prefix else key).items()
        }
    # A key that holds nothing says the same as no key.
    return {prefix: value} if value not in (None, {}, [], "") else {}


def _shown(value: object) -> str:
    return "(none)" if value is _NOTHING else json.dumps(value, ensure_ascii=False, default=str)
