"""Every mutation leaves one audit row that fits the documents before and after."""

from __future__ import annotations

import hashlib
from types import MappingProxyType

from batchyard.control import audit, computes, jobs
from batchyard.domain.access import Action
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import ExecutionSettings, OutputAction
from batchyard.ports.records import Key, Kind

from .bench import NOW, OWNER, Bench, read_nothing


def test_fingerprint_does_not_depend_on_the_order_of_a_mapping() -> None:
    one, other = Compute("cpu", tags={"a": "1", "b": "2"}), Compute("cpu", tags={"b": "2", "a": "1"})
    assert audit.fingerprint(one) == audit.fingerprint(other)


def test_fingerprint_tells_documents_apart() -> None:
    assert audit.fingerprint(Compute("cpu")) != audit.fingerprint(Compute("cpu", max_instances=2))


def test_fingerprint_is_that_of_the_canonical_json() -> None:
    text = r'{"a":[1,"\u00e9",null],"b":true}'
    assert audit.fingerprint({"b": True, "a": [1, "é", None]}) == hashlib.sha256(text.encode()).hexdigest()


def test_fingerprint_takes_read_only_mappings_enums_and_sets() -> None:
    settings = ExecutionSettings(
        output_action=OutputAction.SUMMARY_ONLY, environment_variables=MappingProxyType({"A": "1"})
    )
    same = ExecutionSettings(output_action=OutputAction.SUMMARY_ONLY, environment_variables={"A": "1"})
    assert audit.fingerprint(settings) == audit.fingerprint(same)
    assert audit.fingerprint(frozenset({"b", "a"})) == audit.fingerprint(["a", "b"])


def test_row_of_a_creation_has_no_before(bench: Bench) -> None:
    compute = Compute("gpu")
    computes.create_or_update(bench.tx, OWNER, compute, now=NOW, reason="more work", ticket="T-1")
    row = bench.last_entry
    assert (row.time, row.actor, row.action, row.target) == (NOW, "ada", "computes/write", "computes/gpu")
    assert (row.before, row.after) == (None, audit.fingerprint(compute))
    assert (row.reason, row.ticket) == ("more work", "T-1")


def test_row_of_a_change_starts_where_the_last_one_ended(bench: Bench) -> None:
    bench.compute("gpu", max_instances=2)
    first = bench.last_entry
    bench.compute("gpu", max_instances=3)
    assert bench.last_entry.before == first.after
    assert bench.last_entry.after != first.after


def test_row_of_a_deletion_has_no_after(bench: Bench) -> None:
    bench.compute("gpu")
    last = bench.last_entry
    assert computes.delete(bench.tx, OWNER, "gpu", read=read_nothing, now=NOW)
    assert (bench.last_entry.action, bench.last_entry.before, bench.last_entry.after) == (
        "computes/delete",
        last.after,
        None,
    )


def test_nothing_is_recorded_when_nothing_was_there_to_delete(bench: Bench) -> None:
    before = bench.tx.snapshot()
    act = audit.Act("ada", Action.COMPUTE_DELETE, NOW)
    assert not audit.delete(bench.tx, act, Key(Kind.COMPUTE, "none"))
    assert bench.tx.snapshot() == before


def test_targets_are_paths_of_the_rest_surface() -> None:
    assert audit.target(Key(Kind.ENDPOINT, "e")) == "batchEndpoints/e"
    assert audit.target(Key(Kind.DEPLOYMENT, "d", parent="e")) == "batchEndpoints/e/deployments/d"
    assert audit.target(Key(Kind.COMPUTE, "c")) == "computes/c"
    assert audit.target(Key(Kind.MODEL, "m", "1")) == "models/m/versions/1"
    assert audit.target(Key(Kind.ENVIRONMENT, "n", "2")) == "environments/n/versions/2"
    assert audit.target(Key(Kind.CODE, "s", "3")) == "codes/s/versions/3"
    assert audit.job_target("j") == "jobs/j"


def test_every_kind_of_document_has_a_target() -> None:
    for kind in Kind:
        assert audit.target(Key(kind, "name", parent="e")).endswith("/name")


def test_each_mutation_leaves_exactly_one_row(bench: Bench) -> None:
    """The whole life of an endpoint, told by its rows alone."""
    del bench.tx.entries[:]
    bench.deploy("blue")
    bench.set_default("blue")
    job = bench.invoke()
    jobs.cancel(bench.tx, OWNER, job.name, now=NOW)
    assert [(row.action, row.target) for row in bench.tx.entries] == [
        ("deployments/write", "batchEndpoints/digits/deployments/blue"),
        ("assets/write", "environments/env/versions/1"),
        ("deployments/write", "batchEndpoints/digits/deployments/blue"),
        ("batchEndpoints/defaults/write", "batchEndpoints/digits"),
        ("batchEndpoints/jobs/write", "jobs/job1"),
        ("jobs/cancel", "jobs/job1"),
    ]
