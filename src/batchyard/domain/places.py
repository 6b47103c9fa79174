"""Places in datastores: when two are one, or one lies in the other."""

from __future__ import annotations

from batchyard.domain.resource_ids import DatastorePath


def overlap(one: DatastorePath, other: DatastorePath) -> bool:
    """Whether two places are one, or one lies in the other."""
    if one.datastore != other.datastore:
        return False
    first, second = (f"{plain(place.path)}/" for place in (one, other))
    return first.startswith(second) or second.startswith(first)


def lies_in(place: DatastorePath, folder: DatastorePath) -> bool:
    """Whether a place is a folder or lies in it."""
    return place.datastore == folder.datastore and f"{plain(place.path)}/".startswith(f"{plain(folder.path)}/")


def uppers(place: DatastorePath) -> tuple[DatastorePath, ...]:
    """Give a place and every folder that it lies in, the uppermost first."""
    parts = place.path.split("/")
    return tuple(DatastorePath(place.datastore, "/".join(parts[:n])) for n in range(1, len(parts) + 1))


def plain(path: str) -> str:
    """Give the one spelling of a path, however its slashes were written; "" for the root."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))
