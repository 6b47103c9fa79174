"""Bodies that change what is written on a job."""

from __future__ import annotations

import pytest

from batchyard.domain.errors import InvalidInput
from batchyard.domain.job_notes import JobEdit
from batchyard.domain.resource_ids import DEFAULT_SCOPE as SCOPE
from batchyard.wire.job_edits import edit_from_job, edit_from_run, notes_to_document, run_patch
from batchyard.wire.jobs import job_to_arm
from batchyard.wire.trees import mapping_at

from .test_jobs import JOB


def test_a_run_is_changed_by_what_its_body_names() -> None:
    body = {"displayName": "Two", "tags": {"a": "b", "gone": None, "n": 1}, "hidden": True, "runId": JOB.name}
    expected = JobEdit(display_name="Two", tags={"a": "b", "gone": None, "n": "1"}, is_archived=True)
    assert edit_from_run(JOB, body) == expected
    assert edit_from_run(JOB, {"description": None, "status": None}) == JobEdit()


def test_tags_that_were_only_shown_come_back_without_an_effect() -> None:
    """Azure: `create_or_update` of a fetched job sends every tag that it was shown."""
    tags = mapping_at(job_to_arm(SCOPE, JOB), "properties", "tags")
    edit = edit_from_run(JOB, {"tags": {**tags, "mine": "1"}})
    assert edit.tags == {**JOB.tags, "mine": "1"}


def test_what_cannot_change_of_a_run_is_told_at_once() -> None:
    body = {"status": "Completed", "inputs": {}, "tags": {"azureml.batchrun": "no", "a": {}}, "runId": "other"}
    with pytest.raises(InvalidInput) as told:
        edit_from_run(JOB, body)
    assert sorted(m.field for m in told.value.mistakes) == ["inputs", "runId", "status", "tags"]
    with pytest.raises(InvalidInput, match=r"tags.azureml.batchrun: found 'no', expected 'true'. It cannot change."):
        edit_from_run(JOB, {"tags": {"azureml.batchrun": "no"}})


def test_a_job_that_was_fetched_may_be_put_back_with_other_notes() -> None:
    properties = mapping_at(job_to_arm(SCOPE, JOB), "properties")
    edit = edit_from_job(SCOPE, JOB, {"properties": {**properties, "isArchived": True, "tags": {"only": "1"}}})
    assert (edit.is_archived, edit.tags, edit.replaces_maps) == (True, {"only": "1"}, True)


def test_a_job_put_with_another_input_or_compute_is_refused_with_both() -> None:
    properties = mapping_at(job_to_arm(SCOPE, JOB), "properties")
    properties["computeId"] = SCOPE.child("computes", "other")
    properties["inputs"] = {"data": {"jobInputType": "uri_folder", "uri": "azureml://datastores/x/paths/y"}}
    with pytest.raises(InvalidInput) as told:
        edit_from_job(SCOPE, JOB, {"properties": properties})
    assert [m.field for m in told.value.mistakes] == ["properties.computeId", "properties.inputs.data.uri"]


def test_a_patch_names_only_what_differs() -> None:
    before = notes_to_document(job_to_arm(SCOPE, JOB))
    tags = {**mapping_at(before, "tags"), "new": "1"}
    gone = next(iter(JOB.tags))
    del tags[gone]
    assert run_patch("j", before, {**before, "tags": tags}) == {"tags": {"new": "1", gone: None}}
    assert run_patch("j", before, {**before, "display_name": "Two"}) == {"displayName": "Two"}
    assert run_patch("j", before, before) == {}


def test_a_key_that_cannot_change_is_refused_with_those_that_can() -> None:
    with pytest.raises(InvalidInput, match="one of description, display_name, properties, tags"):
        run_patch("j", {}, {"compute": "gpu"})
