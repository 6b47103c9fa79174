"""`ports.records.Documents`, sentence by sentence."""

from __future__ import annotations

import base64

import pytest

from batchyard.domain.computes import Compute
from batchyard.domain.endpoints import Endpoint
from batchyard.domain.errors import InvalidInput, PreconditionFailed
from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Documents, Key, Kind, Stored
from batchyard.records.database import DatabaseRecords, open_records

KEY = Key(Kind.COMPUTE, "cpu")


def save(documents: Documents, key: Key = KEY, *, size: int = 1, now: float = 1.0, by: str = "ada") -> Stored[Compute]:
    return documents.save(key, Compute(key.name, max_instances=size), actor=by, now=now)


def test_a_document_that_was_never_saved_is_none(records: DatabaseRecords) -> None:
    with records.reading() as tx:
        assert tx.documents.get(KEY) is None
        assert tx.documents.revisions(KEY) == []


def test_what_save_gives_is_what_get_gives(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        saved = save(tx.documents)
    with records.reading() as tx:
        assert tx.documents.get(KEY) == saved
    assert (saved.revision, saved.created_by, saved.modified_at) == (1, "ada", 1.0)


def test_every_save_is_one_more_revision_and_keeps_who_created_it(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        first = save(tx.documents)
        second = save(tx.documents, size=2, now=5.0, by="bob")
    assert second.revision == 2
    assert (second.created_at, second.created_by) == (1.0, "ada")
    assert (second.modified_at, second.modified_by) == (5.0, "bob")
    with records.reading() as tx:
        assert tx.documents.get(KEY) == second
        assert tx.documents.get(KEY, revision=1) == first
        assert tx.documents.get(KEY, revision=3) is None
        assert tx.documents.revisions(KEY) == [second, first]


def test_the_etag_changes_with_every_save_even_of_the_same_document(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        assert save(tx.documents).etag != save(tx.documents).etag


def test_save_with_the_current_etag_or_a_star_passes(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        first = save(tx.documents)
        second = tx.documents.save(KEY, Compute("cpu"), actor="ada", now=2.0, if_match=first.etag)
        third = tx.documents.save(KEY, Compute("cpu"), actor="ada", now=2.0, if_match="*")
    assert (second.revision, third.revision) == (2, 3)


@pytest.mark.parametrize("if_match", ["*", "0123"])
def test_save_with_an_etag_of_a_missing_document_fails(records: DatabaseRecords, if_match: str) -> None:
    with records.writing() as tx, pytest.raises(PreconditionFailed, match="does not exist"):
        tx.documents.save(KEY, Compute("cpu"), actor="ada", now=1.0, if_match=if_match)


def test_save_and_delete_with_an_old_etag_fail_and_change_nothing(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        old = save(tx.documents)
        new = save(tx.documents, size=2)
    with records.writing() as tx:
        with pytest.raises(PreconditionFailed, match=old.etag):
            tx.documents.save(KEY, Compute("cpu"), actor="ada", now=3.0, if_match=old.etag)
        with pytest.raises(PreconditionFailed, match=old.etag):
            tx.documents.delete(KEY, if_match=old.etag)
    with records.reading() as tx:
        assert tx.documents.get(KEY) == new


def test_a_deleted_document_is_out_of_sight_but_its_revisions_stay(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        saved = save(tx.documents)
        assert tx.documents.delete(KEY) is True
        assert tx.documents.delete(KEY) is False
    with records.reading() as tx:
        assert tx.documents.get(KEY) is None
        assert tx.documents.list(Kind.COMPUTE).items == ()
        assert tx.documents.get(KEY, revision=1) == saved
        assert tx.documents.revisions(KEY) == [saved]


def test_revisions_go_on_counting_after_a_delete(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        save(tx.documents)
        tx.documents.delete(KEY)
        again = save(tx.documents, now=9.0, by="bob")
    assert again.revision == 2
    assert (again.created_at, again.created_by) == (9.0, "bob")


def test_names_compare_exactly(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        save(tx.documents)
        assert tx.documents.get(Key(Kind.COMPUTE, "CPU")) is None
        assert tx.documents.get(Key(Kind.ENDPOINT, "cpu")) is None
        assert tx.documents.get(Key(Kind.COMPUTE, "cpu", version="1")) is None


def test_a_list_is_sorted_by_the_bytes_of_names_then_newest_first(records: DatabaseRecords) -> None:
    keys = [Key(Kind.COMPUTE, name, version) for name, version in (("b", "1"), ("a", "1"), ("B", "1"), ("a", "2"))]
    with records.writing() as tx:
        for key in keys:
            save(tx.documents, key)
        save(tx.documents, keys[1], size=2, now=99.0)  # a change is not a creation
        listed = [(stored.key.name, stored.key.version) for stored in tx.documents.list(Kind.COMPUTE).items]
        only_a = [stored.key.version for stored in tx.documents.list(Kind.COMPUTE, name="a").items]
    assert listed == [("B", "1"), ("a", "2"), ("a", "1"), ("b", "1")]
    assert only_a == ["2", "1"]


def test_a_list_can_be_of_one_parent_or_of_all(records: DatabaseRecords) -> None:
    keys = [Key(Kind.COMPUTE, "blue", parent="one"), Key(Kind.COMPUTE, "blue", parent="two")]
    with records.writing() as tx:
        for key in keys:
            save(tx.documents, key)
        assert [stored.key for stored in tx.documents.list(Kind.COMPUTE, parent="two").items] == [keys[1]]
        assert {stored.key for stored in tx.documents.list(Kind.COMPUTE).items} == set(keys)


def test_pages_cover_the_list_once_and_the_last_has_no_token(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        for name in ("a", "b", "c"):
            for version in ("1", "2"):
                save(tx.documents, Key(Kind.COMPUTE, name, version))
    seen: list[tuple[str, str]] = []
    pages = 0
    token = None
    with records.reading() as tx:
        whole = [(stored.key.name, stored.key.version) for stored in tx.documents.list(Kind.COMPUTE).items]
        while True:
            page = tx.documents.list(Kind.COMPUTE, limit=2, token=token)
            seen += [(stored.key.name, stored.key.version) for stored in page.items]
            pages += 1
            token = page.next_token
            if token is None:
                break
    assert seen == whole
    assert pages == 3


def test_what_is_made_between_two_pages_shifts_nothing(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        for name in ("b", "c"):
            save(tx.documents, Key(Kind.COMPUTE, name))
        token = tx.documents.list(Kind.COMPUTE, limit=1).next_token
        save(tx.documents, Key(Kind.COMPUTE, "a"))
        assert [stored.key.name for stored in tx.documents.list(Kind.COMPUTE, token=token).items] == ["c"]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense!", "é", "W10", base64.b64encode(b'["a", "b"]').decode(), base64.b64encode(b"[1e400]").decode()],
)
def test_a_malformed_token_is_invalid_input(records: DatabaseRecords, text: str) -> None:
    with records.reading() as tx, pytest.raises(InvalidInput, match="token"):
        tx.documents.list(Kind.COMPUTE, token=text)


def test_a_workspace_does_not_see_another(records: DatabaseRecords, workspace: tuple[str, Scope]) -> None:
    other = open_records(workspace[0], Scope("sub", "group", "another"))
    with records.writing() as tx:
        save(tx.documents)
    with other.reading() as tx:
        assert tx.documents.get(KEY) is None
        assert tx.documents.list(Kind.COMPUTE).items == ()
    other.close()


def test_a_document_of_another_type_than_its_kind_is_refused(records: DatabaseRecords) -> None:
    with records.writing() as tx, pytest.raises(TypeError, match="Compute"):
        tx.documents.save(KEY, Endpoint("cpu"), actor="ada", now=1.0)


def test_any_character_can_be_stored(records: DatabaseRecords) -> None:
    odd = Compute("cpu", description="nul \0 half \udcff snow \u2603")
    with records.writing() as tx:
        tx.documents.save(KEY, odd, actor="ada", now=1.0)
    with records.reading() as tx:
        stored = tx.documents.get(KEY)
    assert stored is not None
    assert stored.document == odd


@pytest.mark.parametrize("name", ["nul \0", "half \udcff"])
def test_a_name_that_no_database_can_hold_is_not_a_server_error(records: DatabaseRecords, name: str) -> None:
    try:
        with records.reading() as tx:
            found = tx.documents.get(Key(Kind.COMPUTE, name))
    except InvalidInput:
        found = None
    assert found is None
