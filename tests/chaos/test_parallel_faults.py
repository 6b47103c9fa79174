"""A parallel step with a fault between two of its outputs: each appears once, whole, and is registered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.domain.job_states import JobStatus
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.pipelines.definitions import ParallelSettings
from batchyard.domain.resource_ids import AssetId
from batchyard.ports.faults import PARALLEL_POINTS
from batchyard.ports.records import Key, Kind
from tests.chaos.fault_runs import drive, finish_of
from tests.support.direct import DirectHome
from tests.support.parallel import place_of, submit_step
from tests.support.power_loss import note_all
from tests.support.processes import end_all

pytestmark = pytest.mark.timeout(600)

ITEMS = [f"item-{k}" for k in range(4)]
OUTPUTS = {"scores": PortType.URI_FILE, "images": PortType.URI_FOLDER, "model": PortType.CUSTOM_MODEL}
SCRIPT = """
import os, sys
def run(paths):
    for path in paths:
        for folder in sys.argv[1:]:
            with open(os.path.join(folder, os.path.basename(path)), "x") as out:
                out.write(os.path.basename(path) * 1000)
    return [os.path.basename(path) for path in paths]
"""


def run_under(folder: Path, fault: str, *, has_power_cut: bool = False) -> DirectHome:
    """Run a step with three outputs under a fault, and look at everything that must be true of it then."""
    source, log, notes = folder / "input", folder / "reached", folder / "notes" if has_power_cut else None
    source.mkdir()
    for name in ITEMS:
        (source / name).write_text("")
    log.touch()
    direct = DirectHome(folder / "home")
    submit_step(
        direct,
        "job",
        source,
        SCRIPT,
        settings=ParallelSettings(mini_batch_size=2),
        arguments="${{outputs.images}} ${{outputs.model}}",
        outputs=OUTPUTS,
        registers={"model": AssetId("net", "")},
    )
    if notes is not None:
        note_all(direct.home, notes)
    try:
        drive(direct, fault, log, 90.0, notes)
        check(direct)
    finally:
        end_all(direct.home)
    return direct


def check(direct: DirectHome) -> None:
    job = finish_of(direct)
    assert (job.status, job.error, job.counts.attempts) == (JobStatus.COMPLETED, None, 2)
    assert place_of(direct, "job", "scores").read_text().split() == ITEMS
    for output in ("images", "model"):
        found = {path.name: path.read_text() for path in place_of(direct, "job", output).iterdir()}
        assert found == {name: name * 1000 for name in ITEMS}
    with direct.rooms.records.reading() as tx:
        model = tx.documents.get(Key(Kind.MODEL, "net", "1"))
        assert tx.documents.get(Key(Kind.MODEL, "net", "2")) is None
    assert model is not None
    assert (model.revision, model.document.sealed.files) == (1, len(ITEMS))


def test_an_undisturbed_parallel_step_reaches_every_point_of_its_own(tmp_path: Path) -> None:
    run_under(tmp_path, "")
    reached = (tmp_path / "reached").read_text().split()
    assert {*PARALLEL_POINTS} <= {*reached}


@pytest.mark.parametrize(
    "fault", ["parallel.published_one:1:kill", "parallel.published_one:2:enospc", "command.registered_one:1:kill"]
)
def test_a_process_that_ends_between_two_outputs_loses_and_doubles_none(tmp_path: Path, fault: str) -> None:
    run_under(tmp_path, fault)
    assert (tmp_path / "reached.done").exists(), "the fault did not happen"


def test_outputs_before_a_power_cut_and_behind_it_are_those_of_one_ledger(tmp_path: Path) -> None:
    run_under(tmp_path, "parallel.published_one:1:stop", has_power_cut=True)
