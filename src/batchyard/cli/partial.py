"""`job download --partial`: what a job has scored so far, under names that no output has."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.download import new_folder, stream_to
from batchyard.cli.failures import CommandFailed

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

MANIFEST, FAILED_ITEMS = "partial-manifest.json", "partial-failed-items.jsonl"
FORMAT = "batchyard partial 1"


def fetch_partial(server: Server, name: str, target: Path) -> dict[str, Any]:
    """Download the committed rows and the failed items of a job into a new folder; give what the manifest there says.

    Raises: CommandFailed when the folder exists, or when less came than the server promised.
    """
    run = f"/history/v1.0{server.scope.arm_id}/runs/{name}/partial"
    found: dict[str, Any] = server.get(run).body
    below = f"{run}/{found['snapshot']}"
    rows_name = f"partial-{found['file_name']}"
    with new_folder(target) as staging:
        written = []
        if found["rows_bytes"] is not None:
            stream_to(server, f"{below}/rows", staging / rows_name)
            entry = _entry(staging / rows_name)
            if entry["size_bytes"] != found["rows_bytes"]:
                raise CommandFailed(
                    f"{entry['size_bytes']} of {found['rows_bytes']} bytes of rows came: job {name!r} has changed "
                    "meanwhile, or its rows are damaged. Repeat the command."
                )
            written.append({**entry, "rows": found["counts"]["rows"]})
        stream_to(server, f"{below}/failedItems", staging / FAILED_ITEMS)
        written.append(_entry(staging / FAILED_ITEMS))
        keys = ("partial", "job", "status", "run", "snapshot", "counts", "left_out")
        manifest = {"format": FORMAT, **{key: found[key] for key in keys}, "outputs": written}
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return manifest


def _entry(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "size_bytes": path.stat().st_size, "sha256": digest}
