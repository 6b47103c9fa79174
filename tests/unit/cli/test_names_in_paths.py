"""A name stays one part of a path: it never leads a command to another resource than the one it was given for."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["..", ".", "", "x/deployments/y", "x\\y"])
@pytest.mark.parametrize(
    "command",
    [
        ("batch-deployment", "delete", "-e", "digits", "--yes", "-n"),
        ("batch-endpoint", "delete", "--yes", "-n"),
        ("compute", "delete", "--yes", "-n"),
        ("job", "cancel", "-n"),
    ],
)
def test_a_name_that_would_lead_elsewhere_sends_nothing(terminal, name, command):
    terminal.azure.put("batchEndpoints/digits", {})

    assert terminal.run(*command, name) == 2
    assert repr(name) in terminal.err
    assert terminal.azure.requests == []
