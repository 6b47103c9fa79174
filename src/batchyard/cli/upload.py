"""The only uploader: files of this machine into datastores, through the blob gateway, each content once.

A tree is named after the hash of its contents, so that the same bytes are never sent twice; the first file carries
the mark that says whether the whole tree has arrived.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers
from urllib.parse import quote

from batchyard.cli.failures import CommandFailed, ServerError
from batchyard.cli.local_files import LocalFile, LocalTree

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

STORE = "workspaceblobstore"
# Azure: fingerprint of code snapshots, version 202208; the SDK looks code up by it, and so do we.
_HASH_VERSION = "202208"
_BLOCK = 1 << 20
_THREADS = 8
_DONE = "completed"


def content_hash(tree: LocalTree) -> str:
    """Give the sha256 of a tree: count, names, sizes, contents; the same that Azure's SDK gives."""
    found = hashlib.sha256(str(len(tree.files)).encode())
    ordered = sorted(tree.files, key=lambda file: file.relative.lower())
    for file in ordered:
        found.update(f"#{file.relative}#{file.size_bytes}".encode())
    for file in ordered:
        for piece in _pieces(file.path):
            found.update(piece)
    return found.hexdigest()


def upload_tree(server: Server, tree: LocalTree) -> str:
    """Put a tree into the default datastore unless it is there, and give its `azureml://` URI."""
    place = f"LocalUpload/{content_hash(tree)}"
    root = place if tree.is_file else f"{place}/{tree.name}"
    if tree.files:
        _Sender(server, container_url(server, STORE) + "/" + quote(root)).send_once(tree)
    return f"azureml://datastores/{STORE}/paths/{place}/{tree.name}"


def upload_code(server: Server, tree: LocalTree) -> str:
    """Register a code folder unless the same contents are registered already, and give its ARM id."""
    fingerprint, name = content_hash(tree), str(uuid.uuid4())
    versions = server.path("codes", name, "versions")
    known = server.find(versions, hash=fingerprint, hashVersion=_HASH_VERSION)
    if known is not None and known.body.get("value"):
        return str(known.body["value"][0]["id"])
    body = {"pendingUploadType": "TemporaryBlobReference"}
    pending = server.request("POST", f"{versions}/1/startPendingUpload", body=body, is_repeatable=True).body
    place = pending["blobReferenceForConsumption"]
    signed, _, signature = str(place["credential"]["sasUri"]).partition("?")
    _Sender(server, f"{signed}/{quote(tree.name)}", signature=signature).send(tree)
    return _register_code(server, f"{versions}/1", f"{place['blobUri']}/{tree.name}", fingerprint)


def container_url(server: Server, datastore: str) -> str:
    """Give the URL of a datastore's container at the blob gateway."""
    found = server.get(server.path("datastores", datastore)).body["properties"]
    return f"https://{found['accountName']}.blob.core.windows.net/{found['containerName']}"


def _register_code(server: Server, path: str, uri: str, fingerprint: str) -> str:
    from batchyard.domain.assets import CodeDraft
    from batchyard.wire.codes import code_to_arm_body

    properties = {"hash_sha256": fingerprint, "hash_version": _HASH_VERSION}
    draft = CodeDraft(path.split("/")[-3], "1", uri, properties=properties)
    return str(server.put(path, code_to_arm_body(draft)).body["id"])


@dataclass
class _Sender:
    """Sends the files of one tree below one URL. signature: query that permits it; the token does when empty."""

    server: Server
    root: str
    signature: str = ""

    def send_once(self, tree: LocalTree) -> None:
        """Send unless the mark says that all of it is there; set the mark last."""
        first = self._url(tree.files[0].relative)
        if self._mark(first) == _DONE:
            return
        self.send(tree)
        headers = {"x-ms-meta-upload_status": _DONE, "x-ms-meta-name": quote(tree.name)}
        self._request("PUT", first, query="comp=metadata", headers=headers)

    def send(self, tree: LocalTree) -> None:
        """Send every file, several at a time; the first failure ends it."""
        shown = _Shown(tree)
        with ThreadPoolExecutor(_THREADS) as pool:
            try:
                for _ in pool.map(lambda file: self._send_file(file, shown), tree.files):
                    pass
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                shown.end()

    def _send_file(self, file: LocalFile, shown: _Shown) -> None:
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "If-None-Match": "*",
            "Content-Length": str(file.size_bytes),
            "Content-Type": "application/octet-stream",
        }
        try:
            self._request("PUT", self._url(file.relative), headers=headers, file=file, shown=shown)
        except ServerError as error:
            # The place is named after the contents: what is there already, whole, are these bytes.
            if error.status not in (409, 412) or not self._is_there(file):
                raise

    def _is_there(self, file: LocalFile) -> bool:
        try:
            answer = self._request("HEAD", self._url(file.relative))
        except ServerError:
            return False
        return bool(answer.headers.get("content-length") == str(file.size_bytes))

    def _mark(self, url: str) -> str:
        try:
            return str(self._request("HEAD", url).headers.get("x-ms-meta-upload_status", ""))
        except ServerError as error:
            if error.status == 404:
                return ""
            raise

    def _url(self, relative: str) -> str:
        return f"{self.root}/{quote(relative)}"

    def _request(
        self,
        method: str,
        url: str,
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
        file: LocalFile | None = None,
        shown: _Shown | None = None,
    ) -> Any:
        whole = "&".join(part for part in (query, self.signature) if part)
        return self.server.request(
            method,
            f"{url}?{whole}" if whole else url,
            headers={"x-ms-version": "2024-05-04", **(headers or {})},
            content=(lambda: _checked(file, shown)) if file is not None else None,
            is_signed=bool(self.signature),
        )


class _Shown:
    """The progress line of one upload, on a terminal only."""

    def __init__(self, tree: LocalTree) -> None:
        self._name = tree.name
        self._total = sum(file.size_bytes for file in tree.files)
        self._sent = 0
        self._lock = threading.Lock()
        self._is_on = sys.stderr.isatty() and self._total > 1 << 20

    def add(self, size: int) -> None:
        """Count bytes that were sent."""
        with self._lock:
            self._sent += size
            if self._is_on:
                line = f"Uploading {self._name}: {self._sent >> 20} of {self._total >> 20} MiB"
                print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self._is_on:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _checked(file: LocalFile, shown: _Shown | None) -> Iterator[bytes]:
    """Give a file's bytes; a file that changed its size since it was listed ends the upload."""
    sent = 0
    for piece in _pieces(file.path):
        sent += len(piece)
        if sent > file.size_bytes:
            break
        yield piece
        if shown is not None:
            shown.add(len(piece))
    if sent != file.size_bytes:
        raise CommandFailed(f"The file {str(file.path)!r} changed while it was uploaded. Run the command again.")


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as source:
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while piece := source.read(_BLOCK):
            yield piece
