"""A deployment as a local run needs it; what reads it from YAML is in `deployment_reading`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batchyard.control import mlflow_code
from batchyard.domain.assets import Environment
from batchyard.domain.deployments import ExecutionSettings


@dataclass(frozen=True, slots=True)
class LocalDeployment:
    """Everything of a deployment that a run uses; paths are absolute, compute and endpoint names are not looked up.

    code: None for an MLflow model without a script, which `code_in` gives one.
    """

    name: str
    endpoint: str
    compute: str
    model: Path
    code: Path | None
    script: str
    environment: Environment
    settings: ExecutionSettings
    notes: tuple[str, ...]

    def code_in(self, folder: Path) -> Path:
        """Give the code folder; where the model came without a script, one made below `folder` with ours in it."""
        if self.code is not None:
            return self.code
        made = folder / mlflow_code.CODE
        made.mkdir()
        for name, text in mlflow_code.script_files().items():
            (made / name).write_text(text, encoding="utf-8")
        return made
