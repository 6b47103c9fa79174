"""Changes of what is written on a job: the body of a PATCH of its run, and of a PUT of the job itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from batchyard.domain.errors import Mistake
from batchyard.domain.job_notes import JobEdit
from batchyard.domain.jobs import Job
from batchyard.domain.resource_ids import Scope
from batchyard.wire.jobs import job_to_arm, shown_tags
from batchyard.wire.mistakes import refusal, shown
from batchyard.wire.removals import Removal
from batchyard.wire.shapes import ArmShape, Text, Truth, YamlShape, raise_mistakes, read_shape
from batchyard.wire.trees import at, mapping_at

_ALLOWED = "what it is; only display name, description, tags, properties and archiving can change"
_CHANGEABLE = ("displayName", "description", "tags", "properties", "hidden", "runId")


def _texts_or_nothing(value: object) -> dict[str, str | None]:
    if not isinstance(value, Mapping):
        raise refusal("a mapping of names to text")
    given = {str(key): None if item is Removal.NOT_THERE else item for key, item in value.items()}
    wrong = sorted(key for key, item in given.items() if not (item is None or isinstance(item, str | int | float)))
    if wrong:
        raise refusal("text for each name", f"Make {', '.join(map(repr, wrong))} plain text.")
    return {key: None if item is None else _plain(item) for key, item in given.items()}


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# Names to texts; null takes a name away.
_Changes = Annotated[dict[str, str | None], BeforeValidator(_texts_or_nothing)]


class RunBody(ArmShape):
    """The body of a PATCH of a job's run."""

    display_name: Text | None = None
    description: Text | None = None
    tags: _Changes | None = None
    properties: _Changes | None = None
    hidden: Truth | None = None


class _Job(ArmShape):
    display_name: Text | None = None
    description: Text | None = None
    tags: _Changes | None = None
    properties: _Changes | None = None
    is_archived: Truth | None = None


class JobBody(ArmShape):
    """The body of a PUT of a job."""

    properties: _Job | None = None


class _Yaml(YamlShape):
    display_name: Text | None = None
    description: Text | None = None
    tags: _Changes | None = None
    properties: _Changes | None = None


def edit_from_run(job: Job, body: Mapping[str, object]) -> JobEdit:
    """Read the body of a PATCH of a job's run: tags and properties are merged, null takes one away.

    # Azure: the SDK sends back all tags that it was shown, those of ours among them.
    Raises: InvalidInput with all mistakes, anything that cannot change among them.
    """
    shape, mistakes = read_shape(RunBody, body)
    fixed = sorted(str(key) for key, value in body.items() if value is not None and not _is_changeable(str(key)))
    mistakes += [Mistake(key, shown(body[key]), _ALLOWED) for key in fixed]
    if str(body.get("runId") or job.name) != job.name:
        mistakes.append(Mistake("runId", shown(body["runId"]), repr(job.name)))
    tags = _own_tags(job, shape.tags, "tags", mistakes)
    raise_mistakes(f"Job {job.name!r}", mistakes)
    return JobEdit(shape.display_name, shape.description, tags, shape.properties, shape.hidden)


def edit_from_job(scope: Scope, job: Job, body: Mapping[str, object]) -> JobEdit:
    """Read the body of a PUT of a job that exists: tags and properties are replaced where they are given.

    Raises: InvalidInput with all mistakes, every field of the job that differs and cannot change among them.
    """
    properties = mapping_at(body, "properties")
    shape, mistakes = read_shape(_Job, properties, prefix="properties.")
    current = mapping_at(job_to_arm(scope, job), "properties")
    mistakes += [
        Mistake(f"properties.{'.'.join(path)}", shown(at(properties, *path)), f"{at(current, *path)!r}, or nothing")
        for path in (
            ("jobType",),
            ("experimentName",),
            ("componentId",),
            ("computeId",),
            *(
                (kind, name, key)
                for kind, keys in (("inputs", ("uri", "value")), ("outputs", ("uri",)))
                for name in mapping_at(current, kind)
                for key in keys
            ),
        )
        if not _is_same(at(properties, *path), at(current, *path))
    ]
    tags = _own_tags(job, shape.tags, "properties.tags", mistakes)
    raise_mistakes(f"Job {job.name!r}", mistakes)
    return JobEdit(shape.display_name, shape.description, tags, shape.properties, shape.is_archived, replaces_maps=True)


def notes_to_document(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what can change of a job as the document that `job update` changes."""
    properties = mapping_at(arm, "properties")
    return {
        "display_name": properties.get("displayName") or "",
        "description": properties.get("description") or "",
        "tags": mapping_at(properties, "tags"),
        "properties": mapping_at(properties, "properties"),
    }


def run_patch(job: str, before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Give the body of the PATCH that makes of one document the other, naming only what differs.

    Raises: InvalidInput with all mistakes, keys that are unknown or cannot change among them.
    """
    shape, mistakes = read_shape(_Yaml, after)
    raise_mistakes(f"Job {job!r}", mistakes)
    new = {
        "display_name": shape.display_name or "",
        "description": shape.description or "",
        "tags": shape.tags or {},
        "properties": shape.properties or {},
    }
    spelled = {"display_name": "displayName"}
    patch: dict[str, object] = {}
    for key, value in new.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            changes = {name: value.get(name) for name in {**old, **value} if old.get(name) != value.get(name)}
            patch |= {key: changes} if changes else {}
        elif value != old:
            patch[spelled.get(key, key)] = value
    return patch


def _own_tags(
    job: Job, given: Mapping[str, str | None] | None, field: str, mistakes: list[Mistake]
) -> Mapping[str, str | None] | None:
    """Give the tags without those that this server shows of its own accord, which cannot be given another value."""
    if given is None:
        return None
    reserved = {name: value for name, value in shown_tags(job).items() if name not in job.tags}
    mistakes += [
        Mistake(f"{field}.{name}", shown(given[name]), repr(reserved[name]), "It cannot change.")
        for name in sorted(reserved)
        if given.get(name, reserved[name]) != reserved[name]
    ]
    return {name: value for name, value in given.items() if name not in reserved}


def _is_changeable(key: str) -> bool:
    return key.lower() in {known.lower() for known in _CHANGEABLE}


def _is_same(given: object, current: object) -> bool:
    # A job shows its values as text, whatever they were sent as.
    if isinstance(given, int | float) and isinstance(current, str):
        given = _plain(given)
    if isinstance(given, str) and isinstance(current, str):
        return given.lower().rstrip("/") == current.lower().rstrip("/")
    return given is None or given == current
