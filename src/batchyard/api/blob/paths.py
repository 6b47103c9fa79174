"""Paths of the gateway: `/blob/{account}/{container}/{blob}`, read from the raw bytes of the request.

A blob's name may hold any character, also those that a framework would decode, split or tidy away.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

from batchyard.domain.datastores import DATASTORES
from batchyard.domain.errors import CallerError
from batchyard.domain.resource_ids import DatastorePath
from batchyard.domain.workspaces import workspace_of_account

_ACCOUNT_SUFFIX = ".blob.core.windows.net"
_LONGEST_NAME = 1024
_LONGEST_PART_BYTES = 255


@dataclass(frozen=True, slots=True)
class BlobPath:
    """Where a request points.

    account: its name without the suffix (`domain.workspaces`). name: of the blob, '/'-separated, "" for the container.
    """

    account: str
    container: str
    name: str


def parse_blob_path(raw_path: bytes) -> BlobPath:
    """Read the raw path of a request. Raises: CallerError when it is not one of the gateway."""
    parts = raw_path.split(b"?", 1)[0].split(b"/", 4)
    decoded = [_decode(part) for part in parts]
    if len(parts) < 4 or decoded[:2] != ["", "blob"] or not decoded[2].endswith(_ACCOUNT_SUFFIX) or not decoded[3]:
        raise CallerError(f"The path is not /blob/ACCOUNT{_ACCOUNT_SUFFIX}/CONTAINER/BLOB.")
    return BlobPath(decoded[2].removesuffix(_ACCOUNT_SUFFIX), decoded[3], decoded[4] if len(decoded) == 5 else "")


def blob_file_name(path: BlobPath) -> str:
    """Give the name of a blob that may be a file's path.

    Raises: CallerError for an empty name or part, a part of dots, a NUL, and what no file system takes.
    """
    parts = path.name.split("/")
    is_long = len(path.name) > _LONGEST_NAME or any(len(_encode(part)) > _LONGEST_PART_BYTES for part in parts)
    if is_long or "\0" in path.name or any(part in ("", ".", "..") for part in parts):
        raise CallerError(
            f"The blob name {path.name!r} cannot be a file: expected parts of 1 to {_LONGEST_PART_BYTES} bytes between "
            f"'/', none of them '.' or '..', {_LONGEST_NAME} characters in all."
        )
    return path.name


def blob_url_path(account: str, container: str, name: str = "") -> str:
    """Give the quoted path of a blob, or of a container, below `https://host:port`."""
    path = f"/blob/{account}{_ACCOUNT_SUFFIX}/{container}"
    return f"{path}/{quote(_encode(name))}" if name else path


def signed_path(raw_path: bytes) -> str:
    """Give what a signature covers: workspace, container and blob; what else the account says is only a label."""
    path = parse_blob_path(raw_path)
    workspace = workspace_of_account(path.account)
    return f"{f'/@{workspace}' if workspace else ''}/{path.container}/{path.name}"


def datastore_uri(uri: str) -> str:
    """Turn a URL of this gateway into the `azureml://` form, whatever its host; other text comes back unchanged."""
    path = _path_of_url(uri)
    if path is None:
        return uri
    store = next((info.name for info in DATASTORES if info.container == path.container), path.container)
    return str(DatastorePath(store, path.name))


def account_of_url(uri: str) -> str | None:
    """Give the account of a URL of this gateway, whatever its host; None for other text."""
    path = _path_of_url(uri)
    return None if path is None else path.account


def _path_of_url(uri: str) -> BlobPath | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        # Brackets that hold no IPv6 address: it is told as a mistake where places are read.
        return None
    if parts.scheme not in ("http", "https") or not parts.path.startswith("/blob/"):
        return None
    try:
        return parse_blob_path(parts.path.encode())
    except CallerError:
        return None


def _decode(part: bytes) -> str:
    # File names are bytes; those that are not UTF-8 go through as they are.
    return unquote_to_bytes(part).decode(errors="surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
