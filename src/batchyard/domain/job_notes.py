"""What people write on a job, whatever its status: its names and tags, and whether lists hide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from batchyard.domain.jobs import Job


@dataclass(frozen=True, slots=True)
class JobNotes:
    """All that can change of a job by hand. is_archived: left out of lists, and found by its name all the same."""

    display_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class JobEdit:
    """A change of a job's notes; None leaves a field as it is.

    tags, properties: merged into what is there, None takes one away; with `replaces_maps` they are all there is.
    """

    display_name: str | None = None
    description: str | None = None
    tags: Mapping[str, str | None] | None = None
    properties: Mapping[str, str | None] | None = None
    is_archived: bool | None = None
    replaces_maps: bool = False


def notes_of(job: Job) -> JobNotes:
    """Give what is written on a job."""
    return JobNotes(job.display_name, job.description, job.tags, job.properties, job.is_archived)


def edited(notes: JobNotes, edit: JobEdit) -> JobNotes:
    """Give the notes as they are after a change."""
    plain = {
        name: value
        for name in ("display_name", "description", "is_archived")
        if (value := getattr(edit, name)) is not None
    }
    return replace(
        notes,
        **plain,
        tags=_merged(notes.tags, edit.tags, replaces=edit.replaces_maps),
        properties=_merged(notes.properties, edit.properties, replaces=edit.replaces_maps),
    )


def changed_fields(before: JobNotes, after: JobNotes) -> list[str]:
    """Name the fields that differ, as `tags` or `display_name`."""
    return [f.name for f in fields(before) if getattr(before, f.name) != getattr(after, f.name)]


def _merged(before: Mapping[str, str], change: Mapping[str, str | None] | None, *, replaces: bool) -> Mapping[str, str]:
    if change is None:
        return before
    merged: dict[str, str | None] = {**({} if replaces else before), **change}
    return {name: value for name, value in merged.items() if value is not None}
