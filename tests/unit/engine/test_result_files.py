"""The files that say how a job ended."""

from __future__ import annotations

from pathlib import Path

from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, JobError
from batchyard.engine.result_files import write_result
from batchyard.ports.job_leases import JobChange


def test_the_reason_of_a_failed_run_goes_when_a_later_one_completes(tmp_path: Path) -> None:
    write_result(tmp_path, JobChange(JobStatus.FAILED, error=JobError("X", "exit code 3", ErrorClass.SCRIPT)))
    told = (tmp_path / "job_error.txt").read_text()
    write_result(tmp_path, JobChange(JobStatus.COMPLETED), has_items=False)

    assert "exit code 3" in told
    assert (tmp_path / "job_result.txt").read_text() == "Completed\n"
    assert not (tmp_path / "job_error.txt").exists()
