"""The doctor's findings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchyard.bootstrap.doctor import Finding, Verdict, examine, main
from batchyard.bootstrap.home import prepare_home
from batchyard.settings import Settings


def finding(home: Path, check: str) -> Finding:
    return next(one for one in examine(Settings(home)) if one.check == check)


def test_a_good_home_has_no_failed_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_home(Settings(tmp_path / "home"))

    assert main(["--home", str(tmp_path / "home"), "--json"]) == 0
    verdicts = {one["check"]: one["verdict"] for one in json.loads(capsys.readouterr().out)}
    assert set(verdicts.values()) <= {"ok", "warn"}
    assert verdicts["database"] == verdicts["fsync"] == verdicts["home"] == "ok"


def test_a_home_that_is_not_there_yet_is_left_so(tmp_path: Path) -> None:
    assert main(["--home", str(tmp_path / "home")]) == 0
    assert not (tmp_path / "home").exists()


def test_every_finding_that_is_not_good_says_what_to_do(tmp_path: Path) -> None:
    home = prepare_home(Settings(tmp_path / "home")).path
    (home / "token").chmod(0o644)
    (home / "batchyard.db").write_bytes(b"no database at all")

    findings = examine(Settings(home))

    assert {one.check for one in findings if one.verdict is Verdict.FAIL} == {"home", "database"}
    assert all(one.remedy for one in findings if one.verdict is not Verdict.OK)


def test_a_failed_check_ends_with_1(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    assert main(["--home", str(tmp_path)]) == 1


def test_it_says_plainly_that_scripts_can_read_the_token(tmp_path: Path) -> None:
    told = finding(tmp_path, "isolation")

    assert told.verdict is Verdict.WARN
    assert "token" in told.found
    assert "must not run this way" in told.remedy
    assert "BATCHYARD_SANDBOX=on" in told.remedy


def test_it_says_that_code_is_confined_and_how_far(tmp_path: Path) -> None:
    (told,) = (one for one in examine(Settings(tmp_path, sandbox=True)) if one.check == "isolation")

    assert told.verdict is Verdict.OK
    assert "sandboxes of bubblewrap" in told.found
    assert "without a network" in told.found


def test_a_sandbox_that_is_wanted_and_not_there_is_a_failure_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    (told,) = (one for one in examine(Settings(tmp_path, sandbox=True)) if one.check == "isolation")

    assert told.verdict is Verdict.FAIL
    assert "bubblewrap is not installed" in told.found
    assert "apt-get install bubblewrap" in told.remedy
