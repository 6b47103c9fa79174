"""Computes are checked whole, and never taken from under what uses them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import computes, deployments, jobs
from batchyard.domain.computes import Compute
from batchyard.domain.errors import Conflict, InvalidInput, NotFound, PreconditionFailed

from .bench import NOW, OWNER, Bench, read_nothing, with_code
from .fakes import refused


def test_a_compute_is_stored_and_given_back(bench: Bench) -> None:
    stored = computes.create_or_update(bench.tx, OWNER, Compute("gpu", max_instances=4), now=NOW)
    assert stored.document == Compute("gpu", max_instances=4)
    assert computes.get(bench.tx, OWNER, "gpu") == stored
    assert [s.key.name for s in computes.list_computes(bench.tx, OWNER).items] == ["cpu", "gpu"]


def test_lists_come_in_pages(bench: Bench) -> None:
    bench.compute("gpu")
    first = computes.list_computes(bench.tx, OWNER, limit=1)
    second = computes.list_computes(bench.tx, OWNER, limit=1, token=first.next_token)
    assert [page.items[0].key.name for page in (first, second)] == ["cpu", "gpu"]
    assert second.next_token is None


def test_all_mistakes_of_a_compute_are_told_at_once(bench: Bench) -> None:
    wrong = Compute("1", type="kubernetes", tier="spot", min_instances=-1, max_instances=0)
    with refused(bench.tx, InvalidInput) as refusal:
        computes.create_or_update(bench.tx, OWNER, wrong, now=NOW)
    assert refusal.fields == ["max_instances", "min_instances", "name", "tier", "type"]


def test_a_missing_compute_is_not_found_with_near_names(bench: Bench) -> None:
    with refused(bench.tx, NotFound) as refusal:
        computes.get(bench.tx, OWNER, "cpo")
    assert "'cpu'" in refusal.text


def test_an_old_etag_is_refused(bench: Bench) -> None:
    with refused(bench.tx, PreconditionFailed):
        computes.create_or_update(bench.tx, OWNER, Compute("cpu"), now=NOW, if_match="old")
    with refused(bench.tx, PreconditionFailed):
        computes.delete(bench.tx, OWNER, "cpu", read=read_nothing, now=NOW, if_match="old")


def test_deleting_what_does_not_exist_gives_false(bench: Bench) -> None:
    before = bench.tx.snapshot()
    assert computes.delete(bench.tx, OWNER, "none", read=read_nothing, now=NOW) is False
    assert bench.tx.snapshot() == before


def test_a_compute_in_use_is_kept_and_its_deployments_are_named(bench: Bench) -> None:
    bench.deploy("blue")
    bench.deploy("green")
    with refused(bench.tx, Conflict) as refusal:
        computes.delete(bench.tx, OWNER, "cpu", read=read_nothing, now=NOW)
    assert "deployment digits/blue, deployment digits/green" in refusal.text


def test_a_compute_of_the_serving_revision_is_kept_while_an_update_moves_away(bench: Bench) -> None:
    bench.deploy()
    bench.compute("gpu")
    bench.code("src", "2", files={"score.py": "run = print"})
    bench.put(replace(with_code("2"), compute="gpu"))
    for name in ("cpu", "gpu"):
        with refused(bench.tx, Conflict) as refusal:
            computes.delete(bench.tx, OWNER, name, read=read_nothing, now=NOW)
        assert "digits/blue" in refusal.text


def test_a_compute_is_kept_while_jobs_that_are_not_final_use_it(bench: Bench) -> None:
    bench.deploy()
    bench.set_default("blue")
    job = bench.invoke()
    deployments.delete(bench.tx, OWNER, "digits", "blue", now=NOW, force=True)
    with refused(bench.tx, Conflict) as refusal:
        computes.delete(bench.tx, OWNER, "cpu", read=read_nothing, now=NOW)
    assert "job job1" in refusal.text
    jobs.cancel(bench.tx, OWNER, job.name, now=NOW)
    assert computes.delete(bench.tx, OWNER, "cpu", read=read_nothing, now=NOW)


def test_a_long_list_of_users_is_cut() -> None:
    bench = Bench(largest_page=3)
    for number in range(12):
        bench.deploy(f"dep-{number:02}")
    with refused(bench.tx, Conflict) as refusal:
        computes.delete(bench.tx, OWNER, "cpu", read=read_nothing, now=NOW)
    assert "dep-09 and 2 more" in refusal.text
    assert "dep-10" not in refusal.text


def test_an_unused_compute_is_deleted(bench: Bench) -> None:
    bench.compute("gpu")
    assert computes.delete(bench.tx, OWNER, "gpu", read=read_nothing, now=NOW)
    with pytest.raises(NotFound):
        computes.get(bench.tx, OWNER, "gpu")
