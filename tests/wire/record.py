"""Record the pairs anew: `make wire-pairs`. The diff shows what changed on the wire."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.records.database import migrate
from tests.unit.api.bench import BASE, Bench

from .recording import PAIRS, Recorder


class _Token:
    """A credential of azure-identity's kind that has its tokens from the bench."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def get_token(self, *scopes: str, **_more: Any) -> Any:  # Any: azure-core's
        from azure.core.credentials import AccessToken

        audience = scopes[0].removesuffix("/.default")
        token = self._bench.identity.client_secret_token(self._bench.token, audience, now=self._bench.clock())
        return AccessToken(token.text, int(time.time()) + 3600)


def main() -> None:
    """Run the operations of the SDK against a fresh server, and write what went over the wire."""
    os.environ["AZUREML_DEV_URL_MFE"] = BASE
    folder = Path(tempfile.mkdtemp(prefix="batchyard-wire-"))
    home = folder / "home"
    home.mkdir(mode=0o700)
    migrate(f"sqlite:///{home / 'batchyard.db'}")
    os.chdir(folder)
    try:
        recorder = Recorder(Bench(home))
        with recorder.listening():
            _run(recorder)
        print(f"{recorder.write(PAIRS)} pairs in {PAIRS}")
    finally:
        shutil.rmtree(folder)


def _run(recorder: Recorder) -> None:
    from azure.ai.ml import MLClient

    from .operations import OPERATIONS

    client = MLClient(
        _Token(recorder.bench),
        DEFAULT_SCOPE.subscription,
        DEFAULT_SCOPE.resource_group,
        DEFAULT_SCOPE.workspace,
        enable_telemetry=False,
    )
    operations: tuple[Callable[[Any, Recorder], object], ...] = OPERATIONS  # Any: the SDK tells no types
    for operation in operations:
        recorder.operation = operation.__name__.replace("_", "-")
        operation(client, recorder)


if __name__ == "__main__":
    main()
