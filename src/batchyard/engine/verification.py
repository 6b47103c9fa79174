"""Verifying a job that has ended: output, ledger, listing, rows, model, code and environment, all from their bytes."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any  # JSON of a manifest

from batchyard.domain.errors import BatchyardError
from batchyard.domain.job_specs import CommandSpec, PipelineSpec, ScoringSpec, StepData
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.checks import check_output
from batchyard.domain.outputs.verification import Check, Event, Events, Progress, ok, unchecked, wrong
from batchyard.domain.scoring.ledger import Committed, live
from batchyard.engine.home_checks import (
    check_listing,
    check_parts,
    check_spec,
    count_ledger,
    damaged_ledger,
    differences,
    find_ledger,
)
from batchyard.engine.ledger_file import Extent, records
from batchyard.engine.manifest import said_by_record
from batchyard.engine.published_files import output_of
from batchyard.engine.published_rows import PublishedRows, row_files
from batchyard.engine.row_places import RowPlace, row_places
from batchyard.engine.steps.verification import verify_outputs
from batchyard.ports.datastore import Datastores, SealedStore
from batchyard.ports.environment import Environments
from batchyard.ports.job_home import JobHome, JobHomes

_MOST_BAD_RANGES = 20
_NOT_HASHED = "What is in the input's files is not kept or hashed; their names are, in the listing."
_PARTS_ARE_GONE = "Deleted, as of every completed job without failed items."
_ROWS_INSTEAD = f"{_PARTS_ARE_GONE} The published rows are held against the ledger instead."


@dataclass(frozen=True, slots=True)
class JobVerifications:
    """`ports.verification.Verifications` over homes, datastores, sealed trees and environments."""

    homes: JobHomes
    datastores: Datastores
    sealed: SealedStore
    environments: Environments

    def verify(self, job: Job) -> Iterator[Event]:
        """Look at everything there is of a job."""
        match job.spec:
            case CommandSpec():
                yield from self._step(job, job.spec, "a command")
            case PipelineSpec():
                yield unchecked("outputs", "", "Each output is a step's: verify the jobs of the steps.")
            case ScoringSpec() as spec if job.reused_from is not None:
                yield from self._step(job, spec, "a step")
            case ScoringSpec():
                yield from self._scoring(job)

    def _step(self, job: Job, spec: CommandSpec | ScoringSpec, what: str) -> Iterator[Event]:
        yield from _guarded("outputs", verify_outputs(self.homes, self.datastores, job))
        if spec.code_seal is not None:
            yield from _guarded("code", self.sealed.check(spec.code_seal, "code"))
        if spec.build is not None:
            yield from _guarded("environment", self.environments.check(spec.build))
        yield from self._models(spec)
        yield unchecked("input", "", f"What is in the other inputs of {what} is not kept or hashed.")

    def _models(self, spec: CommandSpec | ScoringSpec) -> Iterator[Event]:
        """Check the registered models that a step was given."""
        step = spec if isinstance(spec, CommandSpec) else spec.step
        for name, given in step.inputs.items() if step is not None else ():
            if isinstance(given, StepData) and given.source.sealed is not None:
                yield from _guarded(name, self.sealed.check(given.source.sealed, f"model of input {name!r}"))

    def _scoring(self, job: Job) -> Iterator[Event]:
        document = yield from self._output(job)
        if self.homes.exists(job.name):
            yield from _guarded("ledger", self._home(job, self.homes.open(job.name), document))
        else:
            yield wrong("ledger", "", expected="the home of the job", found="nothing: it is missing")
        if job.scoring.model_seal is not None:
            yield from _guarded("model", self.sealed.check(job.scoring.model_seal, "model"))
        yield from _guarded("code", self.sealed.check(job.scoring.code_seal, "code"))
        if job.scoring.build is not None:
            yield from _guarded("environment", self.environments.check(job.scoring.build))
        yield from self._models(job.scoring)
        yield unchecked("input", "", _NOT_HASHED)

    def _output(self, job: Job) -> Generator[Event, None, Mapping[str, Any] | None]:
        """Check the output by itself, then its manifest against the record."""
        if not job.generation:
            yield unchecked("output", "", f"The job is {job.status.value}: nothing was published.")
            return None
        try:
            files = output_of(self.datastores, self.homes, job)
            document = yield from check_output(files, files.manifest)
        except (BatchyardError, OSError) as exc:
            yield wrong("output", "", expected="an output that can be read", found=str(exc))
            return None
        if document is None:
            return None
        said = {**said_by_record(job, generation=job.generation), "ledger_sha256": job.ledger_sha256}
        yield from _compared("manifest", files.manifest, said, document)
        return document

    def _home(self, job: Job, home: JobHome, document: Mapping[str, Any] | None) -> Iterator[Event]:
        yield check_spec(home, job)
        ledger = find_ledger(home, job.ledger_sha256)
        if ledger is None and job.ledger_sha256 is not None:
            yield from damaged_ledger(home, job.ledger_sha256)
            return
        if ledger is None:
            yield unchecked("ledger", "", "There is none: the job ended before anything was planned.")
            return
        tally, planned = yield from count_ledger(home, ledger)
        how = f"sha256 {job.ledger_sha256}" if job.ledger_sha256 else "by the crc of each record"
        yield ok("ledger", "", f"{', '.join(extent.name for extent in ledger)}: {how}")
        if job.status is JobStatus.COMPLETED:  # Others may have been ended from outside.
            yield from _compared("counts", "", asdict(job.counts), asdict(tally.counts), of="the record, by the ledger")
        if planned is not None:
            yield from check_listing(home, planned)
        if planned is not None and document is not None:
            said = {"counts": asdict(tally.counts), "input": {"listing_sha256": planned.listing_sha256}}
            yield from _compared("manifest", "", said, document, of="the ledger")
        if home.exists("parts"):
            yield from check_parts(home, ledger)
        elif job.generation and not job.counts.failed:
            yield unchecked("parts", "", _PARTS_ARE_GONE if document is None else _ROWS_INSTEAD)
        elif tally.counts.rows:
            yield wrong("parts", "", expected="the rows that were scored", found="nothing: they are missing")
        if document is not None:
            yield from self._rows(job, home, ledger, document)

    def _rows(self, job: Job, home: JobHome, ledger: Sequence[Extent], document: Mapping[str, Any]) -> Iterator[Event]:
        """Hold the published rows against the crc that the ledger has of each range: no manifest can be in its way."""
        files = output_of(self.datastores, self.homes, job)
        try:
            of = row_files(files, document)
        except (BatchyardError, OSError, KeyError, TypeError, AttributeError):
            return  # Told already, as what is wrong with a file or with the manifest.
        if not of:
            if of is None:
                yield unchecked(
                    "rows", "", "They are kept otherwise than the workers wrote them; the file's hash says it all."
                )
            return
        rows, total = PublishedRows(files, of), _rows_bytes(home, ledger)
        if rows.size_bytes != total:
            yield _other_size(rows.size_bytes, total, is_csv=any(file.header_bytes for file in of))
            return
        try:
            with tempfile.TemporaryDirectory(prefix="batchyard-verify-") as work:
                yield from _compare_rows(rows, row_places(home, ledger, Path(work)))
        except (BatchyardError, OSError):
            return  # As above.
        finally:
            rows.close()


def _rows_bytes(home: JobHome, ledger: Sequence[Extent]) -> int:
    every = live(lambda: records(home, ledger))
    return sum(record.size_bytes for record in every if isinstance(record, Committed))


def _other_size(published: int, written: int, *, is_csv: bool) -> Check:
    """Say why rows cannot be compared range by range; those of a csv with other columns than the rest are rewritten."""
    if is_csv:
        return unchecked("rows", "", "Some were written anew for the columns of all; the file's hash says it all.")
    return wrong("rows", "", expected=f"{written} bytes, as the ledger says", found=f"{published} in the manifest")


def _compare_rows(rows: PublishedRows, places: Iterator[RowPlace]) -> Iterator[Event]:
    ranges, bad, end = 0, 0, 0
    for place in places:
        crc, read = 0, 0
        for piece in rows.read(place.offset, place.size_bytes):
            crc, read = zlib.crc32(piece, crc), read + len(piece)
        ranges, end = ranges + 1, place.offset + place.size_bytes
        if (crc, read) != (place.crc if place.size_bytes else 0, place.size_bytes):
            bad += 1
            file = rows.file_at(place.offset)
            yield wrong(
                "rows",
                "" if file is None else file.name,
                expected=f"crc {place.crc:08x} of rows {place.first_row} to {place.first_row + place.rows - 1}",
                found=f"crc {crc:08x}" if read == place.size_bytes else f"{read} of {place.size_bytes} bytes",
                note=f"These are the rows of mini-batches {place.first} to {place.stop - 1}.",
            )
            if bad == _MOST_BAD_RANGES:
                yield unchecked("rows", "", "What comes after that was not looked at.")
                return
        yield Progress("rows", "", end)
    if not bad and end == rows.size_bytes:
        yield ok("rows", "", f"{ranges} ranges in the order of the input, each by its crc in the ledger")


def _compared(subject: str, file: str, expected: object, found: object, *, of: str = "the record") -> Iterator[Check]:
    differing = sorted(differences(expected, found), key=lambda one: one[0])
    for key, before, now in differing:
        yield wrong(subject, file or key, expected=f"{key} {before!r}", found=repr(now), note=f"Against {of}.")
    if not differing:
        yield ok(subject, file, f"as {of} says")


def _guarded(subject: str, events: Events) -> Iterator[Event]:
    """Give the events; what cannot be read any more, or contradicts itself, is what is wrong."""
    try:
        yield from events
    except (BatchyardError, OSError, LookupError, ValueError, TypeError) as exc:
        yield wrong(subject, "", expected="what can be read and makes sense", found=str(exc) or type(exc).__name__)
