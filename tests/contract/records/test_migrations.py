"""`migrate`: what it makes is what the code expects, and any number of processes may call it."""

from __future__ import annotations

import importlib.resources
import json
import os
import uuid
import warnings
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from batchyard.domain.errors import PlatformError
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.ports.records import Kind
from batchyard.records.database import migrate, open_records
from batchyard.records.engines import parse_url
from batchyard.records.migrations.upgrade import upgrade
from batchyard.records.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nobody has migrated."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/fresh.db"
    server = parse_url(request.getfixturevalue("postgresql_server"))
    name = f"fresh_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


def test_the_migrations_make_the_tables_that_the_code_expects(fresh_url: str) -> None:
    migrate(fresh_url)
    engine = create_engine(parse_url(fresh_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_eight_processes_may_migrate_at_once_and_again(fresh_url: str) -> None:
    children = []
    for _ in range(8):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            status = 1
            try:
                migrate(fresh_url)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    migrate(fresh_url)
    records = open_records(fresh_url, DEFAULT_SCOPE)
    with records.reading() as tx:
        assert tx.documents.list(Kind.COMPUTE).items == ()
    records.close()


def test_a_database_of_a_newer_version_is_refused(fresh_url: str) -> None:
    migrate(fresh_url)
    engine = create_engine(parse_url(fresh_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(PlatformError, match="newer version"):
        migrate(fresh_url)


def test_a_database_that_cannot_be_made_is_a_platform_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="unable to open"):
        migrate(f"sqlite:///{tmp_path}/no/such/folder/x.db")


def test_what_jobs_had_reserved_stays_reserved_in_a_table_of_its_own(fresh_url: str) -> None:
    reserved = {"whole": ("out/x", "predictions.csv", True), "file": ("out/y", "a.csv", False), "top": ("", "b", False)}
    upgrade(parse_url(fresh_url), wait_s=60, to="0009")
    engine = create_engine(parse_url(fresh_url))
    with engine.begin() as connection:
        for name, (folder, file_name, is_whole) in reserved.items():
            connection.execute(
                text(_JOB),
                {
                    "name": name,
                    "reservation": json.dumps(["store", folder, file_name]),
                    "folder": json.dumps(["store", folder]),
                    "whole": is_whole,
                },
            )
    migrate(fresh_url)
    with engine.begin() as connection:
        found = connection.execute(text("SELECT place, job FROM reservations ORDER BY place")).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [
        ("store/b", "top"),
        ("store/out/x", "whole"),
        ("store/out/y/a.csv", "file"),
    ]


_JOB = """
INSERT INTO jobs (scope, name, endpoint, deployment, status, created_at, created_by, compute, instances, fence,
  process_ends, cancel_requested, reservation, reserved_folder, reserves_folder, run, spec, counts, phases,
  display_name, description, tags, properties)
VALUES ('s', :name, 'e', 'd', 'Queued', 1, 'ada', 'c', 1, 0, 0, false, :reservation, :folder, :whole, 1, '{}', '{}',
  '{}', '', '', '{}', '{}')
"""


def test_the_migrations_are_packaged_beside_the_code() -> None:
    folder = importlib.resources.files("batchyard.records").joinpath("migrations")
    assert folder.joinpath("env.py").is_file()
    names = sorted(path.name for path in folder.joinpath("versions").iterdir() if path.name.startswith("0"))
    assert names == [
        "0001_first.py",
        "0002_failures_of_jobs.py",
        "0003_reruns.py",
        "0004_pausing.py",
        "0005_generations.py",
        "0006_workspaces.py",
        "0007_archived_jobs.py",
        "0008_calibrations.py",
        "0009_steps.py",
        "0010_reservations.py",
        "0011_logged.py",
        "0012_step_keys.py",
    ]
