"""`ports.records.Audit`, sentence by sentence."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from batchyard.domain.audit import AuditEntry
from batchyard.domain.errors import PlatformError
from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Records
from batchyard.records.database import DatabaseRecords
from batchyard.records.engines import parse_url

FIRST = AuditEntry(1.0, "ada", "computes/write", "computes/cpu", after="ff")
SECOND = AuditEntry(2.5, "bob", "computes/write", "computes/gpu", "aa", "bb", "why", "T-1", {"k": "v"})
THIRD = AuditEntry(2.0, "bob", "computes/delete", "computes/cpu", before="ff")


def fill(records: Records) -> None:
    with records.writing() as tx:
        for entry in (FIRST, SECOND, THIRD):
            tx.audit.append(entry)


def test_entries_come_newest_first_as_they_were_appended(records: DatabaseRecords) -> None:
    fill(records)
    with records.reading() as tx:
        assert tx.audit.list() == [THIRD, SECOND, FIRST]
        assert tx.audit.list(limit=1) == [THIRD]


def test_entries_can_be_asked_for_by_exact_target_and_by_action(records: DatabaseRecords) -> None:
    fill(records)
    with records.reading() as tx:
        assert tx.audit.list(target="computes/cpu") == [THIRD, FIRST]
        assert tx.audit.list(target="computes") == []
        assert tx.audit.list(action="computes/write") == [SECOND, FIRST]
        assert tx.audit.list(action="computes/write", target="computes/gpu") == [SECOND]


def test_an_entry_of_a_failed_transaction_is_gone_with_it(records: DatabaseRecords) -> None:
    with pytest.raises(KeyError), records.writing() as tx:
        tx.audit.append(FIRST)
        raise KeyError
    with records.reading() as tx:
        assert tx.audit.list() == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_or_remove_rows(
    records: DatabaseRecords, workspace: tuple[str, Scope], statement: str
) -> None:
    fill(records)
    engine = create_engine(parse_url(workspace[0]))
    with pytest.raises(Exception, match="never changed or removed"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    with records.reading() as tx:
        assert tx.audit.list() == [THIRD, SECOND, FIRST]


def test_appending_in_a_reading_transaction_is_an_error(records: DatabaseRecords) -> None:
    with pytest.raises(PlatformError, match="reading"), records.reading() as tx:
        tx.audit.append(FIRST)
