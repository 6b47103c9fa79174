"""What scripts for Azure do once before anything else, and what has no need of it here."""

from __future__ import annotations

import pytest

from batchyard.cli import az


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("login", "Nobody signs in"),
        ("login --service-principal -u id -p secret-1 --tenant t", "Nobody signs in"),
        ("logout", "Nobody signs in"),
        ("extension add -n ml -y", "no extension"),
        ("extension remove --name=azure-cli-ml", "no extension"),
        ("group create --name my-rg --location eastus", "az ml workspace create"),
    ],
)
def test_what_needs_no_doing_says_so_and_succeeds(capsys: pytest.CaptureFixture[str], typed: str, told: str) -> None:
    assert az.main(typed.split()) == 0
    printed = capsys.readouterr()
    assert told in printed.err
    assert "secret-1" not in printed.err
    assert printed.out == ""


def test_extensions_for_other_services_are_not_served(capsys: pytest.CaptureFixture[str]) -> None:
    assert az.main(["extension", "add", "-n", "aks-preview"]) == 2
    assert "`az extension` is not served by batchyard" in capsys.readouterr().err
