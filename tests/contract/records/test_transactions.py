"""`ports.records.Records` and `Transaction`: whole or not at all, and the database's failures in our words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from batchyard.domain.computes import Compute
from batchyard.domain.errors import InvalidInput, PlatformError
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope
from batchyard.domain.workspaces import Workspace
from batchyard.ports.records import JobFilter, Key, Kind, Records, Transaction
from batchyard.records import rehearsal
from batchyard.records.database import DatabaseRecords, migrate, open_records, sqlite_url

KEY = Key(Kind.COMPUTE, "cpu")


def save(tx: Transaction, *, size: int = 1) -> None:
    tx.documents.save(KEY, Compute("cpu", max_instances=size), actor="ada", now=1.0)


def size(records: Records) -> int | None:
    with records.reading() as tx:
        stored = tx.documents.get(KEY)
    return None if stored is None else stored.document.max_instances


def test_an_exception_rolls_everything_back(records: DatabaseRecords) -> None:
    with pytest.raises(ZeroDivisionError), records.writing() as tx:
        save(tx)
        raise ZeroDivisionError
    assert size(records) is None


def test_leaving_without_an_exception_commits(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        save(tx)
    assert size(records) == 1


def test_a_reader_sees_one_moment_while_others_write(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        save(tx)
    with records.reading() as reader:
        before = reader.documents.get(KEY)
        with records.writing() as tx:
            save(tx, size=2)
        assert reader.documents.get(KEY) == before
    assert size(records) == 2


def test_a_reader_does_not_wait_for_a_writer(records: DatabaseRecords) -> None:
    with records.writing() as tx:
        save(tx)
        assert size(records) is None


def test_writing_in_a_reading_transaction_is_an_error(records: DatabaseRecords) -> None:
    with pytest.raises(PlatformError, match="reading"), records.reading() as tx:
        save(tx)
    assert size(records) is None


def test_a_writer_that_waits_too_long_for_another_is_told_to_repeat(
    workspace: tuple[str, Scope], records: DatabaseRecords
) -> None:
    impatient = open_records(*workspace, wait_s=0.1)
    with records.writing() as tx:
        save(tx)
        with pytest.raises(PlatformError, match="Repeat"), impatient.writing():
            pass
    with impatient.writing() as tx:
        save(tx, size=2)
    impatient.close()


def test_a_missing_sqlite_file_is_a_platform_error_and_is_not_made(tmp_path: Path) -> None:
    records = open_records(f"sqlite:///{tmp_path}/none.db", DEFAULT_SCOPE)
    for transaction in (records.reading, records.writing):
        with pytest.raises(PlatformError, match="unable to open"), transaction():
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_says_that_it_must_be_migrated(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").execute("VACUUM")
    records = open_records(f"sqlite:///{tmp_path}/empty.db", DEFAULT_SCOPE)
    with pytest.raises(PlatformError, match="Migrate it first"):
        size(records)


def test_a_full_disk_is_a_platform_error_and_nothing_is_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/full.db"
    migrate(url)
    records = open_records(url, DEFAULT_SCOPE)
    # The page limit belongs to a connection; the pool of a single thread gives the same one again.
    with records.writing() as tx:
        tx.documents._connection.exec_driver_sql("PRAGMA max_page_count=1")
    with pytest.raises(PlatformError, match="Free space"), records.writing() as tx:
        tx.documents.save(KEY, Compute("cpu", description="x" * 1_000_000), actor="ada", now=1.0)
    assert size(records) is None
    records.close()


def test_an_unreachable_server_is_a_platform_error_without_its_password() -> None:
    records = open_records("postgresql://ada:secret-word@127.0.0.1:1/none", DEFAULT_SCOPE)
    with pytest.raises(PlatformError, match="reachable") as caught, records.reading():
        pass
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:secret-word@h/d", "sqlite://", "sqlite:///:memory:"])
def test_another_kind_of_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="database_url") as caught:
        open_records(url, DEFAULT_SCOPE)
    assert "secret-word" not in str(caught.value)


def test_sqlite_writes_ahead_and_syncs_every_commit(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "a.db")
    migrate(url)
    records = open_records(url, DEFAULT_SCOPE)
    with records.writing() as tx:
        connection = tx.documents._connection
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 30_000
    records.close()


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "a%20b.db", "why?.db", "a#b.db", "caf\u00e9.db", "a+b@c:d.db"])
def test_a_sqlite_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    url = sqlite_url(tmp_path / name)
    migrate(url)
    records = open_records(url, DEFAULT_SCOPE)
    with records.writing() as tx:
        save(tx)
    records.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_warming_up_leaves_nothing_behind(records: DatabaseRecords) -> None:
    for _ in range(2):
        records.warm_up()
    played_in = records.of(Workspace(DEFAULT_SCOPE, rehearsal.SCOPE))
    for looked_at in (records, played_in):
        with looked_at.reading() as tx:
            assert not tx.jobs.list(JobFilter()).items
            assert tx.documents.get(Key(Kind.COMPUTE, rehearsal.NAME)) is None
