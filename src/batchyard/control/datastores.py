"""The datastores of the workspace, and who may move bytes through them."""

from __future__ import annotations

from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.datastores import ARTIFACT_STORE, DATASTORES, DatastoreInfo
from batchyard.domain.errors import not_found


def get(caller: Caller, name: str) -> DatastoreInfo:
    """Give one. Raises: Forbidden; NotFound naming the known ones."""
    authorise(caller, Action.DATASTORE_READ)
    return _by_name(name)


def list_datastores(caller: Caller) -> tuple[DatastoreInfo, ...]:
    """Give all, the default one first. Raises: Forbidden."""
    authorise(caller, Action.DATASTORE_READ)
    return DATASTORES


def open_for_reading(caller: Caller, name: str) -> DatastoreInfo:
    """Give the datastore whose bytes the caller may read: logs in the artifact store, outputs of jobs elsewhere.

    Raises: Forbidden; NotFound naming the known ones.
    """
    authorise(caller, Action.DATASTORE_READ)
    authorise(caller, Action.JOB_READ_LOGS if name == ARTIFACT_STORE.name else Action.JOB_READ_OUTPUT)
    return _by_name(name)


def open_for_writing(caller: Caller, name: str) -> DatastoreInfo:
    """Give the datastore that the caller may upload to. Raises: Forbidden; NotFound naming the known ones."""
    authorise(caller, Action.DATASTORE_WRITE)
    return _by_name(name)


def _by_name(name: str) -> DatastoreInfo:
    known = {store.name: store for store in DATASTORES}
    if name not in known:
        raise not_found("datastore", name, sorted(known))
    return known[name]
