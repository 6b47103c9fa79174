"""Paths that deployments are pinned to: their jobs publish there, and those of other deployments do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batchyard.domain.errors import Mistake
from batchyard.domain.places import lies_in, overlap, plain
from batchyard.domain.resource_ids import DatastorePath

# Where jobs publish unless somebody says otherwise.
JOBS_FOLDER = "azureml"
_NO_OTHERS = "a place that no other deployment is pinned to"


@dataclass(frozen=True, slots=True)
class Pin:
    """A deployment, and the path that it is pinned to."""

    endpoint: str
    deployment: str
    place: DatastorePath

    def __str__(self) -> str:
        return f"deployment {self.deployment!r} of endpoint {self.endpoint!r}"


def pin_mistakes(place: DatastorePath | None, *, field: str) -> list[Mistake]:
    """Say why nothing can be pinned to a path."""
    if place is None:
        return []
    normal = plain(place.path)
    if not normal or "\0" in normal or ".." in normal.split("/"):
        return [Mistake(field, repr(str(place)), "a folder below the datastore's root")]
    if overlap(place, DatastorePath(place.datastore, JOBS_FOLDER)):
        remedy = "All jobs whose place nobody says publish there."
        return [Mistake(field, repr(str(place)), f"a folder outside of {JOBS_FOLDER!r}", remedy)]
    return []


def shared_pin(place: DatastorePath | None, others: Iterable[Pin], *, field: str) -> list[Mistake]:
    """Say whose path a deployment would be pinned to as well, or to a part of it."""
    found = [pin for pin in others if place is not None and overlap(pin.place, place)]
    return [Mistake(field, f"{str(place)!r}, where {pin} publishes to", _NO_OTHERS) for pin in found[:1]]


def write_mistakes(
    place: DatastorePath, *, own: DatastorePath | None, may_leave: bool, others: Iterable[Pin], field: str
) -> list[Mistake]:
    """Say why a job may not publish to a place, which lies in, or holds, the path of another deployment, or outside of
    its own deployment's path. own: that path, None for none. may_leave: it may publish outside of it, too.
    """
    pin = next((pin for pin in others if overlap(pin.place, place)), None)
    if pin is not None:
        return [Mistake(field, f"{str(place)!r}, where only {pin} publishes to", _NO_OTHERS)]
    if own is None or may_leave or lies_in(place, own):
        return []
    remedy = "The deployment is pinned there and is not the default of its endpoint."
    return [Mistake(field, repr(str(place)), f"a place in {str(own)!r}", remedy)]
