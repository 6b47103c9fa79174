"""Reading from datastores: whole folders, checked, and seen all at once.

Everything of ours that reads a job's output refuses one without its manifest: the manifest is the commit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any  # JSON of jobs and manifests
from urllib.parse import quote, unquote

from batchyard.cli.failures import CommandFailed, ServerError, Unreachable
from batchyard.cli.upload import container_url

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from batchyard.cli.rest import Server
    from batchyard.domain.resource_ids import DatastorePath

MANIFEST = "_manifest.json"
_THREADS = 8
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Blob:
    """One file in a datastore. path: below its container."""

    path: str
    size_bytes: int


def list_blobs(container: str, server: Server, prefix: str) -> Iterator[Blob]:
    """Give every blob whose path starts with prefix, over all pages."""
    from xml.etree import ElementTree

    marker = ""
    while True:
        query = f"restype=container&comp=list&prefix={quote(prefix, safe='')}"
        url = f"{container}?{query}" + (f"&marker={quote(marker, safe='')}" if marker else "")
        page = ElementTree.fromstring(server.request("GET", url).body or "<none/>")
        for entry in page.iter("Blob"):
            size = entry.findtext("Properties/Content-Length") or "0"
            yield Blob(_name_of(entry), int(size))
        marker = page.findtext("NextMarker") or ""
        if not marker:
            return


def _name_of(entry: Element) -> str:
    name = entry.find("Name")
    text = (name.text or "") if name is not None else ""
    # Azure: a name that XML cannot hold comes percent-encoded, and says so; its bytes need not be UTF-8.
    is_encoded = name is not None and name.get("Encoded") == "true"
    return unquote(text, errors="surrogateescape") if is_encoded else text


def fetch_output(server: Server, job: Mapping[str, Any], target: Path) -> list[str]:
    """Download a job's published output into a new folder and give the files' names, sorted.

    One that is replaced meanwhile by its next generation is begun anew.
    Raises: CommandFailed when the manifest is missing, when a file is not what it says, or when the folder exists.
    """
    from batchyard.wire.jobs import job_cli_from_arm

    for _ in range(_TRIES):
        try:
            return _fetch_generation(server, job, target)
        except (CommandFailed, ServerError):
            again = job_cli_from_arm(server.get(server.path("jobs", str(job.get("name")))).body)
            if again.get("generation") == job.get("generation") and again.get("status") != "Finalizing":
                raise
            job = again
            server.sleep(0.5)
    return _fetch_generation(server, job, target)


def _fetch_generation(server: Server, job: Mapping[str, Any], target: Path) -> list[str]:
    found = job.get("output") or {}
    datastore, folder = str(found.get("datastore") or ""), str(found.get("path") or "").strip("/")
    if not datastore:
        raise CommandFailed(f"Job {job.get('name')!r} names no output.")
    container = container_url(server, datastore)
    blobs = {b.path[len(folder) + 1 :]: b for b in list_blobs(container, server, f"{folder}/" if folder else "")}
    file_name = str(found.get("file_name") or "")
    # In a folder of its own a job's manifest has the plain name; beside other files it is named after its own file.
    manifest_name = next((n for n in (f"{file_name}.manifest.json", MANIFEST) if n in blobs), None)
    if manifest_name is None:
        raise CommandFailed(
            f"The output of job {job.get('name')!r} at azureml://datastores/{datastore}/paths/{folder} has no "
            "manifest, so it is not whole. Somebody may have changed the folder; run the job again."
        )
    with new_folder(target) as staging:
        _fetch(server, container, [blobs[manifest_name]], staging, below=folder)
        manifest = json.loads((staging / manifest_name).read_bytes())
        _check_owner(manifest, job)
        expected = {str(entry["name"]): entry for entry in manifest.get("outputs") or []}
        missing = sorted(expected.keys() - blobs.keys())
        if missing:
            raise CommandFailed(f"The output of job {job.get('name')!r} lacks {', '.join(missing)}; it is not whole.")
        _fetch(server, container, [blobs[name] for name in expected], staging, below=folder)
        for name, entry in expected.items():
            _check_file(staging / name, entry)
    return sorted([manifest_name, *expected])


def fetch_tree(server: Server, place: DatastorePath, target: Path, *, keeps_top: bool = True) -> list[str]:
    """Download a file or folder of a datastore into a new folder and give the files' names, sorted.

    keeps_top: whether the last part of the path stays the top, as it does for a job that uses a model; else what is in
    a folder is the top.
    """
    container, path = container_url(server, place.datastore), place.path.strip("/")
    blobs = [b for b in list_blobs(container, server, path) if b.path == path or b.path.startswith(f"{path}/")]
    if not blobs:
        raise CommandFailed(f"There is nothing at {place}.")
    is_file = any(blob.path == path for blob in blobs)
    parent = path.rpartition("/")[0] if keeps_top or is_file else path
    with new_folder(target) as staging:
        _fetch(server, container, blobs, staging, below=parent)
    return sorted(blob.path[len(parent) + 1 if parent else 0 :] for blob in blobs)


def fetch_logs(server: Server, job: str, target: Path) -> list[str]:
    """Download a job's logs into a folder, replacing what is there, and give their names, sorted."""
    urls = server.get(f"/history/v1.0{server.scope.arm_id}/runs/{job}/details").body.get("logFiles") or {}
    for name, url in urls.items():
        path = _inside(target, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        stream_to(server, url, path, is_signed=True)
    return sorted(urls)


def _fetch(server: Server, container: str, blobs: Sequence[Blob], folder: Path, *, below: str) -> None:
    def one(blob: Blob) -> None:
        path = _inside(folder, blob.path[len(below) + 1 if below else 0 :])
        path.parent.mkdir(parents=True, exist_ok=True)
        stream_to(server, f"{container}/{quote(os.fsencode(blob.path))}", path)
        if path.stat().st_size != blob.size_bytes:
            raise CommandFailed(f"{blob.path!r} came with {path.stat().st_size} of {blob.size_bytes} bytes.")

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(one, blobs):
            pass


def stream_to(server: Server, url: str, path: Path, *, is_signed: bool = False) -> None:
    """Write a body to a file; when the connection breaks, go on from the byte it broke at."""
    with open(path, "wb") as file:
        for left in range(_TRIES - 1, -1, -1):
            try:
                for piece in server.read_bytes(url, offset=file.tell(), is_signed=is_signed):
                    file.write(piece)
                return
            except Unreachable:
                if not left:
                    raise
                server.sleep(0.5)


def _check_owner(manifest: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    if manifest.get("job") != job.get("name"):
        raise CommandFailed(
            f"The output's manifest is of job {manifest.get('job')!r}, not of {job.get('name')!r}: "
            "somebody has replaced it."
        )


def _check_file(path: Path, entry: Mapping[str, Any]) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if path.stat().st_size != entry.get("size_bytes") or found != entry.get("sha256"):
        raise CommandFailed(f"{path.name!r} is not what the manifest says (size or sha256 differ); nothing was kept.")


def _inside(folder: Path, name: str) -> Path:
    """Give the path of a name below a folder. Raises: CommandFailed for a name that would leave it."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise CommandFailed(f"The server named a file {name!r}, which is outside the folder.")
    return folder.joinpath(*parts)


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder that appears whole under its name when the block ends well, and not at all otherwise.

    An earlier download is replaced, as Azure's scripts expect; anything else in the way is left, and a failure.
    """
    is_in_the_way = target.exists() and (not target.is_dir() or any(target.iterdir()))
    if is_in_the_way and not is_download(target):
        raise CommandFailed(f"{str(target)!r} exists and is not empty. Name another --download-path.")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield staging
        # mkdtemp made it private; what is downloaded gets the user's usual mode.
        mask = os.umask(0)
        os.umask(mask)
        staging.chmod(0o777 & ~mask)
        if is_in_the_way:
            _move_away(target)
        # An empty folder of the name is replaced; one that was filled meanwhile is not.
        os.rename(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def is_download(folder: Path) -> bool:
    """Whether a folder holds what `job download` wrote and nothing else, so that another download may replace it."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()] if folder.is_dir() else []
    manifests = [path for path in found if path.parent == folder and path.name.endswith(MANIFEST.lstrip("_"))]
    if len(manifests) != 1:
        return False
    try:
        entries = {folder / str(entry["name"]): entry for entry in json.loads(manifests[0].read_bytes())["outputs"]}
        if entries.keys() != {*found} - {*manifests}:
            return False
        for path, entry in entries.items():
            _check_file(path, entry)
    except (OSError, ValueError, KeyError, TypeError, CommandFailed):
        return False
    return True


def _move_away(target: Path) -> None:
    """Take an earlier download out of the way of the one that replaces it."""
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    os.rename(target, old)
    shutil.rmtree(old)
