"""`batchyard job lineage`: from a row, a file or an item to what made it, by the server or from a manifest alone."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of answers and manifests
from urllib.parse import quote_from_bytes

from batchyard.cli.failures import CommandFailed

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

_CAPITAL = re.compile("[A-Z]")
_OF_ROW = ("item", "position", "mini_batch")
_LONGEST_CELL = 1 << 27


def lineage_of_job(
    server: Server, name: str, *, row: str | None, file: str | None, item: str | None
) -> dict[str, object]:
    """Ask the server. Raises: ServerError."""
    path = f"/history/v1.0{server.path('runs', name)}/lineage"
    asked = {"row": row, "file": file, "itemPercentEncoded": item and quote_from_bytes(os.fsencode(item))}
    found = server.get(path, **{key: value for key, value in asked.items() if value is not None}).body
    return dict(_snake(found))


def lineage_of_folder(folder: Path, *, row: str | None, file: str | None) -> dict[str, object]:
    """Tell what an output's own manifest says, and of a row what stands in it. Raises: CommandFailed."""
    from batchyard.cli.job_verify import outputs_in
    from batchyard.domain.outputs.manifests import read_manifest
    from batchyard.domain.outputs.verification import Result

    (files, name), *others = outputs_in(folder)
    if others:
        names = ", ".join(manifest for _, manifest in [(files, name), *others])
        raise CommandFailed(
            f"{str(folder)!r} holds several outputs ({names}). Take one of them into a folder of its own."
        )
    with files.open(name) as stream:
        document, check = read_manifest(stream.read(), name)
    if document is None or check.result is Result.WRONG:
        raise CommandFailed(f"{name!r} is not as it was published. `batchyard job verify --path` says what is wrong.")
    keys = ("job", "generation", "endpoint", "deployment", "deployment_revision", "routed_by", "ledger_sha256")
    of = {key: document.get(key) for key in keys}
    for key in ("model", "code", "environment", "input"):
        of[key] = {name: value for name, value in document[key].items() if name not in ("files", "skipped_items")}
    return {**of, "traced": _traced(files, document, row=row, file=file)}


def table(result: Any) -> Any:
    """Show what was traced, a row for each item; without any the chain itself."""
    model, environment = result["model"], result["environment"]
    chain = OrderedDict(
        Job=result["job"],
        Deployment=f"{result['endpoint']}/{result['deployment']} revision {result['deployment_revision']}",
        Model=f"{model['name']}:{model['version']} {model['sha256'][:12]}",
        Environment=f"{environment['name']}:{environment['version']} {environment['sha256'][:12]}",
    )
    rows = []
    for trace in result["traced"]:
        origin = (trace.get("origins") or [{}])[0]
        made = OrderedDict(
            MiniBatch=origin.get("mini_batch", ""), Attempt=origin.get("attempt", ""), Worker=origin.get("worker", "")
        )
        for item in trace.get("items") or [{"item": ""}]:
            rows.append(OrderedDict(Item=item["item"], **made, **chain))
    return rows or chain


def _snake(found: Any) -> Any:
    if isinstance(found, list):
        return [_snake(one) for one in found]
    if not isinstance(found, Mapping):
        return found
    return {_CAPITAL.sub(r"_\g<0>", key).lower(): _snake(value) for key, value in found.items()}


def _traced(files: Any, document: Mapping[str, Any], *, row: str | None, file: str | None) -> list[dict[str, object]]:
    """Trace by the manifest, as far as it goes."""
    if file is not None:
        entry = next((one for one in document["outputs"] if one["name"] == file), None)
        if entry is None:
            raise CommandFailed(f"The manifest names no file {file!r}.")
        writers = entry.get("written_by")
        note = "" if writers else "The manifest does not name a mini-batch for it: it is of the job, or of a worker."
        return [{"file": file, "origins": writers or [], "items": [], "note": note}]
    return [] if row is None else [_row(files, document, row)]


def _row(files: Any, document: Mapping[str, Any], row: str) -> dict[str, object]:
    """Give the columns of a row that say what it is of, where the output has them."""
    if not row.isascii() or not row.isdecimal():
        raise CommandFailed(f"--row is {row!r}, must be the number of a row, from 0 on.")
    left, shown = int(row), f"Without the job's server nothing says what row {row} is of: "
    for entry in document["outputs"]:
        if left >= entry.get("rows", 0):
            left -= entry.get("rows", 0)
            continue
        if entry.get("format") not in ("csv", "jsonl"):
            raise CommandFailed(f"{shown}{entry['name']!r} has no columns that can be read here. Ask by --name.")
        found = _cells(files, entry, left)
        if not {"item", "position"} & found.keys():
            remedy = "Set `output_columns: [item, position]` on the deployment for later jobs."
            raise CommandFailed(f"{shown}the output has no column `item`. Ask by --name. {remedy}")
        items = [{key: found[key] for key in ("item", "position") if key in found}]
        origins = [{"mini_batch": found["mini_batch"]}] if "mini_batch" in found else []
        return {"attribution": "row", "items": items, "origins": origins, "note": ""}
    raise CommandFailed(f"The output has no row {row}: it has {document['counts']['rows']}, counted from 0.")


def _cells(files: Any, entry: Mapping[str, Any], row: int) -> dict[str, object]:
    """Read one row of a file, line by line, and give what of it says where it is from."""
    with files.open(entry["name"]) as stream:
        lines = (line.decode("utf-8", "surrogateescape") for line in stream)
        cells = json.loads(next(islice(lines, row, None), "{}")) if entry["format"] == "jsonl" else _csv(lines, row)
    return {key: cells[key] for key in _OF_ROW if key in cells}


def _csv(lines: Iterator[str], row: int) -> dict[str, Any]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(lines)
    names = next(reader, [])
    cells = dict(zip(names, next(islice(reader, row, None), []), strict=False))
    return {key: int(text) if key != "item" and text.isdecimal() else text for key, text in cells.items()}
