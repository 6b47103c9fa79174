"""Freezing tabular input: rows are the items, and mini-batches are cut by bytes or by keys; once, as a listing is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.job_specs import TableCut
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.tabular import TabularFormat
from batchyard.domain.scoring.ledger import Planned
from batchyard.engine.input_places import is_one_file
from batchyard.engine.plan import Skipped, collect_paths, freeze, paths_of
from batchyard.engine.prepare import Staged
from batchyard.engine.rooms import Rooms
from batchyard.engine.sorting import SortedRuns
from batchyard.engine.table_rows import Columns, FrozenRows, grouped, rows_of_files


def plan_tables(rooms: Rooms, job: Job, staged: Staged, cut: TableCut, *, meanwhile: Callable[[], None]) -> Planned:
    """Read every row once and freeze all of them under this owner's fence; see `table_rows`.

    Raises: InvalidInput naming the row that cannot be read; PlatformError.
    """
    listed_at, name = rooms.now(), f"listing/{job.fence}"
    target, scratch = staged.home.path(name), staged.home.path(f"scratch-{job.fence}/x").parent
    try:
        files, skipped = SortedRuns(scratch / "listing-runs"), Skipped()
        is_file = is_one_file(job.scoring.source, staged.source)
        collect_paths(files, paths_of(staged.source, skipped, is_file=is_file))
        rooms.faults.reach("plan.listed")
        columns = Columns(is_text=cut.input_format is TabularFormat.CSV)
        rows = rows_of_files(os.fsencode(staged.input_root), iter(files), cut, columns, rooms.tables)
        frozen = FrozenRows(target, cut)
        ordered = grouped(rows, scratch / "row-runs") if cut.keys else rows
        digest = freeze(_with_breaks(frozen.write(ordered, columns), meanwhile), target)
    except OSError as exc:
        raise PlatformError(f"Could not read the tables of job {job.name!r}: {exc}.") from exc
    rooms.faults.reach("plan.frozen")
    return Planned(
        frozen.items,
        1,
        digest,
        listed_at,
        name,
        skipped=skipped.count,
        skipped_names=tuple(os.fsdecode(path) for path in skipped.names()),
        starts=f"{name}.starts",
        mini_batches=len(frozen.starts),
        starts_sha256=_sha256(Path(f"{target}.starts")),
        rows_sha256=frozen.hexdigest(),
    )


def _with_breaks(slices: Iterator[list[bytes]], meanwhile: Callable[[], None]) -> Iterator[list[bytes]]:
    for slice_ in slices:
        yield slice_
        meanwhile()


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
