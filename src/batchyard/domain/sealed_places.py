"""Places of uploads that never change again, because a registered version was made of what lies there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchyard.domain.datastores import BLOB_STORE
from batchyard.domain.resource_ids import DatastorePath, parse_datastore_uri

_UPLOADS = "LocalUpload"
# LocalUpload/<hash of the content>/<its name>: the same content may be there under another name too.
_UPLOAD_DEPTH = 3
CODE_CONTAINER = re.compile(r"code-[a-zA-Z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class SealedPlace:
    """One such place. path: "" for a whole container of code. sealed_by: the version, as `models/m/versions/1`."""

    datastore: str
    path: str
    sealed_by: str


def place_sealed_by(uri: str) -> DatastorePath | None:
    """Give the place that registering a version of this uri seals, or None.

    Uploads are named after their content, and a container of code belongs to one version. Other places are the
    user's own: a data asset may name a folder to which files come every day.
    """
    place = parse_datastore_uri(uri)
    if place is None:
        return None
    if CODE_CONTAINER.fullmatch(place.datastore):
        return DatastorePath(place.datastore, "")
    parts = _parts(place.path)
    is_upload = place.datastore == BLOB_STORE.name and parts[:1] == [_UPLOADS] and len(parts) >= _UPLOAD_DEPTH
    return DatastorePath(place.datastore, "/".join(parts)) if is_upload else None


def places_that_could_be_sealed(place: DatastorePath) -> list[DatastorePath]:
    """Give the places whose seal would cover this one: itself and those above it; [] for the user's own."""
    if CODE_CONTAINER.fullmatch(place.datastore):
        return [DatastorePath(place.datastore, "")]
    parts = _parts(place.path)
    if place.datastore != BLOB_STORE.name or parts[:1] != [_UPLOADS]:
        return []
    depths = range(_UPLOAD_DEPTH, len(parts) + 1)
    return [DatastorePath(place.datastore, "/".join(parts[:depth])) for depth in depths]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
